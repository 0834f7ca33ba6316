import Billing
import Database
import Flows
import Inference
import Kernel
import Logging
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct SuspenseContract {
    @Test(
        "usage without a price waits until a book has one, and is charged once then, whoever resolves it",
        arguments: StoreAdapter.databases)
    func unpriced(adapter: StoreAdapter) async throws {
        let desk = try await SuspenseDesk.open(adapter)
        let credit = try await desk.world.credit(1_000_000_000)
        let flow = desk.flow(funds: [Fund(account: credit, ends: nil)])
        let record = try await desk.suspend(.unpriced)
        #expect(try await flow.resolve() == SuspenseResolution(resolved: 0, left: 1))
        #expect(try await flow.list(PageRequest()).data.map(\.request) == [record.request])
        #expect(try await desk.proof.verdict().findings == [])
        try await desk.price(units: 1000)
        let resolutions = try await withThrowingTaskGroup(of: SuspenseResolution.self) { group in
            for _ in 0..<3 { group.addTask { try await flow.resolve() } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(resolutions.allSatisfy { $0.left == 0 })
        #expect(try await flow.list(PageRequest()).data.isEmpty)
        // 7 tokens in, 14 out.
        let price: Int64 = 7 * 1000 + 14 * 1000
        let transfers = try await desk.world.ledger.transfers(of: record.request)
        #expect(transfers.map(\.id.text) == ["\(record.request)/charge/0"])
        #expect(transfers.map(\.amount.units) == [price])
        #expect(try await desk.world.sums(credit).debits == price)
        #expect(try await desk.world.sums(desk.world.platform(.revenue)).credits == price)
        #expect(try await desk.proof.verdict().findings == [])
    }

    @Test("a charge that came late is taken from suspense again, once", arguments: StoreAdapter.databases)
    func late(adapter: StoreAdapter) async throws {
        let desk = try await SuspenseDesk.open(adapter)
        let world = desk.world
        let poor = try await world.credit(499)
        let rich = try await world.credit(5000)
        let record = try await desk.suspend(.late, amount: 500)
        let flow = desk.flow(funds: [Fund(account: poor, ends: nil), Fund(account: rich, ends: nil)])
        #expect(try await desk.proof.verdict().findings == [])
        #expect(try await flow.resolve() == SuspenseResolution(resolved: 1, left: 0))
        #expect(try await flow.resolve() == SuspenseResolution(resolved: 0, left: 0))
        #expect(try await world.sums(poor).debits == 0)
        #expect(try await world.sums(rich).debits == 500)
        let suspense = try await world.sums(world.platform(.suspense))
        #expect(suspense.debits == suspense.credits)
        #expect(try await world.ledger.transfers(of: record.request).count == 2)
        #expect(try await desk.proof.verdict().findings == [])
    }

    @Test(
        "where no credit has enough it is owed, and where nothing may be owed it waits",
        arguments: StoreAdapter.databases)
    func owed(adapter: StoreAdapter) async throws {
        let desk = try await SuspenseDesk.open(adapter)
        let world = desk.world
        let credit = try await world.credit(499)
        _ = try await desk.suspend(.late, amount: 500)
        let funds = [Fund(account: credit, ends: nil)]
        #expect(try await desk.flow(funds: funds).resolve() == SuspenseResolution(resolved: 0, left: 1))
        let owed = try await world.open(.receivable, limit: nil, asset: .money(.usd), subject: "", ends: nil)
        let ended = [Fund(account: try await world.credit(5000), ends: Instant(microseconds: 0))]
        #expect(
            try await desk.flow(funds: funds + ended, owing: owed).resolve()
                == SuspenseResolution(resolved: 1, left: 0))
        #expect(try await world.sums(owed).debits == 500)
        #expect(try await desk.proof.verdict().findings == [])
    }

    @Test("who comes second books nothing, also from another account", arguments: StoreAdapter.databases)
    func second(adapter: StoreAdapter) async throws {
        let desk = try await SuspenseDesk.open(adapter)
        let world = desk.world
        let record = try await desk.suspend(.unpriced)
        let (one, two) = (try await world.credit(5000), try await world.credit(5000))
        func resolve(from payer: AccountID, _ units: Int64) async throws -> SuspenseOutcome {
            let charge = world.transfer(
                "\(record.request)/charge/0", .charge, units, from: payer, to: world.platform(.revenue),
                request: record.request)
            return try await world.ledger.resolve(
                record.request, with: [charge], as: Money(units: units, .usd))
        }
        let outcomes = try await withThrowingTaskGroup(of: SuspenseOutcome.self) { group in
            for (payer, units) in [(one, Int64(100)), (two, 100), (one, 70), (two, 70)] {
                group.addTask { try await resolve(from: payer, units) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.count { $0 == .resolved } == 1 && outcomes.count { $0 == .repeated } == 3, "\(outcomes)")
        #expect(try await desk.proof.verdict().findings == [])
    }

    @Test("many that wait are listed and tried page by page", arguments: StoreAdapter.databases)
    func pages(adapter: StoreAdapter) async throws {
        let desk = try await SuspenseDesk.open(adapter)
        for _ in 0..<205 { _ = try await desk.suspend(.unpriced) }
        let flow = desk.flow(funds: [])
        #expect(try await flow.resolve() == SuspenseResolution(resolved: 0, left: 205))
        let first = try await flow.list(PageRequest(limit: 100))
        let rest = try await flow.list(PageRequest(limit: 1000, after: first.lastID))
        #expect(first.hasMore && rest.data.count == 105)
        #expect((first.data + rest.data).map(\.request) == (first.data + rest.data).map(\.request).sorted())
        #expect(await code { _ = try await flow.list(PageRequest(after: "nonsense")) } == .validationError)
    }
}

/// Rules that are what a test says, for everybody.
private struct FixedRules: SpendingStore {
    let rules: SpendingRules
    let clock: ManualClock

    func rules(for spender: Spender) async throws -> (SpendingRules, now: Instant) { (rules, clock.now) }
    func version() async throws -> Int64 { 1 }
}

private struct SuspenseDesk: Sendable {
    let proof: ProofWorld
    let prices = MemoryPrices()

    var world: LedgerWorld { proof.base }

    static func open(_ adapter: StoreAdapter) async throws -> SuspenseDesk {
        SuspenseDesk(proof: try await ProofWorld.open(adapter))
    }

    func flow(funds: [Fund], owing receivable: AccountID? = nil) -> SuspenseFlow {
        let rules = SpendingRules(
            budgets: [], limits: [], currency: .usd, funds: funds, receivables: receivable.map { [.usd: $0] } ?? [:],
            until: nil)
        return SuspenseFlow(
            store: world.ledger, ledger: world.ledger, spending: FixedRules(rules: rules, clock: world.clock),
            books: PriceBooks(store: prices, clock: world.clock),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    func price(units: Int64) async throws {
        let entries = [Meter.input, .output].map {
            PriceEntry(model: "tiny", meter: $0, price: UnitPrice(units: units, currency: .usd, per: 1))
        }
        let act = MoneyAct(
            id: world.samples.ids.next(), actor: "test", address: nil, request: nil, at: world.clock.now, details: [:])
        _ = try await prices.add(
            PriceBook.Content(entries: entries), to: .price, effective: world.clock.now, after: 0, by: act)
    }

    /// As a settlement leaves it.
    func suspend(_ reason: SuspendedItem.Reason, amount: Int64? = nil) async throws -> UsageRecord {
        let record = world.samples.record(in: world.home.id, key: world.samples.ids.next())
        let money = amount.map { Money(units: $0, .usd) }
        let item = SuspendedItem(
            request: record.request, workspace: world.home.id, reason: reason, amount: money, accepted: record.started)
        let bill = Bill(state: .suspended, price: money, cost: nil, umu: nil, priceVersion: 1, costVersion: 0)
        let transfers = (amount.map { [$0] } ?? []).map { units in
            world.transfer(
                "\(record.request)/charge/0/late", .suspense, units, from: world.platform(.suspense),
                to: world.platform(.revenue), request: record.request)
        }
        let report = try await world.ledger.settle([
            Settlement(record: record, bill: bill, transfers: transfers, suspended: item)
        ])
        #expect(report.late == 0)
        return record
    }
}
