import Billing
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct RollingBudgetContract {
    private func everybodyRolls(_ world: SpendingWorld) async throws {
        let other = try await world.otherNode()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in [world, other, world, other] {
                group.addTask { _ = try await node.rolling.roll(at: node.clock.now, after: nil, limit: 10) }
            }
            try await group.waitForAll()
        }
    }

    @Test(
        "what left the window comes back, once and not before its time",
        arguments: StoreAdapter.databases, [true, false])
    func roll(adapter: StoreAdapter, isHard: Bool) async throws {
        let world = try await SpendingWorld.open(adapter)
        _ = try await world.set(try world.budget(100, period: "rolling:1h", isHard: isHard))
        let account = try #require(try await world.rules().budgets.first).account
        try await world.count(30, in: account)
        world.clock.advance(by: .seconds(600))
        try await world.count(50, in: account)
        world.clock.advance(by: .seconds(2999))
        try await everybodyRolls(world)
        #expect(try await world.money.sums(account) == AccountSums(debits: 80))
        // An hour after the first, and one step.
        world.clock.advance(by: .seconds(61))
        try await everybodyRolls(world)
        #expect(try await world.money.sums(account) == AccountSums(debits: 80, credits: 30))
        world.clock.advance(by: .seconds(600))
        try await everybodyRolls(world)
        try await everybodyRolls(world)
        #expect(try await world.money.sums(account) == AccountSums(debits: 80, credits: 80))
        try await world.money.expectSound()
    }

    @Test("a node that was away for long brings back every step", arguments: StoreAdapter.databases)
    func late(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        _ = try await world.set(try world.budget(.max, period: "rolling:10m", isHard: false))
        let account = try #require(try await world.rules().budgets.first).account
        for _ in 0..<30 {
            try await world.count(1, in: account)
            world.clock.advance(by: .seconds(37))
        }
        world.clock.advance(by: .seconds(100_000))
        _ = try await world.rolling.roll(at: world.clock.now, after: nil, limit: 10)
        #expect(try await world.money.sums(account) == AccountSums(debits: 30, credits: 30))
    }

    @Test("nodes whose clocks differ go on where the other stopped", arguments: StoreAdapter.databases)
    func clocks(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        _ = try await world.set(try world.budget(1000, period: "rolling:10m"))
        let account = try #require(try await world.rules().budgets.first).account
        // Identifiers of what it posts sort behind those of everybody else for an hour.
        let fast = ManualClock(now: world.clock.now + .seconds(3600))
        let ahead = DatabaseRollingBudgets(
            world.money.database,
            ledger: DatabaseLedger(
                world.money.database, sealing: TestLedgerSealer(),
                ids: IDSource(clock: fast, random: SeededRandom(seed: 4))))
        for _ in 0..<12 {
            try await world.count(10, in: account)
            world.clock.advance(by: .seconds(10))
        }
        world.clock.advance(by: .seconds(530))
        _ = try await ahead.roll(at: world.clock.now, after: nil, limit: 10)
        let early = try await world.money.sums(account).credits
        for _ in 0..<12 {
            world.clock.advance(by: .seconds(10))
            _ = try await world.rolling.roll(at: world.clock.now, after: nil, limit: 10)
        }
        #expect(early > 0 && early < 120)
        #expect(try await world.money.sums(account) == AccountSums(debits: 120, credits: 120))
        try await world.money.expectSound()
    }

    /// The promise itself: within any window of that length no more is counted than the budget has.
    @Test("no window ever holds more than the budget", arguments: StoreAdapter.databases, [1, 2] as [UInt64])
    func wall(adapter: StoreAdapter, seed: UInt64) async throws {
        let world = try await SpendingWorld.open(adapter)
        let random = SeededRandom(seed: seed)
        let (limit, window) = (Int64(100), Duration.seconds(600))
        _ = try await world.set(try world.budget(limit, period: "rolling:10m"))
        let account = try #require(try await world.rules().budgets.first).account
        var spent: [(at: Instant, amount: Int64)] = []
        var refusals = 0
        for number in 0..<150 {
            world.clock.advance(by: .seconds(Int64(random.next(below: 60))))
            _ = try await world.rolling.roll(at: world.clock.now, after: nil, limit: 10)
            let amount = Int64(random.next(below: 40) + 1)
            let transfer = world.money.transfer(
                "count/\(number)", .count, amount, from: account, to: world.money.platform(.consumed))
            switch try await world.money.ledger.post([TransferGroup([transfer])]).first {
            case .posted: spent.append((world.clock.now, amount))
            case .insufficient: refusals += 1
            default: Issue.record("seed \(seed): neither posted nor refused")
            }
            let inside = spent.filter { $0.at > world.clock.now - window }.reduce(0) { $0 + $1.amount }
            #expect(inside <= limit, "seed \(seed), number \(number)")
        }
        let total = spent.reduce(0) { $0 + $1.amount }
        #expect(refusals > 0 && total > limit * 2, "seed \(seed): \(refusals) refusals, \(total) in all")
        try await world.money.expectSound()
    }

    @Test(
        "a removed budget, one of another period and one without spend are left alone",
        arguments: StoreAdapter.databases)
    func others(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let removed = try await world.set(try world.budget(100, period: "rolling:10m"))
        _ = try await world.set(try world.budget(100, period: "total"))
        _ = try await world.set(try world.budget(100, asset: .tokens, period: "rolling:10m"))
        let rules = try await world.rules()
        for budget in rules.budgets where budget.budget.asset != .tokens {
            try await world.count(1, in: budget.account)
        }
        _ = try await world.budgets.remove(removed.id, of: world.home.tenant, by: world.act)
        world.clock.advance(by: .seconds(10_000))
        #expect(try await world.rolling.roll(at: world.clock.now, after: nil, limit: 10) == nil)
        for budget in rules.budgets { #expect(try await world.money.sums(budget.account).credits == 0) }
    }

    @Test("many budgets are rolled page by page", arguments: StoreAdapter.databases)
    func pages(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        for number in 0..<5 {
            _ = try await world.set(try world.budget(9, Budget.Scope(model: "m\(number)"), period: "rolling:10m"))
        }
        let accounts = try await world.rules().budgets.map(\.account)
        for account in accounts { try await world.count(1, in: account) }
        world.clock.advance(by: .seconds(700))
        var last: BudgetID?
        var pages = 0
        repeat {
            last = try await world.rolling.roll(at: world.clock.now, after: last, limit: 2)
            pages += 1
        } while last != nil
        #expect(pages == 3 && accounts.count == 5)
        for account in accounts { #expect(try await world.money.sums(account).credits == 1) }
    }
}
