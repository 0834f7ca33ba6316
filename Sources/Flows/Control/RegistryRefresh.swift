package import Inference
package import Kernel
import Synchronization

/// Copies the stored deployments, and what workspaces set for their routing, into the registry that requests read.
package final class RegistryRefresh: Sendable {
    /// Without news for longer than this, what is routed by counts as old: ten times the interval at which it is read.
    private static let patience = Duration.seconds(10)

    package let registry: Registry
    private let store: any RegistryStore
    private let routings: any RoutingStore
    private let clock: any Clock
    private let announce: @Sendable () -> Void
    private let state = Mutex(State())

    private struct State {
        var begun = 0
        var applied = 0
        /// Of the routing that was applied last; nil before the first time.
        var routings: Int64?
        var read: (at: Instant, uptime: Duration)?
        /// The last look failed.
        var isAway = false
    }

    /// - Parameter announce: tells the other nodes that what is stored changed.
    package init(
        registry: Registry, store: any RegistryStore, routings: any RoutingStore, clock: any Clock,
        announce: @escaping @Sendable () -> Void = {}
    ) {
        self.registry = registry
        self.store = store
        self.routings = routings
        self.clock = clock
        self.announce = announce
    }

    /// What the registry holds, and how new it is.
    package var freshness: RegistryFreshness {
        let (read, isAway) = state.withLock { ($0.read, $0.isAway) }
        let isOld = read.map { clock.uptime - $0.uptime > Self.patience } ?? true
        return RegistryFreshness(
            snapshot: registry.snapshot.number, isCurrent: !isAway && !isOld, read: read?.at)
    }

    /// After a change of our own: the other nodes hear of it, and this one has it when the call returns.
    /// - Throws: as `refresh`.
    package func didChange() async throws {
        announce()
        try await refresh()
    }

    /// Reads everything and makes it what the registry holds. When two run at once, the result of the one that began
    /// later stays: it has seen every change that the other has.
    /// - Throws: the store's `Problem`; the registry then keeps what it has, and routing goes on.
    package func refresh() async throws {
        let version = state.withLock { state in
            state.begun += 1
            return state.begun
        }
        do {
            let deployments = try await store.all()
            // The version first: what changes after it is read again next time.
            let stored = try await routings.version()
            let isKnown = state.withLock { $0.routings == stored }
            let routings = isKnown ? nil : try await routings.all()
            apply(deployments, routings, stored, version: version)
        } catch {
            if !(error is CancellationError) { state.withLock { $0.isAway = true } }
            throw error
        }
    }

    /// - Parameters:
    ///   - routings: nil where they are those that were applied.
    ///   - stored: the version of the routing.
    private func apply(_ deployments: [Deployment], _ routings: [StoredRouting]?, _ stored: Int64, version: Int) {
        state.withLock { state in
            state.read = (clock.now, clock.uptime)
            state.isAway = false
            guard version > state.applied else { return }
            state.applied = version
            if routings != nil { state.routings = stored }
            registry.replaceRegistered(
                deployments,
                routings: routings.map { rows in
                    Dictionary(rows.map { ($0.workspace, $0.routing) }) { first, _ in first }
                })
        }
    }
}

/// How new what a node routes by is.
package struct RegistryFreshness: Sendable, Equatable {
    /// The snapshot's number, counted on this node from its start.
    package let snapshot: UInt64
    package let isCurrent: Bool
    /// When it was last compared with what is stored; nil before the first time.
    package let read: Instant?

    package init(snapshot: UInt64, isCurrent: Bool, read: Instant?) {
        self.snapshot = snapshot
        self.isCurrent = isCurrent
        self.read = read
    }
}
