import Billing
import Database
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

/// The stores of budgets, credit and plans over one ledger.
struct SpendingWorld: Sendable {
    let money: LedgerWorld
    let budgets: DatabaseBudgetStore
    let wallets: DatabaseWalletStore
    let spending: DatabaseSpendingStore
    let rolling: DatabaseRollingBudgets
    let prices: DatabasePriceStore

    var stores: StoreWorld { money.stores }
    var home: Workspace { money.home }
    var clock: ManualClock { money.clock }
    var ids: IDSource { money.samples.ids }

    static func open(_ adapter: StoreAdapter) async throws -> SpendingWorld {
        SpendingWorld(try await LedgerWorld.open(adapter))
    }

    init(_ money: LedgerWorld) { self.init(money, money.database, money.ledger) }

    private init(_ money: LedgerWorld, _ database: any Database, _ ledger: DatabaseLedger) {
        let (audit, seals) = (PlainSealer(), TestLedgerSealer())
        self.money = money
        budgets = DatabaseBudgetStore(database, sealing: audit)
        wallets = DatabaseWalletStore(database, sealing: audit, ledger: seals, ids: money.samples.ids)
        spending = DatabaseSpendingStore(database)
        rolling = DatabaseRollingBudgets(database, ledger: ledger)
        prices = DatabasePriceStore(database, sealing: audit)
    }

    /// The same rows through connections of another node.
    func otherNode() async throws -> SpendingWorld {
        let database = try #require(try await stores.otherNode().database)
        return SpendingWorld(
            money, database, DatabaseLedger(database, sealing: TestLedgerSealer(), ids: money.samples.ids))
    }

    var act: MoneyAct {
        MoneyAct(id: ids.next(), actor: "operator", address: nil, request: nil, at: clock.now, details: ["way": "test"])
    }

    /// As text says: `RFC 3339` with seconds.
    func move(to time: Instant) { clock.advance(by: time - clock.now) }

    func budget(
        _ amount: Int64 = 1000, _ scope: Budget.Scope? = nil, asset: Asset = .money(.usd), period: String = "total",
        zone: String? = nil, calendar: String? = nil, isHard: Bool = true, alerts: [Int] = [50, 100]
    ) throws -> Budget {
        Budget(
            id: ids.next(), tenant: home.tenant, scope: scope ?? Budget.Scope(workspace: home.id), amount: amount,
            asset: asset, period: try BudgetPeriod(period, zone: zone, calendar: calendar), isHard: isHard,
            alerts: alerts, created: clock.now)
    }

    func set(_ budget: Budget) async throws -> Budget { try await budgets.set(budget, by: act) }

    func spender(key: KeyID? = nil, user: UserID? = nil, in workspace: Workspace? = nil) -> Spender {
        let workspace = workspace ?? home
        return Spender(
            tenant: workspace.tenant, workspace: workspace.id, key: key ?? KeyID(ULID(high: 9, low: 9)), user: user)
    }

    func rules(_ spender: Spender? = nil) async throws -> SpendingRules {
        try await spending.rules(for: spender ?? self.spender()).0
    }

    /// Counts so much in an account, as a request would.
    func count(_ amount: Int64, in account: AccountID, _ asset: Asset = .money(.usd)) async throws {
        let transfer = money.transfer(
            "count/\(ids.next(PostingKind.self))", .count, amount, from: account, to: money.platform(.consumed, asset),
            asset)
        #expect(try await money.ledger.post([TransferGroup([transfer])]) == [.posted])
    }

    func grant(
        _ amount: Int64, currency: Currency = .usd, priority: Int = 10, expires: Duration? = nil,
        workspace: WorkspaceID? = nil
    ) async throws -> CreditGrant {
        let id: CreditGrantID = ids.next()
        let grant = CreditGrant(
            id: id, account: ids.next(), tenant: home.tenant, workspace: workspace, amount: amount, currency: currency,
            priority: priority, created: clock.now, expires: expires.map { clock.now + $0 }, note: "thanks",
            priceVersion: nil)
        try await wallets.grant(grant, by: act)
        return grant
    }
}
