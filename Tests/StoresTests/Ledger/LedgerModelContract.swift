import Billing
import Database
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct LedgerModelContract {
    @Test(
        "random sequences of groups, takes and returns go as the plain ledger says", arguments: StoreAdapter.databases)
    func randomSequences(adapter: StoreAdapter) async throws {
        let seed = SystemRandom().next()
        for run in 0..<6 as Range<UInt64> {
            var walk = try await RandomWalk(adapter, seed: seed &+ run)
            try await walk.go(steps: 60, "seed \(seed &+ run)")
        }
    }
}

/// One sequence of acts on both ledgers.
private struct RandomWalk {
    private let world: LedgerWorld
    private let random: SeededRandom
    private let accounts: [AccountID]
    private let holder: EscrowHolder
    private var plain: PlainLedger
    private var escrows: [(id: EscrowID, account: AccountID)] = []
    private var groups: [TransferGroup] = []
    private var names = 0

    init(_ adapter: StoreAdapter, seed: UInt64) async throws {
        world = try await LedgerWorld.open(adapter)
        random = SeededRandom(seed: seed)
        let guarded = [
            try await world.budget(limit: 60), try await world.budget(limit: 300), try await world.credit(90),
        ]
        let open = try await world.budget(limit: nil)
        accounts = guarded + [open, world.platform(.consumed), world.platform(.revenue)]
        holder = try await world.begin(lasting: .seconds(100_000))
        var known: [Account] = []
        for id in accounts + [world.platform(.issued)] {
            known.append(try #require(try await world.ledger.account(id)).account)
        }
        plain = PlainLedger(known)
        for grant in try await world.ledger.transfers(of: guarded[2], page: PageRequest()).data {
            #expect(plain.post(TransferGroup([grant])) == .posted)
        }
    }

    private func pick(_ count: Int) -> Int { Int(random.next(below: UInt64(count))) }

    mutating func go(steps: Int, _ seed: Comment) async throws {
        for _ in 0..<steps {
            world.clock.advance(by: .milliseconds(Int64(pick(3))))
            switch pick(10) {
            case 0, 1: try await take(seed)
            case 2: try await giveBack(seed)
            case 3: try await changeLimit()
            default: try await post(seed)
            }
        }
        for id in accounts {
            let sums = try await world.sums(id)
            #expect(sums == plain.sums(id), seed)
        }
        let outstanding = try await world.ledger.outstanding()
        let expected = escrows.map { ($0.id, plain.remaining($0.id)) }.filter { $0.1 > 0 }
        #expect(
            Dictionary(uniqueKeysWithValues: outstanding.map { ($0.id, $0.remaining) })
                == Dictionary(uniqueKeysWithValues: expected), seed)
        // A lowered limit may lie below what was spent before.
        try await restoreLimits()
        try await world.expectSound(seed)
    }

    private mutating func post(_ seed: Comment) async throws {
        let batch = (0...pick(6)).map { _ in group() }
        let expected = batch.map { plain.post($0) }
        let outcomes = try await world.ledger.post(batch)
        #expect(outcomes == expected, seed)
        groups += batch
    }

    private mutating func group() -> TransferGroup {
        if !groups.isEmpty, pick(6) == 0 {
            let old = groups[pick(groups.count)]
            // The same again; or the same name with another amount.
            guard pick(2) == 0, let first = old.transfers.first else { return old }
            return TransferGroup([
                world.transfer(
                    first.id.text, first.reason, first.amount.units + 1, from: first.debit, to: first.credit,
                    kind: first.kind, escrow: first.escrow)
            ])
        }
        return TransferGroup((0...pick(4)).map { _ in transfer() })
    }

    private mutating func transfer() -> Transfer {
        names += 1
        let amount = Int64(pick(25) + 1)
        if !escrows.isEmpty, pick(2) == 0 {
            let escrow = escrows[pick(escrows.count)]
            let kinds: [Transfer.Kind] = [.post, .post, .void, .expire, .pending]
            return world.transfer(
                "t/\(names)", .charge, amount, from: escrow.account, to: world.platform(.revenue),
                kind: kinds[pick(kinds.count)], escrow: escrow.id)
        }
        let from = pick(accounts.count)
        let to = (from + 1 + pick(accounts.count - 1)) % accounts.count
        return world.transfer("t/\(names)", .adjustment, amount, from: accounts[from], to: accounts[to])
    }

    private mutating func take(_ seed: Comment) async throws {
        names += 1
        let account = accounts[pick(3)]
        let fresh: EscrowID = world.samples.ids.next()
        let mine = escrows.filter { $0.account == account }
        let escrow = mine.isEmpty || pick(3) == 0 ? fresh : mine[pick(mine.count)].id
        let needed = Int64(pick(30) + 1)
        let wanted = Int64(pick(60) + 1)
        let request = world.request(account, escrow, needed: needed, wanted: wanted, id: "take/\(names)")
        let sums = plain.sums(account)
        let limit = plain.accounts[account]?.limit ?? 0
        let available = max(0, sums.credits + limit - sums.debits - sums.pending)
        let answer = try await world.ledger.take(request, for: holder)
        guard available >= needed else {
            let short = EscrowAnswer.short(
                available: available, limit: limit, spent: sums.debits - sums.credits, pending: sums.pending)
            #expect(answer == short, seed)
            return
        }
        let units = min(max(needed, available / 8), max(needed, wanted), available)
        let length = try await term().length
        let term = EscrowTerm(now: world.clock.now, length: length, left: available - units)
        #expect(answer == .granted(units, term), seed)
        let isBudget = plain.accounts[account]?.kind == .budget
        plain.take(
            units, of: account, escrow,
            world.transfer(
                "take/\(names)", .escrow, units, from: account, to: world.platform(isBudget ? .consumed : .revenue),
                kind: .pending, escrow: escrow))
        if escrow == fresh { escrows.append((escrow, account)) }
    }

    private func term() async throws -> EscrowTerm {
        try #require(try await world.ledger.renew(holder, lasting: .zero))
    }

    private mutating func giveBack(_ seed: Comment) async throws {
        guard !escrows.isEmpty else { return }
        names += 1
        let escrow = escrows[pick(escrows.count)]
        let amount = Int64(pick(30) + 1)
        let isBudget = plain.accounts[escrow.account]?.kind == .budget
        let transfer = world.transfer(
            "back/\(names)", .escrow, amount, from: escrow.account, to: world.platform(isBudget ? .consumed : .revenue),
            kind: .void, escrow: escrow.id)
        let isBack = try await world.ledger.giveBack(amount, of: escrow.id, by: holder, id: transfer.id)
        #expect(isBack == (plain.post(TransferGroup([transfer])) == .posted), seed)
    }

    private mutating func changeLimit() async throws {
        let id = accounts[pick(2)]
        try await setLimit(Int64(pick(400)), of: id)
    }

    private mutating func restoreLimits() async throws {
        for id in accounts.prefix(2) { try await setLimit(1_000_000, of: id) }
    }

    private mutating func setLimit(_ limit: Int64, of id: AccountID) async throws {
        plain.setLimit(limit, of: id)
        try await world.ledger.open([try #require(plain.accounts[id])])
    }
}
