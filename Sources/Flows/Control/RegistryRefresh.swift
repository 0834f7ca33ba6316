package import Inference
import Synchronization

/// Copies the stored deployments into the registry that requests read.
package final class RegistryRefresh: Sendable {
    package let registry: Registry
    private let store: any RegistryStore
    private let announce: @Sendable () -> Void
    private let versions = Mutex((begun: 0, applied: 0))

    /// - Parameter announce: tells the other nodes that the stored deployments changed.
    package init(
        registry: Registry, store: any RegistryStore, announce: @escaping @Sendable () -> Void = {}
    ) {
        self.registry = registry
        self.store = store
        self.announce = announce
    }

    /// After a change of our own: the other nodes hear of it, and this one has it when the call returns.
    /// - Throws: as `refresh`.
    package func didChange() async throws {
        announce()
        try await refresh()
    }

    /// Reads all deployments and makes them what the registry holds. When two run at once, the result of the one that
    /// began later stays: it has seen every change that the other has.
    /// - Throws: the store's `Problem`; the registry then keeps what it has, and routing goes on.
    package func refresh() async throws {
        let version = versions.withLock { versions in
            versions.begun += 1
            return versions.begun
        }
        let deployments = try await store.all()
        versions.withLock { versions in
            guard version > versions.applied else { return }
            versions.applied = version
            registry.replaceRegistered(deployments)
        }
    }
}
