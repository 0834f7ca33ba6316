import Billing
import Flows
import Inference
import Kernel
import Logging
import Synchronization
import TestKit

/// Notes what is to be settled, and says what it is told to.
final class RecordingSettlementStore: SettlementStore {
    private let state = Mutex<(settled: [Settlement], report: SettlementReport, failure: Problem?)>(([], .init(), nil))

    var settled: [Settlement] { state.withLock { $0.settled } }

    func fail(with problem: Problem?) { state.withLock { $0.failure = problem } }

    func settle(_ settlements: [Settlement]) async throws -> SettlementReport {
        try state.withLock {
            if let failure = $0.failure { throw failure }
            $0.settled += settlements
            return $0.report
        }
    }
}

/// Notes which accounts are opened.
final class RecordingLedger: Ledger {
    private let accounts = Mutex<[[Account]]>([])

    var opened: [[Account]] { accounts.withLock { $0 } }

    func open(_ accounts: [Account]) async throws { self.accounts.withLock { $0.append(accounts) } }
    func post(_ groups: [TransferGroup]) async throws -> [PostingOutcome] { groups.map { _ in .posted } }
    func account(_ id: AccountID) async throws -> (account: Account, sums: AccountSums)? { nil }
    func accounts(
        of tenant: TenantID?, workspace: WorkspaceID?
    ) async throws -> [(account: Account, sums: AccountSums)] { [] }
    func transfers(of account: AccountID, page: PageRequest) async throws -> Page<Transfer> {
        Page(rows: [], limit: 1) { $0.id.text }
    }
    func transfers(of request: RequestID) async throws -> [Transfer] { [] }
}

/// A settlement flow over two books: a token of the prompt costs the tenant 10 units of USD and us 1, a token of the
/// answer 100 and 2.
struct SettlementHarness {
    let samples = Samples()
    let store = RecordingSettlementStore()
    let ledger = RecordingLedger()
    let books: PriceBooks
    let flow: SettlementFlow
    let receivable: AccountID
    let budget: AccountID
    let grant: AccountID
    let escrow: EscrowID

    init(prices: PriceBook.Content = Self.content(10, 100), costs: PriceBook.Content = Self.content(1, 2)) {
        let start = Instant(microseconds: 0)
        let memory = MemoryPrices([
            PriceBook(kind: .price, version: 3, effective: start, content: prices),
            PriceBook(kind: .cost, version: 4, effective: start, content: costs),
        ])
        books = PriceBooks(store: memory, clock: samples.clock)
        flow = SettlementFlow(store: store, ledger: ledger, books: books, logger: Logger(label: "test"))
        receivable = samples.ids.next()
        budget = samples.ids.next()
        grant = samples.ids.next()
        escrow = samples.ids.next()
    }

    static func content(_ input: Int64, _ output: Int64) -> PriceBook.Content {
        let model = "tiny"
        return PriceBook.Content(
            entries: [
                PriceEntry(model: model, meter: .input, price: UnitPrice(units: input, currency: .usd, per: 1)),
                PriceEntry(model: model, meter: .output, price: UnitPrice(units: output, currency: .usd, per: 1)),
            ],
            conversions: [
                UMUConversion(model: "*", meter: .input, millionths: 1, per: 1),
                UMUConversion(model: "*", meter: .output, millionths: 3, per: 1),
            ])
    }

    /// What a token of the prompt and one of the answer cost at each provider; without one, at any other.
    static func costs(_ rows: [(provider: String?, input: Int64, output: Int64)]) -> PriceBook.Content {
        PriceBook.Content(
            entries: rows.flatMap { row in
                [
                    PriceEntry(
                        model: "tiny", provider: row.provider, meter: .input,
                        price: UnitPrice(units: row.input, currency: .usd, per: 1)),
                    PriceEntry(
                        model: "tiny", provider: row.provider, meter: .output,
                        price: UnitPrice(units: row.output, currency: .usd, per: 1)),
                ]
            }, conversions: [])
    }

    // MARK: Parts

    /// Pays afterwards, without a bound.
    func owes(_ amount: Int64 = 0) -> Hold.Part {
        Hold.Part(role: .purse, account: receivable, escrow: nil, amount: amount, asset: .money(.usd))
    }

    /// Pays from credit, at most this.
    func credit(_ amount: Int64) -> Hold.Part {
        Hold.Part(role: .purse, account: grant, escrow: escrow, amount: amount, asset: .money(.usd))
    }

    func hard(_ amount: Int64, _ asset: Asset = .money(.usd)) -> Hold.Part {
        Hold.Part(role: .budget, account: budget, escrow: escrow, amount: amount, asset: asset)
    }

    func soft(_ asset: Asset = .money(.usd)) -> Hold.Part {
        Hold.Part(role: .budget, account: budget, escrow: nil, amount: 0, asset: asset)
    }

    // MARK: Records

    func record(
        _ status: RequestStatus = .succeeded, input: Int = 7, output: Int = 2, cached: Int = 0,
        model: String = "tiny", parts: [Hold.Part], prices: Int = 3, costs: Int = 4,
        cost: Attempt.Cost = .confirmed, attempts: Int = 1, provider: ProviderID? = nil
    ) -> UsageRecord {
        let deployment: DeploymentID = samples.ids.next()
        return UsageRecord(
            request: samples.ids.next(), clientRequest: nil, workspace: samples.ids.next(), key: samples.ids.next(),
            operation: .chat, model: model, deployment: deployment, isStream: true, status: status, httpStatus: 200,
            errorCode: nil,
            usage: Usage(inputTokens: input, outputTokens: output, cachedTokens: cached, source: .provider),
            started: samples.clock.now, latency: .milliseconds(1), firstToken: nil,
            billing: BillingFacts(
                tenant: samples.ids.next(), user: nil, tags: [],
                hold: Hold(prices: prices, costs: costs, parts: parts), provider: provider),
            attempts: attempts == 0
                ? []
                : (1...attempts).map {
                    Attempt(
                        number: $0, deployment: deployment, provider: provider, upstream: nil,
                        cost: $0 == attempts ? cost : .none)
                })
    }

    func settle(_ record: UsageRecord) async throws -> Settlement {
        try await flow.insert([record])
        guard let settled = store.settled.last else { throw Problem(.internalError) }
        return settled
    }
}

extension UsageRecord {
    /// The same, whose attempts went to these, the last of which says what it cost.
    func calling(_ providers: [ProviderID?], told: Money? = nil) -> UsageRecord {
        UsageRecord(
            request: request, clientRequest: clientRequest, workspace: workspace, key: key, operation: operation,
            model: model, deployment: deployment, isStream: isStream, status: status, httpStatus: httpStatus,
            errorCode: errorCode, usage: usage, started: started, latency: latency, firstToken: firstToken,
            billing: billing,
            attempts: zip(attempts, providers).map {
                Attempt(
                    number: $0.number, deployment: $0.deployment, provider: $1, upstream: $0.upstream, cost: $0.cost,
                    told: $0.number == attempts.last?.number ? told : nil)
            })
    }
}

extension Settlement {
    /// `charge/0 post 270`: what is posted, without the request's identifier.
    var lines: [String] {
        transfers.map { transfer in
            let name = transfer.id.text.dropFirst(record.request.description.utf8.count + 1)
            return "\(name) \(transfer.kind.rawValue) \(transfer.amount.units) \(transfer.amount.asset)"
        }
    }
}
