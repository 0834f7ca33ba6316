import Billing
import Database
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct LedgerContract {
    @Test("what is posted moves both accounts, and is found again", arguments: StoreAdapter.databases)
    func posts(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budget = try await world.budget(limit: 100)
        let request: RequestID = world.samples.ids.next()
        let transfers = [1, 2, 3].map { (number: Int64) in
            world.transfer(
                "\(request)/count/\(number)", .count, number * 10, from: budget, to: world.platform(.consumed),
                request: request)
        }
        for transfer in transfers {
            world.clock.advance(by: .milliseconds(1))
            #expect(try await world.ledger.post([TransferGroup([transfer])]) == [.posted])
        }
        #expect(try await world.sums(budget) == AccountSums(debits: 60))
        #expect(try await world.sums(world.platform(.consumed)) == AccountSums(credits: 60))
        #expect(try await world.ledger.transfers(of: request) == transfers)
        let first = try await world.ledger.transfers(of: budget, page: PageRequest(limit: 2))
        #expect(first.data == [transfers[2], transfers[1]] && first.hasMore)
        let second = try await world.ledger.transfers(
            of: world.platform(.consumed), page: PageRequest(limit: 2, after: first.lastID))
        #expect(second.data == [transfers[0]] && !second.hasMore)
        try await world.expectSound()
    }

    @Test("a guarded account is never overdrawn, and what is refused leaves nothing", arguments: StoreAdapter.databases)
    func guardHolds(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budget = try await world.budget(limit: 100)
        #expect(try await world.ledger.post([world.count("a", 70, in: budget)]) == [.posted])
        let before = try await world.rows()
        #expect(
            try await world.ledger.post([world.count("b", 31, in: budget)]) == [.insufficient(budget, available: 30)])
        #expect(try await world.rows() == before)
        #expect(try await world.ledger.post([world.count("c", 30, in: budget)]) == [.posted])
        #expect(
            try await world.ledger.post([world.count("d", 1, in: budget)]) == [.insufficient(budget, available: 0)])
    }

    @Test(
        "a repeat is harmless, and the same identifier with other content is a conflict",
        arguments: StoreAdapter.databases)
    func repeats(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budget = try await world.budget(limit: 100)
        let other = try await world.budget(limit: 100)
        let group = world.count("a", 10, in: budget)
        #expect(try await world.ledger.post([group]) == [.posted])
        #expect(try await world.ledger.post([group]) == [.repeated])
        let conflict = PostingOutcome.conflict(TransferID("a"))
        #expect(try await world.ledger.post([world.count("a", 11, in: budget)]) == [conflict])
        #expect(try await world.ledger.post([world.count("a", 10, in: other)]) == [conflict])
        world.clock.advance(by: .seconds(1))
        #expect(try await world.ledger.post([world.count("a", 10, in: budget)]) == [conflict], "another time")
        // A group of which a part is there was another group.
        let wider = TransferGroup(group.transfers + world.count("b", 1, in: budget).transfers)
        #expect(try await world.ledger.post([wider]) == [conflict])
        let twins = [world.count("c", 5, in: budget), world.count("c", 5, in: budget), world.count("c", 6, in: budget)]
        #expect(
            try await world.ledger.post(twins) == [.posted, .repeated, .conflict(TransferID("c"))], "in one batch")
        #expect(try await world.sums(budget) == AccountSums(debits: 15))
    }

    @Test("a group posts all or none, and its neighbours in the batch go on", arguments: StoreAdapter.databases)
    func groups(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let wide = try await world.budget(limit: 1000)
        let narrow = try await world.budget(limit: 10)
        func both(_ id: String, _ amount: Int64) -> TransferGroup {
            TransferGroup(
                world.count(id + "/w", amount, in: wide).transfers
                    + world.count(id + "/n", amount, in: narrow).transfers)
        }
        let outcomes = try await world.ledger.post([both("1", 6), both("2", 6), both("3", 4), both("4", 1)])
        let short = PostingOutcome.insufficient(narrow, available: 4)
        #expect(outcomes == [.posted, short, .posted, .insufficient(narrow, available: 0)])
        #expect(try await world.sums(wide) == AccountSums(debits: 10))
        #expect(try await world.sums(narrow) == AccountSums(debits: 10))
        try await world.expectSound()
    }

    @Test("within a group, what comes in first may go out again", arguments: StoreAdapter.databases)
    func throughGroups(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let credit = try await world.credit(0)
        let comes = world.transfer("in", .grant, 5, from: world.platform(.issued), to: credit)
        let goes = world.transfer("out", .charge, 5, from: credit, to: world.platform(.revenue))
        #expect(
            try await world.ledger.post([TransferGroup([goes, comes])]) == [.insufficient(credit, available: 0)])
        #expect(try await world.ledger.post([TransferGroup([comes, goes])]) == [.posted])
        #expect(try await world.sums(credit) == AccountSums(debits: 5, credits: 5))
    }

    @Test("what cannot be right is refused with words, and harms nobody else", arguments: StoreAdapter.databases)
    func invalid(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budget = try await world.budget(limit: 100)
        let consumed = world.platform(.consumed)
        let nowhere: AccountID = world.samples.ids.next()
        let good = world.count("good", 1, in: budget)
        let bad = [
            world.transfer("zero", .count, 0, from: budget, to: consumed),
            world.transfer("below", .count, -1, from: budget, to: consumed),
            world.transfer("itself", .count, 1, from: budget, to: budget),
            world.transfer("nowhere", .count, 1, from: budget, to: nowhere),
            world.transfer("asset", .count, 1, from: budget, to: world.platform(.consumed, .tokens)),
            world.transfer("a b", .count, 1, from: budget, to: consumed),
            world.transfer(String(repeating: "x", count: 97), .count, 1, from: budget, to: consumed),
            world.transfer("escrow", .count, 1, from: budget, to: consumed, kind: .post),
            world.transfer(
                "unheld", .count, 1, from: consumed, to: budget, kind: .pending, escrow: world.samples.ids.next()),
        ]
        let twice = TransferGroup(good.transfers + good.transfers)
        let groups = bad.map { TransferGroup([$0]) } + [twice, TransferGroup([]), good]
        let outcomes = try await world.ledger.post(groups)
        for outcome in outcomes.dropLast() {
            guard case .invalid = outcome else {
                Issue.record("\(outcome) instead of invalid")
                continue
            }
        }
        #expect(outcomes.last == .posted)
        #expect(try await world.sums(budget) == AccountSums(debits: 1))
    }

    @Test("sums that do not fit are refused", arguments: StoreAdapter.databases)
    func overflow(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budget = try await world.budget(limit: .max)
        #expect(try await world.ledger.post([world.count("a", .max - 1, in: budget)]) == [.posted])
        #expect(
            try await world.ledger.post([world.count("b", 2, in: budget)]) == [.insufficient(budget, available: 1)])
        let back = world.transfer("c", .roll, .max, from: world.platform(.consumed), to: budget)
        #expect(try await world.ledger.post([TransferGroup([back])]) == [.posted])
        let outcome = try await world.ledger.post([world.count("d", 100, in: budget)])
        guard case .invalid = outcome.first else {
            Issue.record("\(outcome)")
            return
        }
    }

    @Test(
        "an account is opened once; only a new limit changes it, and never whether it has one",
        arguments: StoreAdapter.databases)
    func opening(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let id = try await world.budget(limit: 100)
        #expect(try await world.ledger.post([world.count("a", 70, in: id)]) == [.posted])
        func reopen(limit: Int64?) async throws -> Account? {
            let account = Account(
                id: id, kind: .credit, asset: .tokens, tenant: nil, subject: "other", limit: limit)
            try await world.ledger.open([account])
            return try await world.ledger.account(id)?.account
        }
        let lowered = try await reopen(limit: 50)
        #expect(lowered?.limit == 50 && lowered?.kind == .budget && lowered?.subject == "bud_1")
        #expect(
            try await world.ledger.post([world.count("b", 1, in: id)]) == [.insufficient(id, available: 0)])
        // Below what is spent already, money still comes back.
        let back = world.transfer("c", .roll, 10, from: world.platform(.consumed), to: id)
        #expect(try await world.ledger.post([TransferGroup([back])]) == [.posted])
        #expect(try await reopen(limit: nil)?.limit == 50)
        let soft = try await world.budget(limit: nil)
        try await world.ledger.open([Account(id: soft, kind: .budget, asset: .money(.usd), subject: "", limit: 1)])
        #expect(try await world.ledger.account(soft)?.account.limit == nil)
    }

    @Test("accounts are listed with their sums, those without a guard too", arguments: StoreAdapter.databases)
    func listing(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let hard = try await world.budget(limit: 100)
        let soft = try await world.budget(limit: nil)
        let over = try await world.budget(limit: 9, ends: world.clock.now)
        let owed = try await world.open(.receivable, limit: nil, asset: .money(.usd), subject: "", ends: nil)
        let charge = world.transfer("a", .charge, 7, from: owed, to: world.platform(.revenue))
        let groups = [TransferGroup([charge]), world.count("b", 3, in: soft), world.count("c", 5, in: hard)]
        #expect(try await world.ledger.post(groups) == [.posted, .posted, .posted])
        let listed = try await world.ledger.accounts(of: world.home.tenant, workspace: world.home.id)
        let sums = Dictionary(uniqueKeysWithValues: listed.map { ($0.account.id, $0.sums) })
        // `over` is not: a budget by day would have one for every day.
        #expect(
            sums == [
                hard: AccountSums(debits: 5), soft: AccountSums(debits: 3), owed: AccountSums(debits: 7),
            ])
        #expect(try await world.ledger.accounts(of: world.home.tenant, workspace: nil).count == 3)
        #expect(try await world.ledger.account(over) != nil)
        #expect(try await world.ledger.accounts(of: world.samples.ids.next(), workspace: nil).isEmpty)
        let platform = try await world.ledger.accounts(of: nil, workspace: nil)
        #expect(platform.first { $0.account.kind == .consumed && $0.account.asset == .money(.usd) }?.sums.credits == 8)
        #expect(platform.allSatisfy { $0.account.kind.isPlatform })
    }
}
