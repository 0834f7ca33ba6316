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
        /// What admission goes by. Replaced as a whole, and never changed.
        var current = BooksInForce()
        var heads: [PriceBook.Kind: Int]?
        var old: [Version: PriceTable] = [:]
        var said: (time: Instant, at: Duration)?
        /// Changes that are known to have been made, and those that were certainly read.
        var changes = 1
        var read = 0
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

    /// The ledger's time; this node's own until somebody has told it.
    package var now: Instant {
        guard let said = state.withLock({ $0.said }) else { return clock.now }
        return said.time + (clock.uptime - said.at)
    }

    /// - Parameter uptime: of the monotonic clock, when the ledger was asked.
    package func tell(_ time: Instant, at uptime: Duration) { state.withLock { $0.said = (time, uptime) } }

    /// What this node goes by now.
    var current: BooksInForce { state.withLock { $0.current } }

    /// The same where requests to that provider can be priced from memory; nil where `refresh` or `meet` come first.
    func current(for provider: ProviderID?) -> BooksInForce? {
        let books = state.withLock { $0.heads == nil ? nil : $0.current }
        guard let books, let provider, providers != nil else { return books }
        return books.providers[provider] == nil ? nil : books
    }

    /// The version that was in force at a time of this node's clock that is not long over. Nil where there was none:
    /// nothing is priced. A clock that was set far back finds the one in force by the ledger's clock: it opens no wall.
    package func table(_ kind: PriceBook.Kind, at time: Instant) -> PriceTable? { table(kind, at: time, in: current) }

    func table(_ kind: PriceBook.Kind, at time: Instant, in books: BooksInForce) -> PriceTable? {
        if books.isEmpty(kind) { return nil }
        if let table = books.table(kind, at: time) { return table }
        let now = now
        return time < now - Self.memory ? books.table(kind, at: now) : nil
    }

    /// It must be read from the database first.
    struct NotInMemory: Error {}

    /// - Returns: nil for version 0, which is none.
    func remembered(_ kind: PriceBook.Kind, version: Int) throws(NotInMemory) -> PriceTable? {
        guard version > 0 else { return nil }
        guard let table = known(kind, version) else { throw NotInMemory() }
        return table
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
            $0.current.table(kind, version: version) ?? $0.old[Version(kind: kind, number: version)]
        }
    }

    /// Something was changed that may be in the books.
    package func expire() { state.withLock { $0.changes += 1 } }

    /// Whether something was changed and `refresh` has not succeeded since.
    package var isStale: Bool { state.withLock { $0.read < $0.changes } }

    /// Reads what has been written since the last call. Cheap when that is nothing.
    /// - Throws: as `PriceStore` and `ProviderStore`; what was known stays.
    package func refresh() async throws {
        let changes = state.withLock { $0.changes }
        if let providers { know(try await providers.all()) }
        let heads = try await store.heads()
        let isKnown = state.withLock { state in
            guard state.heads == heads else { return false }
            state.read = max(state.read, changes)
            return true
        }
        if isKnown { return }
        // By both clocks.
        let since = min(now, clock.now) - Self.memory
        var tables: [PriceBook.Kind: [PriceTable]] = [:]
        for kind in PriceBook.Kind.allCases {
            let books = try await store.current(kind, at: since).sorted {
                ($0.effective, $0.version) < ($1.effective, $1.version)
            }
            // A table that is known has worked out its answers.
            tables[kind] = books.map { known(kind, $0.version) ?? PriceTable($0) }
        }
        state.withLock { [tables] state in
            // Somebody who asked later may have been faster.
            guard heads.allSatisfy({ $1 >= state.heads?[$0] ?? 0 }) else { return }
            for kind in PriceBook.Kind.allCases {
                for table in state.current.tables(kind) {
                    state.old[Version(kind: kind, number: table.version)] = table
                }
            }
            if state.old.count > Self.mostOld { state.old.removeAll() }
            state.current = BooksInForce(tables, state.current.providers)
            state.heads = heads
            state.read = max(state.read, changes)
        }
    }

    // MARK: Subjects

    /// The names by which books know providers. One that is gone keeps its name for what is not settled yet.
    package func know(_ providers: [Provider]) {
        state.withLock { state in
            state.current = state.current.naming(providers.map { ($0.id, $0.name) })
        }
    }

    /// Whether `meet` has nothing to ask: requests to that provider can be priced from memory.
    func hasMet(_ provider: ProviderID?) -> Bool {
        guard let provider, providers != nil else { return true }
        return current.providers[provider] != nil
    }

    /// For who settles: the name of a provider that this process has not heard of yet, as after a restart.
    /// - Throws: as `ProviderStore`.
    package func meet(_ provider: ProviderID?) async throws {
        guard let provider, let providers, !hasMet(provider) else { return }
        know(try await providers.all())
        // One that is gone is asked for once.
        state.withLock { state in
            if state.current.providers[provider] != nil { return }
            state.current = state.current.naming([(provider, provider.description)])
        }
    }

    /// What a request's price is looked up for. Admission and settlement ask the same.
    package func subject(model: String, provider: ProviderID?, operation: Operation) -> PricedSubject {
        let name = provider.map { current.providers[$0] ?? $0.description }
        return PricedSubject(model: model, provider: name, operation: operation.rawValue)
    }

    package func subject(of deployment: Deployment, operation: Operation) -> PricedSubject {
        subject(model: deployment.model.text, provider: deployment.provider, operation: operation)
    }
}
