package import Kernel

/// Who spends: what budgets, limits and wallets are looked up for.
package struct Spender: Sendable, Hashable {
    package let tenant: TenantID
    package let workspace: WorkspaceID
    package let key: KeyID
    package let user: UserID?

    package init(tenant: TenantID, workspace: WorkspaceID, key: KeyID, user: UserID?) {
        self.tenant = tenant
        self.workspace = workspace
        self.key = key
        self.user = user
    }

    /// The key first, since the others seldom differ where it does not.
    package static func == (left: Spender, right: Spender) -> Bool {
        left.key == right.key && left.workspace == right.workspace && left.tenant == right.tenant
            && left.user?.ulid == right.user?.ulid
    }
}

/// An account that pays for requests while it lasts.
package struct Fund: Sendable, Hashable {
    package let account: AccountID
    /// When it can pay for nothing that is accepted later.
    package let ends: Instant?
    /// What it had available when the rules were read, to tell callers; nothing is decided by it.
    package let left: Int64?

    package init(account: AccountID, ends: Instant?, left: Int64? = nil) {
        self.account = account
        self.ends = ends
        self.left = left
    }
}

/// Everything that binds one key's spending, as a node keeps it.
package struct SpendingRules: Sendable, Hashable {
    /// Those whose tenant, workspace, user and key match; model and tag are the request's.
    package let budgets: [ActiveBudget]
    package let limits: [RateLimit]
    /// What charges are in; nil for the currency of each model's price.
    package let currency: Currency?
    /// Credit, in the order in which it pays; all of it in `currency`.
    package let funds: [Fund]
    /// Bears what no fund does; empty where nothing runs without credit.
    package let receivables: [Currency: AccountID]
    /// The next time at which a period or a fund begins or ends: from then on they must be read anew.
    package let until: Instant?

    package init(
        budgets: [ActiveBudget], limits: [RateLimit], currency: Currency?, funds: [Fund],
        receivables: [Currency: AccountID], until: Instant?
    ) {
        self.budgets = budgets
        self.limits = limits
        self.currency = currency
        self.funds = funds
        self.receivables = receivables
        self.until = until
    }
}

/// Where a node reads what binds a key. Throws `Problem(.storageUnavailable)` and the like.
package protocol SpendingStore: Sendable {
    /// Makes the accounts of current periods that are missing.
    /// - Returns: the rules, and the database's time at which they are so.
    func rules(for spender: Spender) async throws -> (SpendingRules, now: Instant)
    /// Grows with every change of budgets, limits, wallets, grants, plans and books, in the order of commits.
    func version() async throws -> Int64
}
