package import Billing
package import Inference
package import Kernel
import Synchronization

/// The books as a node keeps them: those in force and those that are coming, ready to be asked for every request, and a
/// few older ones for what is settled late.
package final class PriceBooks: Sendable {
    /// How far back a request's acceptance may lie that is still priced from memory: far longer than any wait.
    private static let memory: Duration = .seconds(600)
    private static let mostOld = 32

    private struct State {
        /// By the time from which they are in force; of equals the higher version last.
        var tables: [PriceBook.Kind: [PriceTable]] = [:]
        var heads: [PriceBook.Kind: Int]?
        var old: [Version: PriceTable] = [:]
        var providers: [ProviderID: String] = [:]
    }

    private struct Version: Hashable {
        let kind: PriceBook.Kind
        let number: Int
    }

    private let store: any PriceStore
    private let providers: (any ProviderStore)?
    private let clock: any Clock
    private let state = Mutex(State())

    /// - Parameter providers: whose names books use; without them every provider goes by its identifier.
    package init(store: any PriceStore, providers: (any ProviderStore)? = nil, clock: any Clock) {
        self.store = store
        self.providers = providers
        self.clock = clock
    }

    /// Whether `refresh` has succeeded once: before it nothing is known of prices.
    package var isLoaded: Bool { state.withLock { $0.heads != nil } }

    /// The version that was in force at a time that is not long over. Nil where there was none: nothing is priced.
    package func table(_ kind: PriceBook.Kind, at time: Instant) -> PriceTable? {
        state.withLock { $0.tables[kind]?.last { $0.book.effective <= time } }
    }

    /// - Returns: nil where there is no such version; 0 is none.
    /// - Throws: as `PriceStore`, for a version that is not in memory.
    package func table(_ kind: PriceBook.Kind, version: Int) async throws -> PriceTable? {
        guard version > 0 else { return nil }
        if let known = known(kind, version) { return known }
        guard let book = try await store.book(kind, version: version) else { return nil }
        let table = PriceTable(book)
        state.withLock {
            if $0.old.count >= Self.mostOld { $0.old.removeAll() }
            $0.old[Version(kind: kind, number: version)] = table
        }
        return table
    }

    private func known(_ kind: PriceBook.Kind, _ version: Int) -> PriceTable? {
        state.withLock {
            $0.old[Version(kind: kind, number: version)] ?? $0.tables[kind]?.first { $0.book.version == version }
        }
    }

    /// Reads what has been written since the last call. Cheap when that is nothing.
    /// - Throws: as `PriceStore` and `ProviderStore`; what was known stays.
    package func refresh() async throws {
        if let providers { know(try await providers.all()) }
        let heads = try await store.heads()
        if state.withLock({ $0.heads == heads }) { return }
        let since = Instant(microseconds: clock.now.microseconds - Self.memory.microseconds)
        var tables: [PriceBook.Kind: [PriceTable]] = [:]
        for kind in PriceBook.Kind.allCases {
            let books = try await store.current(kind, at: since).sorted {
                ($0.effective, $0.version) < ($1.effective, $1.version)
            }
            // A table that is known has worked out its answers.
            tables[kind] = books.map { known(kind, $0.version) ?? PriceTable($0) }
        }
        state.withLock {
            for table in $0.tables.values.joined() {
                $0.old[Version(kind: table.book.kind, number: table.book.version)] = table
            }
            if $0.old.count > Self.mostOld { $0.old.removeAll() }
            $0.tables = tables
            $0.heads = heads
        }
    }

    // MARK: Subjects

    /// The names by which books know providers. One that is gone keeps its name for what is not settled yet.
    package func know(_ providers: [Provider]) {
        state.withLock { for provider in providers { $0.providers[provider.id] = provider.name } }
    }

    /// For who settles: the name of a provider that this process has not heard of yet, as after a restart.
    /// - Throws: as `ProviderStore`.
    package func meet(_ provider: ProviderID?) async throws {
        guard let provider, let providers, state.withLock({ $0.providers[provider] == nil }) else { return }
        know(try await providers.all())
        // One that is gone is asked for once.
        state.withLock { $0.providers[provider] = $0.providers[provider] ?? provider.description }
    }

    /// What a request's price is looked up for. Admission and settlement ask the same.
    package func subject(model: String, provider: ProviderID?, operation: Operation) -> PricedSubject {
        let name = provider.map { id in state.withLock { $0.providers[id] } ?? id.description }
        return PricedSubject(model: model, provider: name, operation: operation.rawValue)
    }

    package func subject(of deployment: Deployment, operation: Operation) -> PricedSubject {
        subject(model: deployment.model.text, provider: deployment.provider, operation: operation)
    }
}
