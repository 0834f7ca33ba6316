import Billing
import Database
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct SpendingStoreContract {
    @Test("who has nothing set is bound by nothing, and owes in any currency", arguments: StoreAdapter.databases)
    func nothing(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let (rules, now) = try await world.spending.rules(for: world.spender())
        #expect(rules.budgets == [] && rules.limits == [] && rules.funds == [] && rules.until == nil)
        #expect(rules.currency == nil && Set(rules.receivables.keys) == Set(Currency.allCases))
        #expect(now == world.clock.now)
        for (currency, id) in rules.receivables {
            let found = try #require(try await world.money.ledger.account(id))
            #expect(found.account.kind == .receivable && found.account.asset == .money(currency))
            #expect(found.account.workspace == world.home.id && found.account.limit == nil)
        }
    }

    @Test("a key is bound by every budget that matches it, and by no other", arguments: StoreAdapter.databases)
    func matching(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let sibling = try await world.stores.workspace("sibling")
        let other = try await world.stores.workspace("w", of: "other")
        let (key, another) = (
            try await world.stores.key(in: world.home), try await world.stores.key(in: world.home)
        )
        let (user, stranger): (UserID, UserID) = (world.ids.next(), world.ids.next())
        var mine: Set<BudgetID> = []
        for scope in [
            Budget.Scope(), Budget.Scope(workspace: world.home.id), Budget.Scope(user: user), Budget.Scope(key: key.id),
            Budget.Scope(workspace: world.home.id, user: user, key: key.id), Budget.Scope(model: "m", tag: "t"),
        ] { mine.insert(try await world.set(try world.budget(1, scope)).id) }
        for scope in [
            Budget.Scope(workspace: sibling.id), Budget.Scope(user: stranger), Budget.Scope(key: another.id),
            Budget.Scope(user: stranger, key: key.id),
        ] { _ = try await world.set(try world.budget(1, scope)) }
        let theirs = Budget(
            id: world.ids.next(), tenant: other.tenant, scope: Budget.Scope(), amount: 1, asset: .tokens,
            period: .total, isHard: true, alerts: [], created: world.clock.now)
        _ = try await world.set(theirs)
        let rules = try await world.rules(world.spender(key: key.id, user: user))
        #expect(Set(rules.budgets.map(\.budget.id)) == mine)
        #expect(rules.budgets.count == mine.count)
        let withoutUser = try await world.rules(world.spender(key: key.id))
        #expect(withoutUser.budgets.count == 4)
    }

    @Test("each period has an account, that whoever comes first makes", arguments: StoreAdapter.databases)
    func periods(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let budget = try await world.set(
            try world.budget(9, period: "day", zone: "Asia/Tehran", calendar: "jalali", isHard: false))
        let first = try #require(try await world.rules().budgets.first)
        #expect(first.budget == budget)
        world.move(to: try #require(first.ends))
        let other = try await world.otherNode()
        let found = try await withThrowingTaskGroup(of: SpendingRules.self) { group in
            for number in 0..<8 { group.addTask { try await (number % 2 == 0 ? world : other).rules() } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(found.count == 1)
        let second = try #require(found.first)
        #expect(second.budgets.first?.begins == first.ends && second.budgets.first?.account != first.account)
        #expect(second.until == second.budgets.first?.ends)
        let periods = try await world.budgets.periods(of: budget.id, limit: 10)
        #expect(periods.map(\.account.id) == [second.budgets.first?.account, first.account])
        #expect(periods.map(\.account.limit) == [nil, nil])
    }

    @Test("what is known is read and not written", arguments: StoreAdapter.databases)
    func readsOnly(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        _ = try await world.set(try world.budget())
        let first = try await world.rules()
        let watched = WriteWatch(world.money.database)
        #expect(try await DatabaseSpendingStore(watched).rules(for: world.spender()).0 == first)
        #expect(watched.writes.value == 0)
        world.clock.advance(by: .seconds(1))
        _ = try await world.set(try world.budget(5, period: "hour"))
        world.clock.advance(by: .seconds(7200))
        _ = try await DatabaseSpendingStore(watched).rules(for: world.spender())
        #expect(watched.writes.value == 1)
    }

    @Test("credit pays in the order of priority, end, place and age", arguments: StoreAdapter.databases)
    func order(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let never = try await world.grant(1)
        world.clock.advance(by: .milliseconds(1))
        let tenants = try await world.grant(1, expires: .seconds(100))
        world.clock.advance(by: .milliseconds(1))
        let late = try await world.grant(1, expires: .seconds(200))
        let first = try await world.grant(1, priority: 1)
        let rules = try await world.rules()
        #expect(rules.funds.map(\.account) == [first, tenants, late, never].map(\.account))
        #expect(rules.until == tenants.expires && rules.currency == .usd)
        #expect(Array(rules.receivables.keys) == [.usd])
        let sibling = try await world.stores.workspace("sibling")
        let own = try await world.grant(1, expires: .seconds(50), workspace: world.home.id)
        #expect(try await world.rules().funds.map(\.account).contains(own.account))
        let theirs = try await world.rules(world.spender(in: sibling))
        #expect(theirs.funds.map(\.account) == [first, tenants, late, never].map(\.account))
    }

    @Test("of credit that ends together the workspace's own pays first", arguments: StoreAdapter.databases)
    func ownFirst(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let tenants = try await world.grant(1)
        world.clock.advance(by: .milliseconds(1))
        let own = try await world.grant(1, workspace: world.home.id)
        #expect(try await world.rules().funds.map(\.account) == [own.account, tenants.account])
    }

    @Test("credit that is used up or over pays nothing", arguments: StoreAdapter.databases)
    func gone(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let used = try await world.grant(5, priority: 1)
        let over = try await world.grant(5, expires: .seconds(10))
        let good = try await world.grant(5)
        let charge = world.money.transfer("charge", .charge, 5, from: used.account, to: world.money.platform(.revenue))
        #expect(try await world.money.ledger.post([TransferGroup([charge])]) == [.posted])
        #expect(try await world.rules().funds.map(\.account) == [over.account, good.account])
        world.clock.advance(by: .seconds(10))
        #expect(try await world.rules().funds.map(\.account) == [good.account])
    }

    @Test("a wallet says what charges are in, and whether anything is owed", arguments: StoreAdapter.databases)
    func wallets(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let tenant = world.home.tenant
        let (dollars, rials) = (try await world.grant(1), try await world.grant(1, currency: .irr))
        try await world.wallets.set(
            WalletRule(tenant: tenant, workspace: nil, mode: .postpaid, currency: .irr), by: world.act)
        let postpaid = try await world.rules()
        #expect(postpaid.currency == .irr && postpaid.funds.map(\.account) == [rials.account])
        #expect(Array(postpaid.receivables.keys) == [.irr])
        try await world.wallets.set(
            WalletRule(tenant: tenant, workspace: world.home.id, mode: .prepaid, currency: .usd), by: world.act)
        let prepaid = try await world.rules()
        #expect(prepaid.currency == .usd && prepaid.funds.map(\.account) == [dollars.account])
        #expect(prepaid.receivables == [:])
        let sibling = try await world.stores.workspace("sibling")
        #expect(try await world.rules(world.spender(in: sibling)).currency == .irr)
    }

    @Test("a plan's requests a minute bind its tenant, and a change is told", arguments: StoreAdapter.databases)
    func plans(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let before = try await world.spending.version()
        try await world.wallets.setPlan(.free, of: world.home.tenant, by: world.act)
        let limit = try #require(try await world.rules().limits.first)
        #expect(limit.subject == .tenant(world.home.tenant) && limit.amount == 10)
        #expect(limit.quantity == .requestsPerMinute && limit.model == nil)
        #expect(try await world.spending.version() == before + 1)
        try await world.wallets.setPlan(.enterprise, of: world.home.tenant, by: world.act)
        #expect(try await world.rules().limits == [])
        #expect(try await world.wallets.plan(of: world.home.tenant) == .enterprise)
    }
}

/// Counts the transactions that may write.
private struct WriteWatch: Database {
    let inner: any Database
    let writes = Shared(0)

    init(_ inner: any Database) { self.inner = inner }

    var dialect: Dialect { inner.dialect }

    func read<T: Sendable>(_ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T {
        try await inner.read(scope, body)
    }

    func write<T: Sendable>(_ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T {
        writes.update { $0 += 1 }
        return try await inner.write(scope, body)
    }

    func execute(_ scope: Scope, _ sql: String, _ arguments: [any SQLRepresentable]) async throws -> [Row] {
        writes.update { $0 += 1 }
        return try await inner.execute(scope, sql, arguments)
    }
}
