import Billing
import Flows
import Inference
import Kernel
import Logging
import Synchronization
import TestKit

/// Admission of one node over a ledger in memory.
struct SpendingHarness: Sendable {
    let samples: Samples
    let clock: ManualClock
    let ledger: MemoryLedger
    let spender: Spender
    let deployment: Deployment
    let cache: SpendingCache
    let books: PriceBooks
    let counters: LocalCounters
    let life: NodeLife
    let flow: AdmissionFlow
    let keeper: EscrowKeeper

    /// - Parameters:
    ///   - ledger: one that several nodes share.
    ///   - reading: the node's clock, where it is not the ledger's.
    init(
        clock: ManualClock = ManualClock(), ledger: MemoryLedger? = nil, node: UInt64 = 1,
        reading: (any Clock)? = nil, books: [PriceBook] = [],
        providers: (any ProviderStore)? = nil, settings: EscrowBook.Settings = .init(),
        isSettled: @escaping @Sendable (Duration) async -> Bool = { _ in true }
    ) throws {
        self.clock = clock
        let own = reading ?? clock
        samples = Samples(seed: 7, clock: clock)
        let ledger = ledger ?? MemoryLedger(clock: clock)
        self.ledger = ledger
        spender = Spender(
            tenant: TenantID(ULID(high: 10, low: 1)), workspace: WorkspaceID(ULID(high: 11, low: 1)),
            key: KeyID(ULID(high: 12, low: 1)), user: nil)
        deployment = samples.deployment(
            ModelName(known: "tiny"), at: try Endpoint(checking: "http://127.0.0.1:9000", parameter: "endpoint"))
        cache = SpendingCache(store: ledger, clock: own)
        self.books = PriceBooks(store: MemoryPrices(books), providers: providers, clock: own)
        counters = LocalCounters(clock: own)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        life = NodeLife(
            node: NodeID(ULID(high: 1, low: node)), store: ledger, clock: own, logger: logger, settings: settings)
        flow = AdmissionFlow(cache: cache, books: self.books, life: life, counters: counters, clock: own)
        keeper = EscrowKeeper(life: life, cache: cache, books: self.books, isSettled: isSettled)
    }

    func account(_ number: UInt64) -> AccountID { AccountID(ULID(high: 2, low: number)) }

    func budget(
        _ number: UInt64, _ amount: Int64, _ asset: Asset = .tokens, isHard: Bool = true, model: String? = nil,
        tag: String? = nil, ends: Instant? = nil
    ) -> ActiveBudget {
        if isHard { ledger.open(account(number), limit: amount, ends: ends) }
        let budget = Budget(
            id: BudgetID(ULID(high: 20, low: number)), tenant: spender.tenant,
            scope: Budget.Scope(workspace: spender.workspace, model: model, tag: tag), amount: amount, asset: asset,
            period: .total, isHard: isHard, alerts: [], created: clock.now)
        return ActiveBudget(budget: budget, account: account(number), begins: nil, ends: ends)
    }

    /// A credit of so much, in an account of its own.
    func fund(_ number: UInt64, _ amount: Int64, ends: Instant? = nil) -> Fund {
        ledger.open(account(number), limit: 0, ends: ends)
        ledger.credit(account(number), amount)
        return Fund(account: account(number), ends: ends)
    }

    func set(
        budgets: [ActiveBudget] = [], limits: [RateLimit] = [], funds: [Fund] = [], isPrepaid: Bool = false,
        until: Instant? = nil
    ) {
        let receivables: [Currency: AccountID] = isPrepaid ? [:] : [.usd: account(999)]
        ledger.set(
            SpendingRules(
                budgets: budgets, limits: limits, currency: funds.isEmpty && !isPrepaid ? nil : .usd, funds: funds,
                receivables: receivables, until: until), for: spender.key)
    }

    /// Of a model that somebody else serves.
    func deployment(of provider: Provider) -> Deployment {
        Deployment(
            id: samples.ids.next(), model: deployment.model, environment: .production, aliases: [], wire: .openAI,
            endpoint: provider.endpoint, upstreamModel: "tiny", capabilities: [.chat], contextLimit: 4096,
            provider: provider.id, origin: .registered, registered: clock.now)
    }

