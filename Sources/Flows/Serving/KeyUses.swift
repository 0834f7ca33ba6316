package import Tenancy

/// Writes down when keys were last used: in batches, since a row for each request would cost more than the request.
package struct KeyUses: Sendable {
    private static let batch = 500

    private let keys: KeyVerifier
    private let store: any KeyStore

    package init(keys: KeyVerifier, store: any KeyStore) {
        self.keys = keys
        self.store = store
    }

    /// Writes what was used since the last call. What cannot be written is tried again by the next one.
    /// - Throws: the store's `Problem`; `CancellationError`.
    package func write() async throws {
        var left = keys.takeUses()
        while !left.isEmpty {
            let now = Dictionary(uniqueKeysWithValues: left.prefix(Self.batch).map { ($0.key, $0.value) })
            do {
                try await store.touch(now)
            } catch {
                keys.putBack(left)
                throw error
            }
            for key in now.keys { left[key] = nil }
        }
    }
}
