package import Flows
import FoundationEssentials
import HTTPTypes
package import Hummingbird
package import Kernel
package import Logging

/// The control plane over HTTP: health, error pages, the API's description, sign-in, and what operators and tenants
/// administer.
///
/// A handler decodes, calls `Control`, encodes. Every answer carries `x-request-id`; every error is a `Problem`.
package struct ControlAPI: Sendable {
    let control: @Sendable (Caller) -> any Control
    let authentication: CallerAuthentication
    let signIn: SignInFlow
    let keyed: KeyedRequests
    let readiness: @Sendable () async -> Readiness
    let openAPI: [UInt8]
    let ids: IDSource
    let clock: any Clock
    let logger: Logger

    /// - Parameters:
    ///   - control: what acts for a caller.
    ///   - idempotency: of both planes.
    ///   - readiness: asked for each `/readyz`; it must not wait for anything slow.
    ///   - openAPI: the description in YAML.
    package init(
        control: @escaping @Sendable (Caller) -> any Control, authentication: CallerAuthentication,
        signIn: SignInFlow, idempotency: IdempotencyFlow, readiness: @escaping @Sendable () async -> Readiness,
        openAPI: [UInt8], ids: IDSource, clock: any Clock, logger: Logger
    ) {
        self.control = control
        self.authentication = authentication
        self.signIn = signIn
        keyed = KeyedRequests(flow: idempotency)
        self.readiness = readiness
        self.openAPI = openAPI
        self.ids = ids
        self.clock = clock
        self.logger = logger
    }

    /// A responder for every path that the gateway does not answer itself.
    package func makeRouter() -> Router<ControlContext> {
        let router = Router(context: ControlContext.self, options: .autoGenerateHeadEndpoints)
        router.add(
            middleware: Answers(table: RouteTable(allRoutes), ids: ids, clock: clock, logger: logger))
        for route in allRoutes {
            guard let answer = responder(for: route) else { continue }
            router.on(RouterPath(route.path), method: route.method, use: answer)
        }
        return router
    }

    /// Every route of the platform, with those that the gateway answers.
    package var allRoutes: [Route] { publicRoutes + sessionRoutes + adminRoutes + Self.gatewayPaths }

    var adminRoutes: [Route] {
        tenantRoutes + workspaceRoutes + userRoutes + serviceAccountRoutes + memberRoutes + keyRoutes + ruleRoutes
            + auditRoutes + providerRoutes + registryRoutes + routingRoutes + listingRoutes + priceRoutes + budgetRoutes
            + creditRoutes
            + ledgerRoutes + usageRoutes + requestRoutes
    }

    private func responder(
        for route: Route
    ) -> (@Sendable (Request, ControlContext) async throws -> Response)? {
        switch route.handler {
        case .gateway: nil
        case .open(let answer): answer
        case .admin(let answer):
            { request, context in
                let asked = try await asked(request, context)
                return try await keyed.answer(asked, route: route, handler: answer).response
            }
        case .stream(let answer): { request, context in try await answer(asked(request, context)) }
        }
    }

    /// Who it is comes before anything else of the request is looked at.
    func asked(_ request: Request, _ context: ControlContext) async throws -> AdminRequest {
        let id = context.requestID ?? ids.next()
        let caller = try await caller(of: request, id)
        return AdminRequest(request: request, context: context, caller: caller, control: control(caller), id: id)
    }

    private func caller(of request: Request, _ id: Kernel.RequestID) async throws -> Caller {
        try await authentication.caller(
            authorization: request.headers[values: .authorization], address: Self.address(of: request), request: id)
    }

    /// The edge says where the request comes from.
    static func address(of request: Request) -> IPAddress? {
        ClientAddressField.address(in: request.headers[.clientAddress])
    }
}
