package import Tenancy

/// Drops the answers whose day is over.
package struct IdempotencyPruning: Sendable {
    /// Between two rounds. Several nodes may do them at once.
    package static let interval = Duration.seconds(60)
    /// Records in one transaction.
    package static let batch = 500

    private let store: any IdempotencyStore

    package init(store: any IdempotencyStore) {
        self.store = store
    }

    /// Drops all that is too old now, batch by batch.
    /// - Returns: how many records went.
    package func prune() async throws -> Int {
        var count = 0
        while true {
            let gone = try await store.prune(limit: Self.batch)
            count += gone
            guard gone == Self.batch else { return count }
            try Task.checkCancellation()
        }
    }
}
