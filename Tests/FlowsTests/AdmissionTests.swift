import Billing
import Flows
import Inference
import Kernel
import TestKit
import Testing

@Suite("Admission from a node's memory")
struct AdmissionTests {
    @Test("without anything that binds, a request runs at once, also while nobody may spend")
    func nothingBinds() async throws {
        let harness = try SpendingHarness()
        harness.set()
        #expect(harness.flow.admit(harness.request(10)).isUndecided)
        let first = try await harness.admitted(10)
        #expect(first.hold.parts.isEmpty && first.hold.prices == 0)
        #expect(first.end(harness.record(first.hold, 5)) == nil)
        let second = try harness.flow.admit(harness.request(10)).ticket
        #expect(second.end(nil) == nil)
        #expect(harness.ledger.calls.rules == 1)
        #expect(harness.flow.needsCap(harness.spender) == false)
    }

    @Test("who pays afterwards owes the price, and nothing is set aside")
    func postpaid() async throws {
        let harness = try SpendingHarness(books: [SpendingHarness.book()])
        harness.set()
        let ticket = try await harness.admitted(10)
        #expect(ticket.hold.prices == 1)
        #expect(ticket.hold.parts.map(\.account) == [harness.account(999)])
        #expect(ticket.end(harness.record(ticket.hold, 3)) == Money(units: 3_000_000_000, .usd))
        #expect(harness.ledger.calls.take == 0)
    }