    func request(
        _ tokens: Int64, tags: [String] = [], of deployment: Deployment? = nil, accepted: Instant? = nil
    ) -> AdmissionRequest {
        var ceiling = Quantities()
        ceiling.output = tokens
        ceiling.requests = 1
        return AdmissionRequest(
            spender: spender, deployment: deployment ?? self.deployment, operation: .chat, tags: tags,
            ceiling: ceiling, tokens: tokens, accepted: accepted ?? clock.now)
    }

    func record(_ hold: Hold, _ tokens: Int, status: RequestStatus = .succeeded) -> UsageRecord {
        UsageRecord(
            request: samples.ids.next(), clientRequest: nil, workspace: spender.workspace, key: spender.key,
            operation: .chat, model: "tiny", deployment: deployment.id, isStream: false, status: status,
            httpStatus: 200, errorCode: nil, usage: Usage(inputTokens: 0, outputTokens: tokens, source: .provider),
            started: clock.now, latency: .zero, firstToken: nil,
            billing: BillingFacts(tenant: spender.tenant, user: nil, tags: [], hold: hold))
    }

    /// One whole in USD for each token of output.
    static func book(
        _ units: Int64 = 1_000_000_000, version: Int = 1, from: Instant = Instant(microseconds: 0)
    ) -> PriceBook {
        let price = UnitPrice(units: units, currency: .usd, per: 1)
        return PriceBook(
            kind: .price, version: version, effective: from,
            content: PriceBook.Content(entries: [PriceEntry(model: "*", meter: .output, price: price)]))
    }

    /// As the gateway does: from memory where that decides.
    func ask(_ request: AdmissionRequest) async throws -> AdmissionAnswer {
        let answer = flow.admit(request)
        if case .undecided = answer { return try await flow.wait(request) }
        return answer
    }

    func admitted(_ tokens: Int64) async throws -> any AdmissionTicket { try await ask(request(tokens)).ticket }

    /// Ends it, and settles what it took, as the shipper does a moment later.
    func finish(_ ticket: any AdmissionTicket, _ tokens: Int) async throws {
        let record = record(ticket.hold, tokens)
        _ = ticket.end(record)
        ticket.close()
        ledger.settle(ticket.hold, try await captures(of: record))
    }

    /// What settling posts for each part of the hold.
    func captures(of record: UsageRecord) async throws -> [Int64] {
        let flow = SettlementFlow(
            store: RecordingSettlementStore(), ledger: RecordingLedger(), books: books, logger: Logger(label: "test"))
        let transfers = try await flow.settlements(of: [record])[0].transfers
        var amounts: [Int64] = []
        for part in record.billing.hold.parts {
            let own = transfers.filter { $0.debit == part.account && $0.escrow == part.escrow }
            amounts.append(own.reduce(0) { $0 + $1.amount.units })
        }
        return amounts
    }

    /// Lets time pass in small steps while the body waits for it.
    func passing<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        let isOver = Shared(false)
        return try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                defer { isOver.update { $0 = true } }
                return try await body()
            }
            group.addTask { [clock] in
                while !isOver.value {
                    if clock.sleepers > 0 { clock.advance(by: .milliseconds(5)) }
                    await Task.yield()
                }
                return nil
            }
            var value: T?
            for try await one in group { value = value ?? one }
            guard let value else { throw CancellationError() }
            return value
        }
    }
}

extension AdmissionAnswer {
    struct NotAdmitted: Error, CustomStringConvertible {
        let description: String
    }

    var ticket: any AdmissionTicket {
        get throws {
            if case .admitted(let ticket) = self { return ticket }
            throw NotAdmitted(description: "\(self)")
        }
    }

    var problem: Problem? { if case .refused(let problem, _) = self { problem } else { nil } }

    var isUndecided: Bool { if case .undecided = self { true } else { false } }
}
