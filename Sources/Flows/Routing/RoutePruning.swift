package import Inference
package import Kernel

/// Removes decisions that nobody may look at any more.
package struct RoutePruning: Sendable {
    /// Between two rounds. Several nodes may do them at once.
    package static let interval = Duration.seconds(60)
    /// Rows in one transaction.
    package static let batch = 1000

    private let store: any RouteStore
    private let retention: Duration
    private let clock: any Clock

    package init(store: any RouteStore, retention: Duration, clock: any Clock) {
        self.store = store
        self.retention = retention
        self.clock = clock
    }

    /// Removes all that is too old now, batch by batch.
    /// - Returns: how many rows went.
    @discardableResult
    package func prune() async throws -> Int {
        let before = clock.now - retention
        var count = 0
        while true {
            let gone = try await store.prune(before: before, limit: Self.batch)
            count += gone
            guard gone > 0 else { return count }
            try Task.checkCancellation()
        }
    }
}