    @Test("a slice serves many requests without the ledger, and the rest of each comes back")
    func sliceServes() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 100_000)])
        try await harness.keeper.begin()
        try await harness.finish(harness.admitted(100), 10)
        for round in 0..<100 {
            if round % 20 == 0 { try await harness.keeper.lookAtSlices() }
            let ticket = try harness.flow.admit(harness.request(100)).ticket
            let beside = try #require(ticket.remaining)
            try await harness.finish(ticket, 10)
            #expect(ticket.remaining == Amount(units: beside.units + 90, .tokens), "what it did not use is left again")
        }
        #expect(harness.ledger.calls.take < 10)
        #expect(harness.ledger.sums(of: harness.account(1)).debits == 1010)
        #expect(harness.ledger.isSound)
        #expect(harness.flow.needsCap(harness.spender) == true)
    }

    @Test("a ticket ends once: a second end gives nothing back")
    func endsOnce() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 100)])
        try await harness.keeper.begin()
        let ticket = try await harness.admitted(100)
        _ = ticket.end(harness.record(ticket.hold, 40))
        _ = ticket.end(nil)
        #expect(harness.life.holdings[harness.account(1)] == EscrowHolding(free: 60, held: 0, returning: 0))
    }

    @Test("a ticket that is only dropped leaves nothing held")
    func droppedTicket() async throws {
        let harness = try SpendingHarness()
        let limit = RateLimit(
            id: harness.samples.ids.next(), subject: .key(harness.spender.key), model: nil, quantity: .concurrency,
            amount: 1)
        harness.set(budgets: [harness.budget(1, 100)], limits: [limit])
        try await harness.keeper.begin()
        _ = try await harness.admitted(100)
        #expect(harness.life.holdings[harness.account(1)] == EscrowHolding(free: 100, held: 0, returning: 0))
        #expect(harness.counters.running == 0)
    }

    @Test("a request over a rate limit is refused with the time to wait, and holds nothing")
    func overRate() async throws {
        let harness = try SpendingHarness()
        let limit = RateLimit(
            id: harness.samples.ids.next(), subject: .key(harness.spender.key), model: nil,
            quantity: .requestsPerMinute, amount: 1)
        harness.set(budgets: [harness.budget(1, 100)], limits: [limit])
        try await harness.keeper.begin()
        let first = try await harness.admitted(10)
        #expect(!first.rates.isEmpty)
        for _ in 0..<3 {
            let problem = try #require(try await harness.ask(harness.request(10)).problem)
            #expect(problem.code == .rateLimited)
            #expect((problem.retryAfter ?? 0) > 0)
        }
        _ = first.end(nil)
        #expect(harness.life.holdings[harness.account(1)]?.held == 0)
    }

    @Test("a request that a limit never lets through is told so, and not to come back")
    func neverFits() async throws {
        let harness = try SpendingHarness()
        let limit = RateLimit(
            id: harness.samples.ids.next(), subject: .key(harness.spender.key), model: nil,
            quantity: .tokensPerMinute, amount: 100)
        harness.set(limits: [limit])
        try await harness.keeper.begin()
        let problem = try #require(try await harness.ask(harness.request(640)).problem)
        #expect(problem.code == .rateLimited && problem.retryAfter == nil)
        #expect(problem.message.contains("may take 640") && problem.message.contains("100 tokens per minute"))
        #expect(ProblemBody.headers(of: problem).contains { $0 == ("x-should-retry", "false") })
        _ = try await harness.admitted(100).end(nil)
        let waiting = try await harness.admitted(60)
        #expect(try #require(try await harness.ask(harness.request(60)).problem).retryAfter == 12)
        _ = waiting.end(nil)
    }

    @Test("rules in memory are bounded by their keys and by what stands in them", arguments: [(3, 1000), (1000, 12)])
    func boundedRules(most: Int, rows: Int) async throws {
        let harness = try SpendingHarness()
        var settings = SpendingCache.Settings()
        (settings.most, settings.mostRows) = (most, rows)
        let cache = SpendingCache(store: harness.ledger, clock: harness.clock, settings: settings)
        let flow = AdmissionFlow(
            cache: cache, books: harness.books, life: harness.life, counters: harness.counters, clock: harness.clock)
        let budgets = (1...4).map { harness.budget($0, 100, isHard: false) }
        let rules = SpendingRules(
            budgets: budgets, limits: [], currency: nil, funds: [], receivables: [.usd: harness.account(999)],
            until: nil)
        for number in 1...20 as ClosedRange<UInt64> {
            let own = Spender(
                tenant: harness.spender.tenant, workspace: harness.spender.workspace,
                key: KeyID(ULID(high: 12, low: number)), user: nil)
            harness.ledger.set(rules, for: own.key)
            let request = AdmissionRequest(
                spender: own, deployment: harness.deployment, operation: .chat, tags: [], ceiling: Quantities(),
                tokens: 1, accepted: harness.clock.now)
            #expect(try await flow.wait(request).ticket.hold.parts.count == 4)
            #expect(cache.count <= 3)
        }
        #expect(cache.count == 3)
    }

    @Test("a provider that this node has not heard of is looked for before its model is priced")
    func newProvider() async throws {
        let providers = MemoryProviderStore()
        let price = UnitPrice(units: 5, currency: .usd, per: 1)
        let book = PriceBook(
            kind: .price, version: 1, effective: Instant(microseconds: 0),
            content: PriceBook.Content(entries: [
                PriceEntry(model: "*", provider: "openrouter", meter: .output, price: price)
            ]))
        let harness = try SpendingHarness(books: [book], providers: providers)
        harness.set(funds: [harness.fund(1, 1000)], isPrepaid: true)
        try await harness.keeper.begin()
        try await harness.keeper.lookAtRules()
        let endpoint = try #require(Endpoint("https://openrouter.ai/api/v1"))
        let provider = Provider(
            id: harness.samples.ids.next(), name: "openrouter", wire: .openAI, endpoint: endpoint,
            created: harness.clock.now)
        try await providers.insert(provider)
        let request = harness.request(10, of: harness.deployment(of: provider))
        let ticket = try await harness.ask(request).ticket
        #expect(ticket.hold.parts.map(\.amount) == [50])
        _ = ticket.end(nil)
    }

    @Test("budgets bind by model and tag, and what only counts is named without a slice")
    func matching() async throws {
        let harness = try SpendingHarness()
        let soft = harness.budget(3, 5, isHard: false)
        harness.set(budgets: [
            harness.budget(1, 1000, model: "ti*"), harness.budget(2, 1000, model: "other"), soft,
            harness.budget(4, 1000, tag: "red"), harness.budget(5, 1000, .requests, tag: "blue"),
        ])
        try await harness.keeper.begin()
        let plain = try await harness.admitted(10)
        #expect(plain.hold.parts.map(\.account) == [harness.account(1), harness.account(3)])
        #expect(plain.hold.parts.map { $0.escrow == nil } == [false, true])
        let tagged = try await harness.ask(harness.request(10, tags: ["blue", "red"])).ticket
        #expect(
            tagged.hold.parts.map(\.account)
                == [harness.account(1), harness.account(4), harness.account(5), harness.account(3)])
        #expect(tagged.hold.parts.map(\.amount) == [10, 10, 1, 0])
    }

    @Test("a model without a price is refused under a wall in money, and where payment is in advance")
    func priceMissing() async throws {
        let content = PriceBook.Content(entries: [
            PriceEntry(model: "dear", meter: .output, price: UnitPrice(units: 1, currency: .usd, per: 1))
        ])
        let book = PriceBook(kind: .price, version: 1, effective: Instant(microseconds: 0), content: content)
        let harness = try SpendingHarness(books: [book])
        try await harness.keeper.begin()
        harness.set(budgets: [harness.budget(1, 1000, .money(.usd))])
        #expect(try await harness.ask(harness.request(10)).problem?.code == .priceMissing)
        harness.set(isPrepaid: true)
        try await harness.keeper.lookAtRules()
        #expect(try await harness.ask(harness.request(10)).problem?.code == .priceMissing)
        // Afterwards it may be priced yet: it runs, and waits in suspense.
        harness.set()
        try await harness.keeper.lookAtRules()
        let ticket = try await harness.admitted(10)
        #expect(ticket.hold.prices == 1 && ticket.hold.parts.isEmpty)
    }

    @Test("without any price book a wall in money binds nothing")
    func noBook() async throws {
        let harness = try SpendingHarness()
        try await harness.keeper.begin()
        harness.set(budgets: [harness.budget(1, 0, .money(.usd))])
        let ticket = try await harness.admitted(10)
        #expect(ticket.hold == .none)
    }

    @Test("what was worked out for one request is not used for another model or another book")
    func ownTerms() async throws {
        let clock = ManualClock()
        let later = clock.now + .seconds(60)
        let harness = try SpendingHarness(
            clock: clock, books: [SpendingHarness.book(), SpendingHarness.book(2_000_000_000, version: 2, from: later)])
        let other = harness.samples.deployment(
            ModelName(known: "other"), at: try Endpoint(checking: "http://127.0.0.1:9000", parameter: "endpoint"))
        harness.set(budgets: [
            harness.budget(1, 100_000_000_000, .money(.usd), model: "tiny"), harness.budget(2, 1000, model: "other"),
        ])
        try await harness.keeper.begin()
        for _ in 0..<2 {
            let first = try await harness.admitted(10)
            #expect(first.hold.prices == 1 && first.hold.parts.map(\.amount) == [10_000_000_000, 0])
            let second = try await harness.ask(harness.request(10, accepted: later)).ticket
            #expect(second.hold.prices == 2 && second.hold.parts.map(\.amount) == [20_000_000_000, 0])
            #expect(second.end(harness.record(second.hold, 3)) == Money(units: 6_000_000_000, .usd))
            let third = try await harness.ask(harness.request(10, of: other)).ticket
            #expect(third.hold.parts.map(\.account) == [harness.account(2), harness.account(999)])
            #expect(first.end(harness.record(first.hold, 3)) == Money(units: 3_000_000_000, .usd))
            #expect(third.end(nil) == nil)
        }
    }

    @Test("a request goes by the books that were in force when it was accepted, to the microsecond")
    func booksOfTheMoment() async throws {
        let clock = ManualClock()
        let (first, second) = (clock.now + .seconds(10), clock.now + .seconds(20))
        let costs = PriceBook(
            kind: .cost, version: 7, effective: second, content: SpendingHarness.book(version: 7).content)
        let harness = try SpendingHarness(
            clock: clock,
            books: [
                SpendingHarness.book(version: 1, from: first), SpendingHarness.book(version: 2, from: second), costs,
            ])
        harness.set()
        try await harness.keeper.begin()
        let before = Duration.microseconds(-1)
        for _ in 0..<2 {
            for (accepted, prices, cost) in [
                (clock.now, 0, 0), (first + before, 0, 0), (first, 1, 0), (second + before, 1, 0), (second, 2, 7),
                (second + .seconds(3600), 2, 7), (first, 1, 0), (clock.now, 0, 0),
            ] {
                let hold = try await harness.ask(harness.request(10, accepted: accepted)).ticket.hold
                #expect(hold.prices == prices && hold.costs == cost, "accepted at \(accepted)")
            }
        }
    }

    @Test("a changed budget is in force with the next look, and what has not changed is not read again")
    func changedRules() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 10)])
        try await harness.keeper.begin()
        try await harness.keeper.lookAtRules()
        #expect(try await harness.ask(harness.request(20)).problem?.code == .quotaExceeded)
        harness.set(budgets: [harness.budget(1, 100)])
        #expect(try await harness.ask(harness.request(20)).problem?.code == .quotaExceeded)
        try await harness.keeper.lookAtRules()
        let ticket = try await harness.admitted(20)
        _ = ticket.end(nil)
        let reads = harness.ledger.calls.rules
        try await harness.keeper.lookAtRules()
        _ = try harness.flow.admit(harness.request(20)).ticket
        #expect(harness.ledger.calls.rules == reads)
    }

    @Test("those who ask for one key at the same time share one read of its rules")
    func oneRead() async throws {
        let harness = try SpendingHarness()
        harness.set()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask { _ = try await harness.flow.wait(harness.request(1)).ticket.end(nil) }
            }
            try await group.waitForAll()
        }
        #expect(harness.ledger.calls.rules <= 3)
    }

    @Test(
        "memory and settlement take the same from every part, to the last unit",
        arguments: 1...25 as ClosedRange<UInt64>)
    func memoryAgreesWithSettlement(seed: UInt64) async throws {
        let random = SeededRandom(seed: seed)
        func roll(_ bound: UInt64) -> Int64 { Int64(random.next(below: bound)) }
        let entries = [Meter.input, .cachedInput, .output, .requests].filter { _ in roll(4) > 0 }.map {
            PriceEntry(
                model: "*", meter: $0,
                price: UnitPrice(
                    units: 1 + roll(9_000_000_000), currency: .usd, per: [1, 1000, 1_000_000][Int(roll(3))])
            )
        }
        let content = PriceBook.Content(
            entries: entries,
            conversions: [UMUConversion(model: "*", meter: .output, millionths: 1 + roll(5_000_000), per: 1000)],
            rates: [ExchangeRate(from: .usd, to: .eur, billionths: 913_456_789, day: "2026-11-21")])
        let book = PriceBook(kind: .price, version: 1, effective: Instant(microseconds: 0), content: content)
        let harness = try SpendingHarness(books: roll(6) == 0 ? [] : [book])
        try await harness.keeper.begin()
        harness.set(
            budgets: [
                harness.budget(1, 50_000), harness.budget(2, 900_000_000_000_000, .money(.usd)),
                harness.budget(3, 900_000_000_000_000, .money(.eur)), harness.budget(4, 900_000_000, .umu),
                harness.budget(5, 100, .requests), harness.budget(6, 10, isHard: false),
            ].filter { _ in roll(3) > 0 },
            funds: [harness.fund(7, roll(5_000_000_000)), harness.fund(8, roll(5_000_000_000_000))])
        for _ in 0..<20 {
            guard case .admitted(let ticket) = try await harness.ask(harness.request(1 + roll(400))) else { continue }
            let most = ticket.hold.parts.first { $0.asset == .tokens }?.amount ?? 400
            let status = RequestStatus.allCases[Int(roll(UInt64(RequestStatus.allCases.count)))]
            // Now and then more than was held.
            let record = harness.record(ticket.hold, Int(roll(UInt64(most + 50))), status: status)
            let captures = try await harness.captures(of: record)
            let held = harness.life.holdings
            _ = ticket.end(record)
            for (part, captured) in zip(ticket.hold.parts, captures) where part.escrow != nil {
                let was = try #require(held[part.account])
                let now = try #require(harness.life.holdings[part.account])
                #expect(now.held == was.held - part.amount, "seed \(seed)")
                #expect(now.free == was.free + part.amount - captured, "seed \(seed): \(part.asset)")
            }
            harness.ledger.settle(ticket.hold, captures)
        }
        #expect(harness.ledger.late == 0 && harness.ledger.isSound, "seed \(seed)")
    }
}
