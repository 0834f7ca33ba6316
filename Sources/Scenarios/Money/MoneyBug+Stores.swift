import Billing
import Inference
import Kernel
import TestKit

/// An escrow of which one answer is wrong.
struct MistakenEscrow: EscrowStore {
    let inner: any EscrowStore & Ledger
    let bug: MoneyBug
    private let repeats = Shared(0)

    init(inner: any EscrowStore & Ledger, bug: MoneyBug) {
        self.inner = inner
        self.bug = bug
    }

    func begin(_ node: NodeID, lasting length: Duration) async throws -> (EscrowHolder, EscrowTerm) {
        try await inner.begin(node, lasting: length)
    }

    func renew(_ holder: EscrowHolder, lasting length: Duration) async throws -> EscrowTerm? {
        do {
            return try await inner.renew(holder, lasting: length)
        } catch  where bug == .believedRenewal {
            return EscrowTerm(now: Instant(microseconds: 0), length: length)
        }
    }

    func take(_ request: EscrowRequest, for holder: EscrowHolder) async throws -> EscrowAnswer {
        try await inner.take(request, for: holder)
    }

    func giveBack(
        _ amount: Int64, of escrow: EscrowID, by holder: EscrowHolder, id: TransferID
    ) async throws -> Bool {
        if bug == .lostVoid { return true }
        var id = id
        if bug == .doubleVoid {
            repeats.update { $0 += 1 }
            id = TransferID("\(id.text)/\(repeats.value)")
        }
        return try await inner.giveBack(amount, of: escrow, by: holder, id: id)
    }

    func want(_ accounts: [AccountID], by holder: EscrowHolder) async throws {
        try await inner.want(accounts, by: holder)
    }

    func wants(since time: Instant, except holder: EscrowHolder) async throws -> [AccountID] {
        try await inner.wants(since: time, except: holder)
    }

    func release(livesBefore holder: EscrowHolder) async throws -> Int { try await inner.release(livesBefore: holder) }
    func end(_ holder: EscrowHolder) async throws { try await inner.end(holder) }

    func writeOff(after grace: Duration, limit: Int) async throws -> [EscrowState] {
        let lost = try await inner.writeOff(after: grace, limit: limit)
        guard bug == .doubleWriteOff else { return lost }
        for escrow in lost {
            guard let account = try await inner.account(escrow.account)?.account, account.kind == .budget else {
                continue
            }
            let back = Transfer(
                id: TransferID("\(escrow.id)/back"), reason: .reversal,
                debit: PlatformAccounts.id(.consumed, account.asset), credit: account.id,
                amount: Amount(units: escrow.remaining, account.asset), accepted: escrow.expires)
            _ = try await inner.post([TransferGroup([back])])
        }
        return lost
    }

    func outstanding() async throws -> [EscrowState] { try await inner.outstanding() }
}

/// Changes records on their way from the journal.
// SAFETY: used on the simulation's thread only.
final class MistakenSink: UsageSink, @unchecked Sendable {
    private let inner: any UsageSink
    private let bug: MoneyBug
    private unowned let world: MoneyWorld
    private var seen: Set<RequestID> = []

    init(inner: any UsageSink, bug: MoneyBug, world: MoneyWorld) {
        self.inner = inner
        self.bug = bug
        self.world = world
    }

    func insert(_ records: [UsageRecord]) async throws {
        let changed = records.map(change)
        seen.formUnion(records.map(\.request))
        try await inner.insert(changed)
    }

    private func change(_ record: UsageRecord) -> UsageRecord {
        switch bug {
        case .doubleShipping: seen.contains(record.request) ? record.asAnother : record
        case .todaysPrices: record.with(hold: priced(record.billing.hold))
        case .settledPeriod: record.with(hold: moved(record.billing.hold))
        default: record
        }
    }

    private func priced(_ hold: Hold) -> Hold {
        guard hold.prices > 0 else { return hold }
        return Hold(prices: world.version(at: world.server.now), costs: hold.costs, parts: hold.parts)
    }

    /// Only what no slice binds to its account can be moved at all.
    private func moved(_ hold: Hold) -> Hold {
        let now = world.server.now
        let parts = hold.parts.map { part in
            guard part.role == .budget, part.escrow == nil,
                let budget = world.budgets.first(where: { budget in
                    [world.instant(0), world.instant(world.plan.hourEnds)].contains { begin in
                        budget.account(at: begin).id == part.account
                    }
                })
            else { return part }
            return Hold.Part(
                role: .budget, account: budget.account(at: now).id, escrow: nil, amount: part.amount, asset: part.asset)
        }
        return Hold(prices: hold.prices, costs: hold.costs, parts: parts)
    }
}

extension UsageRecord {
    fileprivate func with(hold: Hold) -> UsageRecord {
        UsageRecord(
            request: request, clientRequest: clientRequest, workspace: workspace, key: key, operation: operation,
            model: model, deployment: deployment, isStream: isStream, status: status, httpStatus: httpStatus,
            errorCode: errorCode, usage: usage, started: started, latency: latency, firstToken: firstToken,
            billing: BillingFacts(
                tenant: billing.tenant, user: billing.user, tags: billing.tags, hold: hold,
                provider: billing.provider),
            attempts: attempts)
    }
}
