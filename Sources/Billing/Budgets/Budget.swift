package import Kernel

/// A bound on what may be spent, or a quota on what may be used, of something in a period.
package struct Budget: Sendable, Hashable {
    package let id: BudgetID
    package let tenant: TenantID
    /// What it binds; every one that is there must match.
    package let scope: Scope
    /// In units of `asset`.
    package let amount: Int64
    package let asset: Asset
    package let period: BudgetPeriod
    /// A wall. Without it only the alerts speak.
    package let isHard: Bool
    /// Shares of the amount at which an event is written, in percent: 50, 80, 100.
    package let alerts: [Int]
    package let created: Instant
    package let removed: Instant?

    package struct Scope: Sendable, Hashable {
        package var workspace: WorkspaceID?
        package var user: UserID?
        package var key: KeyID?
        /// A model's name, or `*` at the end of the beginning of one.
        package var model: String?
        package var tag: String?

        package init(
            workspace: WorkspaceID? = nil, user: UserID? = nil, key: KeyID? = nil, model: String? = nil,
            tag: String? = nil
        ) {
            self.workspace = workspace
            self.user = user
            self.key = key
            self.model = model
            self.tag = tag
        }
    }

    package init(
        id: BudgetID, tenant: TenantID, scope: Scope, amount: Int64, asset: Asset, period: BudgetPeriod, isHard: Bool,
        alerts: [Int], created: Instant, removed: Instant? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.scope = scope
        self.amount = amount
        self.asset = asset
        self.period = period
        self.isHard = isHard
        self.alerts = alerts
        self.created = created
        self.removed = removed
    }
}

/// When a budget begins anew.
package enum BudgetPeriod: Sendable, Hashable {
    /// Never.
    case total
    /// What is older than the window comes back, in steps of a sixtieth of it.
    case rolling(Duration)
    case calendar(CalendarUnit, zone: String, calendar: CalendarKind)

    package enum CalendarUnit: String, Sendable, Codable, CaseIterable { case hour, day, week, month, year }
    package enum CalendarKind: String, Sendable, Codable, CaseIterable { case gregorian, jalali }
}

/// A budget as a node needs it for one key, with the account that counts its period now.
package struct ActiveBudget: Sendable, Hashable {
    package let budget: Budget
    package let account: AccountID
    /// Of the period, by acceptance time; nil for one that does not end.
    package let begins: Instant?
    package let ends: Instant?

    package init(budget: Budget, account: AccountID, begins: Instant?, ends: Instant?) {
        self.budget = budget
        self.account = account
        self.begins = begins
        self.ends = ends
    }
}

/// Something an operator or a tenant should hear about a budget.
package struct BudgetEvent: Sendable, Hashable {
    package let budget: BudgetID
    package let account: AccountID
    /// Percent of the amount that was passed.
    package let share: Int
    package let spent: Int64
    package let at: Instant

    package init(budget: BudgetID, account: AccountID, share: Int, spent: Int64, at: Instant) {
        self.budget = budget
        self.account = account
        self.share = share
        self.spent = spent
        self.at = at
    }
}

/// Budgets of tenants. Throws `Problem(.storageUnavailable)` and the like.
package protocol BudgetStore: Sendable {
    /// Makes the budget, or gives the one of the same scope, asset, period and hardness its new amount and alerts.
    func set(_ budget: Budget, by act: MoneyAct) async throws -> Budget
    func remove(_ id: BudgetID, of tenant: TenantID, by act: MoneyAct) async throws -> Budget?
    func budget(_ id: BudgetID) async throws -> Budget?
    func list(of tenant: TenantID, workspace: WorkspaceID?, page: PageRequest) async throws -> Page<Budget>
    /// The accounts of a budget's periods, newest first, with their sums.
    func periods(of id: BudgetID, limit: Int) async throws -> [(account: Account, sums: AccountSums)]
    func events(of id: BudgetID, page: PageRequest) async throws -> Page<BudgetEvent>
}
