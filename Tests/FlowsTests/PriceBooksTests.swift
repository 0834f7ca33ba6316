import Billing
import Flows
import Inference
import Kernel
import TestKit
import Testing

@Suite struct PriceBooksTests {
    private func book(_ version: Int, from effective: Instant) -> PriceBook {
        let price = UnitPrice(units: Int64(version), currency: .usd, per: 1)
        let entry = PriceEntry(model: "*", meter: .input, price: price)
        return PriceBook(
            kind: .price, version: version, effective: effective, content: PriceBook.Content(entries: [entry]))
    }

    @Test("a request is priced by the version that was in force when it was accepted")
    func inForce() async throws {
        let clock = ManualClock()
        let now = clock.now
        let later = Instant(microseconds: now.microseconds + 60_000_000)
        // The third replaces the first, written later for the same time; the second is for later.
        let books = PriceBooks(
            store: MemoryPrices([book(1, from: now), book(2, from: later), book(3, from: now)]), clock: clock)
        #expect(!books.isLoaded && books.table(.price, at: now) == nil)
        try await books.refresh()
        #expect(books.isLoaded)
        #expect(books.table(.price, at: now)?.book.version == 3)
        #expect(books.table(.price, at: later)?.book.version == 2)
        #expect(books.table(.price, at: Instant(microseconds: now.microseconds - 1)) == nil)
        #expect(books.table(.cost, at: later) == nil)
    }

    @Test("a new version is known after the next refresh, and an older one is read when it is asked for")
    func versions() async throws {
        let clock = ManualClock()
        let store = MemoryPrices([book(1, from: clock.now)])
        let books = PriceBooks(store: store, clock: clock)
        try await books.refresh()
        let act = MoneyAct(
            id: IDSource(clock: clock, random: SeededRandom()).next(), actor: "test", address: nil, request: nil,
            at: clock.now, details: [:])
        _ = try await store.add(book(2, from: clock.now).content, to: .price, effective: clock.now, after: 1, by: act)
        #expect(books.table(.price, at: clock.now)?.book.version == 1)
        try await books.refresh()
        #expect(books.table(.price, at: clock.now)?.book.version == 2)
        #expect(try await books.table(.price, version: 1)?.book.version == 1)
        #expect(try await books.table(.price, version: 0) == nil)
        #expect(try await books.table(.price, version: 7) == nil)
    }

    /// Prices whose database is away when a test says so.
    private struct FlakyPrices: PriceStore {
        let inner: MemoryPrices
        let isAway: Shared<Bool>

        func add(
            _ content: PriceBook.Content, to kind: PriceBook.Kind, effective: Instant, after: Int, by act: MoneyAct
        ) async throws -> PriceBook {
            try await inner.add(content, to: kind, effective: effective, after: after, by: act)
        }

        func versions(of kind: PriceBook.Kind, page: PageRequest) async throws -> Page<PriceBookSummary> {
            try await inner.versions(of: kind, page: page)
        }

        func book(_ kind: PriceBook.Kind, version: Int) async throws -> PriceBook? {
            try await inner.book(kind, version: version)
        }

        func heads() async throws -> [PriceBook.Kind: Int] {
            if isAway.value { throw Problem(.storageUnavailable) }
            return try await inner.heads()
        }

        func current(_ kind: PriceBook.Kind, at time: Instant) async throws -> [PriceBook] {
            try await inner.current(kind, at: time)
        }
    }

    @Test("a version that could not be read when it was announced is read at the next look")
    func readLater() async throws {
        let harness = try SpendingHarness()
        let isAway = Shared(false)
        let store = FlakyPrices(inner: MemoryPrices(), isAway: isAway)
        let books = PriceBooks(store: store, clock: harness.clock)
        let keeper = EscrowKeeper(life: harness.life, cache: harness.cache, books: books) { _ in true }
        try await keeper.lookAtRules()
        #expect(books.isLoaded && books.table(.price, at: harness.clock.now) == nil)
        let act = MoneyAct(
            id: IDSource(clock: harness.clock, random: SeededRandom()).next(), actor: "test", address: nil,
            request: nil, at: harness.clock.now, details: [:])
        let now = harness.clock.now
        _ = try await store.add(book(1, from: now).content, to: .price, effective: now, after: 0, by: act)
        // Draws a number, as the store of prices does.
        harness.set()
        isAway.update { $0 = true }
        await #expect(throws: Problem.self) { try await keeper.lookAtRules() }
        isAway.update { $0 = false }
        try await keeper.lookAtRules()
        #expect(books.table(.price, at: now)?.book.version == 1)
    }

    @Test("books know a provider by its name, also after it is gone, and one that they were not told of by its id")
    func providers() throws {
        let samples = Samples()
        let books = PriceBooks(store: MemoryPrices(), clock: samples.clock)
        let endpoint = try #require(Endpoint("https://openrouter.ai/api/v1"))
        let provider = Provider(
            id: samples.ids.next(), name: "openrouter", wire: .openAI, endpoint: endpoint, created: samples.clock.now)
        books.know([provider])
        books.know([])
        #expect(books.subject(model: "m", provider: provider.id, operation: .chat).provider == "openrouter")
        #expect(books.subject(model: "m", provider: nil, operation: .chat).provider == nil)
        let other: ProviderID = samples.ids.next()
        #expect(books.subject(model: "m", provider: other, operation: .chat).provider == other.description)
    }

    @Test("a provider's name is read when it is needed, and one that is gone is asked for once")
    func readsProviders() async throws {
        let samples = Samples()
        let store = MemoryProviderStore()
        let books = PriceBooks(store: MemoryPrices(), providers: store, clock: samples.clock)
        let endpoint = try #require(Endpoint("https://openrouter.ai/api/v1"))
        let provider = Provider(
            id: samples.ids.next(), name: "openrouter", wire: .openAI, endpoint: endpoint, created: samples.clock.now)
        try await store.insert(provider)
        try await books.meet(provider.id)
        #expect(books.subject(model: "m", provider: provider.id, operation: .chat).provider == "openrouter")
        let gone: ProviderID = samples.ids.next()
        try await books.meet(gone)
        try await books.meet(nil)
        #expect(books.subject(model: "m", provider: gone, operation: .chat).provider == gone.description)
    }
}
