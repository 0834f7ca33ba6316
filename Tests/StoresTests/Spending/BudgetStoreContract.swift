import Billing
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct BudgetStoreContract {
    @Test("a budget comes back with all that it says", arguments: StoreAdapter.databases)
    func roundTrip(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let key = try await world.stores.key(in: world.home)
        let user: UserID = world.ids.next()
        let scope = Budget.Scope(workspace: world.home.id, user: user, key: key.id, model: "llama-*", tag: "team:a")
        let full = try world.budget(
            7, scope, asset: .tokens, period: "month", zone: "Asia/Tehran", calendar: "jalali", alerts: [])
        let bare = try world.budget(0, Budget.Scope(), period: "rolling:24h", isHard: false)
        for budget in [full, bare] {
            #expect(try await world.set(budget) == budget)
            #expect(try await world.budgets.budget(budget.id) == budget)
        }
        let actions = try await world.stores.actions(in: world.home.tenant)
        #expect(actions == ["key.create", "budget.set", "budget.set"])
    }

    @Test("the same budget again has the new amount, also where it is counted now", arguments: StoreAdapter.databases)
    func again(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let first = try await world.set(try world.budget(1000, period: "day"))
        let before = try await world.spending.version()
        #expect(try await world.set(try world.budget(1000, period: "day")) == first)
        #expect(try await world.spending.version() == before)
        let changed = try await world.set(try world.budget(500, period: "day", alerts: [80]))
        #expect(changed.id == first.id && changed.amount == 500 && changed.alerts == [80])
        #expect(try await world.spending.version() == before + 1)
        let periods = try await world.budgets.periods(of: first.id, limit: 10)
        #expect(periods.map(\.account.limit) == [500])
        // Another hardness, asset or period is another budget.
        for other in [
            try world.budget(1, period: "day", isHard: false), try world.budget(1, asset: .tokens, period: "day"),
            try world.budget(1, period: "week"),
        ] { #expect(try await world.set(other) == other) }
        let page = try await world.budgets.list(of: world.home.tenant, workspace: nil, page: PageRequest())
        #expect(page.data.count == 4)
    }

    @Test("a period that is over keeps its limit", arguments: StoreAdapter.databases)
    func pastPeriods(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let budget = try await world.set(try world.budget(1000, period: "day"))
        world.clock.advance(by: .seconds(86_400))
        #expect(try await world.rules().budgets.count == 1)
        _ = try await world.set(try world.budget(300, period: "day"))
        let periods = try await world.budgets.periods(of: budget.id, limit: 10)
        #expect(periods.map(\.account.limit) == [300, 1000])
        #expect(periods[0].account.begins == periods[1].account.ends)
    }

    @Test("a removed budget binds nobody, and its place is free", arguments: StoreAdapter.databases)
    func removal(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let budget = try await world.set(try world.budget())
        let other = try await world.stores.workspace("w", of: "other")
        #expect(try await world.budgets.remove(budget.id, of: other.tenant, by: world.act) == nil)
        let removed = try await world.budgets.remove(budget.id, of: world.home.tenant, by: world.act)
        #expect(removed?.id == budget.id && removed?.removed == world.clock.now)
        #expect(try await world.budgets.remove(budget.id, of: world.home.tenant, by: world.act) == nil)
        #expect(try await world.rules().budgets == [])
        #expect(try await world.budgets.budget(budget.id)?.removed == world.clock.now)
        #expect(try await world.budgets.periods(of: budget.id, limit: 10).count == 1)
        let next = try world.budget()
        #expect(try await world.set(next) == next)
        #expect(try await world.stores.actions(in: other.tenant) == [])
    }

    @Test("a budget names only what is its tenant's", arguments: StoreAdapter.databases)
    func foreign(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let other = try await world.stores.workspace("w", of: "other")
        let sibling = try await world.stores.workspace("sibling")
        let (theirs, ours) = (try await world.stores.key(in: other), try await world.stores.key(in: sibling))
        for scope in [
            Budget.Scope(workspace: other.id), Budget.Scope(key: theirs.id),
            Budget.Scope(workspace: world.home.id, key: ours.id), Budget.Scope(key: world.ids.next()),
        ] {
            let budget = try world.budget(1, scope)
            #expect(await code { _ = try await world.set(budget) } == .validationError, "\(scope)")
        }
        #expect(try await world.spending.version() == 0)
        let fine = try world.budget(1, Budget.Scope(key: ours.id))
        #expect(try await world.set(fine) == fine)
    }

    @Test("what no budget can be is refused", arguments: StoreAdapter.databases)
    func refused(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        for budget in [
            try world.budget(-1), try world.budget(alerts: [0]), try world.budget(alerts: Array(1...11)),
            try world.budget(1, Budget.Scope(model: "a*b")), try world.budget(1, Budget.Scope(model: "")),
            try world.budget(1, Budget.Scope(tag: "two words")),
        ] { #expect(await code { _ = try await world.set(budget) } == .validationError, "\(budget)") }
    }

    @Test("one key has a bounded number of budgets, and another's do not count", arguments: StoreAdapter.databases)
    func bounded(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        for number in 0..<Budget.mostOfOneScope {
            _ = try await world.set(try world.budget(1, Budget.Scope(model: "m\(number)")))
        }
        let extra = try world.budget(1, Budget.Scope(model: "extra"))
        #expect(await code { _ = try await world.set(extra) } == .validationError)
        let key = try await world.stores.key(in: world.home)
        let ofKey = try world.budget(1, Budget.Scope(key: key.id))
        #expect(try await world.set(ofKey) == ofKey)
    }

    @Test("budgets of a workspace are listed by themselves, page by page", arguments: StoreAdapter.databases)
    func pages(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        var all: [Budget] = []
        for number in 0..<5 {
            world.clock.advance(by: .milliseconds(1))
            let scope = Budget.Scope(workspace: number < 3 ? world.home.id : nil, model: "m\(number)")
            all.insert(try await world.set(try world.budget(1, scope)), at: 0)
        }
        let first = try await world.budgets.list(of: world.home.tenant, workspace: nil, page: PageRequest(limit: 2))
        #expect(first.data == Array(all.prefix(2)) && first.hasMore)
        let rest = try await world.budgets.list(
            of: world.home.tenant, workspace: nil, page: PageRequest(limit: 10, after: first.lastID))
        #expect(rest.data == Array(all.dropFirst(2)) && !rest.hasMore)
        let own = try await world.budgets.list(
            of: world.home.tenant, workspace: world.home.id, page: PageRequest())
        #expect(own.data == Array(all.dropFirst(2)))
    }

    @Test("a passed share is an event, and events come page by page", arguments: StoreAdapter.databases)
    func events(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let budget = try await world.set(try world.budget(100, alerts: [50, 80, 100]))
        let account = try #require(try await world.rules().budgets.first).account
        try await world.count(60, in: account)
        world.clock.advance(by: .seconds(1))
        try await world.count(40, in: account)
        let first = try await world.budgets.events(of: budget.id, page: PageRequest(limit: 2))
        #expect(first.data.map(\.share) == [100, 80] && first.hasMore)
        let rest = try await world.budgets.events(of: budget.id, page: PageRequest(limit: 2, after: first.lastID))
        #expect(rest.data.map(\.share) == [50] && rest.data.map(\.spent) == [60] && !rest.hasMore)
        let wrong = try PageRequest(after: "x")
        #expect(await code { _ = try await world.budgets.events(of: budget.id, page: wrong) } == .validationError)
        let periods = try await world.budgets.periods(of: budget.id, limit: 10)
        #expect(periods.map(\.sums) == [AccountSums(debits: 100)])
    }

    @Test("two that make the same budget make one", arguments: StoreAdapter.databases)
    func race(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let other = try await world.otherNode()
        let made = try await withThrowingTaskGroup(of: BudgetID.self) { group in
            for number in 0..<8 {
                let budget = try world.budget(Int64(number))
                group.addTask { try await (number % 2 == 0 ? world : other).set(budget).id }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(made.count == 1)
        let page = try await world.budgets.list(of: world.home.tenant, workspace: nil, page: PageRequest())
        let periods = try await world.budgets.periods(of: try #require(made.first), limit: 10)
        #expect(page.data.count == 1 && periods.map(\.account.limit) == page.data.map(\.amount))
    }
}
