import Flows
import Kernel
import Tenancy

extension Housekeeping {
    /// How long the feed of revocations is kept: a node that was away for longer forgets everything it knew.
    private static let keptRevocations = Duration.seconds(86_400)
    private static let purgeBatch = 20

    /// What the stores want done.
    /// - Parameter routeRetention: how long decisions of the router are kept.
    static func chores(
        over storage: StorageParts, routeRetention: Duration, clock: any Kernel.Clock, ids: IDSource
    ) -> [Chore] {
        let pruning = IdempotencyPruning(store: storage.idempotency)
        let routes = RoutePruning(store: storage.routes, retention: routeRetention, clock: clock)
        return [
            Chore(name: "idempotency records", interval: IdempotencyPruning.interval) {
                _ = try await pruning.prune()
                return false
            },
            Chore(name: "routing decisions", interval: RoutePruning.interval) {
                try await routes.prune()
                return false
            },
            Chore(name: "deleted workspaces", interval: .seconds(60)) {
                let gone = try await storage.workspaces.purge(at: clock.now, limit: purgeBatch) { workspace in
                    AuditEntry(
                        id: ids.next(), tenant: workspace.tenant, workspace: workspace.id, at: clock.now,
                        actor: "platform", action: "workspace.purge", subject: workspace.id.description,
                        details: ["name": workspace.name])
                }
                return gone == purgeBatch
            },
            Chore(name: "revocations", interval: .seconds(3600)) {
                try await storage.revocations.prune(before: clock.now - keptRevocations)
                return false
            },
            SecretAges(providers: storage.providers, secrets: storage.secrets, clock: clock).chore,
        ]
    }
}
