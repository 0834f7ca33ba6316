import Flows
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Kernel
import NIOCore
import Tenancy

/// Carries a request of the admin API out, once for all requests with the same `Idempotency-Key`.
struct KeyedRequests: Sendable {
    let flow: IdempotencyFlow

    func answer(
        _ asked: AdminRequest, route: Route, handler: @escaping @Sendable (AdminRequest) async throws -> Reply
    ) async throws -> Reply {
        let fields = asked.request.headers[values: .idempotencyKey]
        // Whoever may not do it at all is refused as without a key, and gets nobody's answer.
        guard route.method == .post, let field = fields.first, mayAtAll(asked.caller, route.action) else {
            return try await handler(asked)
        }
        guard fields.count == 1 else {
            throw Problem(
                .validationError, "`Idempotency-Key` is given more than once.", parameter: "Idempotency-Key")
        }
        let (asked, bytes) = try await collected(asked)
        let keyed = try flow.request(
            of: asked.caller.principal, workspace: asked.caller.workspace, method: route.method.rawValue,
            pattern: route.path, path: asked.request.uri.description, keyText: field, body: bytes)
        let result = try await flow.run(keyed, within: IdempotencyFlow.controlLimit) {
            do {
                let reply = try await handler(asked)
                return .kept(reply, reply.stored(request: asked.id))
            } catch let problem as Problem where Self.isResult(problem.code) {
                let reply = Reply(problem, request: asked.id)
                return .kept(reply, reply.stored(request: asked.id))
            }
        }
        switch result {
        case .carriedOut(let reply, _): return reply
        case .replayed(let answer): return Reply(replayed: answer)
        }
    }

    /// The handler reads the body from memory.
    private func collected(_ asked: AdminRequest) async throws -> (AdminRequest, [UInt8]) {
        let buffer = try await asked.request.body.collect(upTo: JSONBody.limit)
        var request = asked.request
        request.body = RequestBody(buffer: buffer)
        let same = AdminRequest(
            request: request, context: asked.context, caller: asked.caller, control: asked.control, id: asked.id)
        return (same, Array(buffer.readableBytesView))
    }

    private func mayAtAll(_ caller: Caller, _ action: RouteAction) -> Bool {
        caller.principal.grants.contains { !$0.permissions.isDisjoint(with: action.permissions) }
    }

    /// Whether the act was carried out and came to this, rather than being refused before.
    private static func isResult(_ code: ErrorCode) -> Bool { code == .alreadyExists || code == .conflict }
}
