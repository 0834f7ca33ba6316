import Inference
package import Kernel
import Tenancy

extension ControlFlow {
    package func route(of request: RequestID) async throws -> RouteView {
        let stored = try await authorizedRoute(of: request)
        guard let record = RoutingRecordCoding.decode(stored.record) else {
            throw Problem(
                .notFound, "The decision of `\(request)` is kept in a form that this version cannot read.",
                parameter: "id", hint: "Ask a node of the version that answered the request.")
        }
        let usage = try await stores.usage.record(of: request, in: stored.workspace)
        let decision = record.replay()
        let isSame = decision.order == record.order
        let isOperator = caller.principal.isOperator
        let places = record.order + record.targets.indices.filter { !record.order.contains($0) }
        return RouteView(
            request: request,
            decision: DecisionView(
                record, model: usage?.model, decidedAt: stored.accepted, replay: isSame ? .same : .differs),
            candidates: places.map { place in
                CandidateView(
                    record, at: place, decision.verdicts[place],
                    rank: record.order.firstIndex(of: place).map { $0 + 1 }, showsCost: isOperator)
            },
            attempts: usage?.attempts.map { AttemptView($0, showsUpstream: isOperator) } ?? [],
            status: usage?.status)
    }

    /// A key may look at what it asked itself; anything else of the workspace takes more. Whoever may not is told what
    /// they are told of a request that never was.
    private func authorizedRoute(of request: RequestID) async throws -> StoredRoute {
        let missing = Problem(
            .notFound, "No decision is kept of a request `\(request)`.", parameter: "id",
            hint: "It can be read a second or so after the answer has ended, and for as long as the platform keeps "
                + "decisions: if the request has just ended, ask again in a moment.")
        guard let stored = try await stores.routes.route(of: request),
            let workspace = try await stores.workspaces.find(stored.workspace)
        else { throw missing }
        let target = Target(
            Resource(tenant: workspace.tenant, workspace: workspace.id), subject: request.description,
            missing: missing)
        do {
            try await gate.authorize(
                asked(by: stored.key) ? .inferenceExecute : .usageRead, on: target, as: "request.route")
        } catch is Problem {
            throw missing
        }
        return stored
    }

    private func asked(by key: KeyID?) -> Bool {
        guard case .key(let own) = caller.principal.identity else { return false }
        return own == key
    }
}
