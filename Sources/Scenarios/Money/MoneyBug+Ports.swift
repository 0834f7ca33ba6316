import Billing
import Database
import Flows
import Inference
import Kernel
import TestKit

/// Where each mistake is put in; every other one leaves the port as it is.
extension MoneyBug {
    func tx(_ tx: any Tx) -> any Tx {
        switch self {
        case .skippedFence:
            RewritingTx(
                tx,
                [
                    (
                        "WHERE id = $1 AND life = $2 AND state = 'live' AND expires > $3",
                        "WHERE id = $1 AND $2 = $2 AND $3 = $3"
                    )
                ])
        case .forgottenGuard:
            RewritingTx(
                tx,
                [
                    (
                        "SELECT * FROM ledger_account WHERE (credit_limit IS NOT NULL",
                        """
                        SELECT id, kind, asset, tenant_id, workspace_id, subject, credit_limit, begins, ends, debits,
                            credits, 0 AS pending FROM ledger_account WHERE (credit_limit IS NOT NULL
                        """
                    ), ("OR debits - credits + pending + debited + held - credited <= credit_limit", "OR 1"),
                ])
        default: tx
        }
    }

    func escrow(_ store: any EscrowStore & Ledger) -> any EscrowStore {
        switch self {
        case .lostVoid, .doubleVoid, .believedRenewal, .doubleWriteOff: MistakenEscrow(inner: store, bug: self)
        default: store
        }
    }

    func clock(_ clock: any Clock) -> any Clock { self == .slowClock ? SlowClock(inner: clock) : clock }

    func prices(_ store: any PriceStore) -> any PriceStore {
        self == .truncatedPrices ? TruncatingPrices(inner: store) : store
    }

    func spending(_ store: any SpendingStore) -> any SpendingStore {
        self == .endlessPeriod ? EndlessSpending(inner: store) : store
    }

    func settlement(_ store: any SettlementStore) -> any SettlementStore {
        self == .halfPosted ? HalfSettlement(inner: store) : store
    }

    func sink(_ sink: any UsageSink, world: MoneyWorld) -> any UsageSink {
        switch self {
        case .doubleShipping, .settledPeriod, .todaysPrices: MistakenSink(inner: sink, bug: self, world: world)
        default: sink
        }
    }

    func admission(_ admission: any Admission) -> any Admission {
        self == .droppedTicket ? ForgetfulAdmission(inner: admission) : admission
    }
}

/// Other SQL for some statements.
private final class RewritingTx: Tx {
    private let inner: any Tx
    private let changes: [(from: String, to: String)]

    init(_ inner: any Tx, _ changes: [(from: String, to: String)]) {
        self.inner = inner
        self.changes = changes
    }

    var dialect: Dialect { inner.dialect }
    var now: Instant { inner.now }

    private func rewritten(_ sql: String) -> String {
        changes.reduce(sql) { sql, change in
            guard let range = sql.firstRange(of: change.from) else { return sql }
            return sql.replacingCharacters(in: range, with: change.to)
        }
    }

    func run(_ sql: String, _ arguments: [any SQLRepresentable]) throws(DatabaseFailure) -> Int {
        try inner.run(rewritten(sql), arguments)
    }

    func rows(_ sql: String, _ arguments: [any SQLRepresentable]) throws(DatabaseFailure) -> [Row] {
        try inner.rows(rewritten(sql), arguments)
    }
}

extension String {
    fileprivate func replacingCharacters(in range: Range<Index>, with other: String) -> String {
        String(self[..<range.lowerBound]) + other + String(self[range.upperBound...])
    }
}

private struct SlowClock: Clock {
    let inner: any Clock

    var now: Instant { inner.now }
    var uptime: Duration { inner.uptime / 2 }
    func sleep(for duration: Duration) async throws { try await inner.sleep(for: duration) }
}

private struct TruncatingPrices: PriceStore {
    let inner: any PriceStore

    private func cut(_ book: PriceBook) -> PriceBook {
        var content = book.content
        content.entries = content.entries.map { entry in
            let price = UnitPrice(units: entry.price.units / entry.price.per, currency: entry.price.currency, per: 1)
            return PriceEntry(model: entry.model, meter: entry.meter, price: price)
        }
        return PriceBook(kind: book.kind, version: book.version, effective: book.effective, content: content)
    }

    func add(
        _ content: PriceBook.Content, to kind: PriceBook.Kind, effective: Instant, after: Int, by act: MoneyAct
    ) async throws -> PriceBook {
        try await inner.add(content, to: kind, effective: effective, after: after, by: act)
    }

    func versions(of kind: PriceBook.Kind, page: PageRequest) async throws -> Page<PriceBookSummary> {
        try await inner.versions(of: kind, page: page)
    }

    func book(_ kind: PriceBook.Kind, version: Int) async throws -> PriceBook? {
        try await inner.book(kind, version: version).map(cut)
    }

    func heads() async throws -> [PriceBook.Kind: Int] { try await inner.heads() }

    func current(_ kind: PriceBook.Kind, at time: Instant) async throws -> [PriceBook] {
        try await inner.current(kind, at: time).map(cut)
    }
}

private struct EndlessSpending: SpendingStore {
    let inner: any SpendingStore

    func rules(for spender: Spender) async throws -> (SpendingRules, now: Instant) {
        let (rules, now) = try await inner.rules(for: spender)
        let endless = SpendingRules(
            budgets: rules.budgets.map {
                ActiveBudget(budget: $0.budget, account: $0.account, begins: $0.begins, ends: nil)
            },
            limits: rules.limits, currency: rules.currency,
            funds: rules.funds.map { Fund(account: $0.account, ends: nil) }, receivables: rules.receivables, until: nil)
        return (endless, now)
    }

    func version() async throws -> Int64 { try await inner.version() }
}

private struct HalfSettlement: SettlementStore {
    let inner: any SettlementStore

    func settle(_ settlements: [Settlement]) async throws -> SettlementReport {
        try await inner.settle(
            settlements.map { one in
                guard one.transfers.count > 1 else { return one }
                return Settlement(
                    record: one.record, bill: one.bill, transfers: Array(one.transfers.dropLast()),
                    suspended: one.suspended)
            })
    }
}

private final class ForgetfulAdmission: Admission {
    private let inner: any Admission
    private let kept = Shared<[any AdmissionTicket]>([])

    init(inner: any Admission) { self.inner = inner }

    func needsCap(_ spender: Spender) -> Bool? { inner.needsCap(spender) }
    func admit(_ request: AdmissionRequest) -> AdmissionAnswer { forgetting(inner.admit(request)) }
    func wait(_ request: AdmissionRequest) async throws -> AdmissionAnswer {
        forgetting(try await inner.wait(request))
    }

    private func forgetting(_ answer: AdmissionAnswer) -> AdmissionAnswer {
        guard case .admitted(let ticket) = answer else { return answer }
        kept.update { $0.append(ticket) }
        return .admitted(ForgetfulTicket(inner: ticket))
    }
}

private final class ForgetfulTicket: AdmissionTicket {
    private let inner: any AdmissionTicket

    init(inner: any AdmissionTicket) { self.inner = inner }

    var hold: Hold { inner.hold }
    var rates: [RateState] { inner.rates }
    var remaining: Amount? { inner.remaining }
    func end(_ record: UsageRecord?) -> Money? { record?.status == .failed ? nil : inner.end(record) }
}
