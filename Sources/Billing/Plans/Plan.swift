package import Kernel

/// What a tenant has subscribed to: an allowance each month, and bounds.
package struct Plan: Sendable, Hashable {
    package enum Name: String, Sendable, Codable, CaseIterable { case free, pro, enterprise }

    package let name: Name
    /// A month, in USD's ledger units; nil where it is agreed on.
    package let monthly: Int64?
    /// Credits a month, each one UMU; nil where it is agreed on.
    package let credits: Int64?
    package let requestsPerMinute: Int64?

    package init(name: Name, monthly: Int64?, credits: Int64?, requestsPerMinute: Int64?) {
        self.name = name
        self.monthly = monthly
        self.credits = credits
        self.requestsPerMinute = requestsPerMinute
    }

    /// Source: MISSION G5.
    package static let all = [
        Plan(name: .free, monthly: 0, credits: 100_000, requestsPerMinute: 10),
        Plan(name: .pro, monthly: 29_000_000_000, credits: 1_000_000, requestsPerMinute: 100),
        Plan(name: .enterprise, monthly: nil, credits: nil, requestsPerMinute: nil),
    ]
}

/// How a tenant or a workspace pays. Without one it pays afterwards: only its budgets bind.
package struct WalletRule: Sendable, Hashable {
    package enum Mode: String, Sendable, Codable, CaseIterable {
        /// Nothing runs that credit does not cover.
        case prepaid
        /// Credit is used first; the rest is owed.
        case postpaid
    }

    package let tenant: TenantID
    /// Nil for the whole tenant; a workspace's own goes before it.
    package let workspace: WorkspaceID?
    package let mode: Mode
    /// What is charged, held and granted is in this.
    package let currency: Currency

    package init(tenant: TenantID, workspace: WorkspaceID?, mode: Mode, currency: Currency) {
        self.tenant = tenant
        self.workspace = workspace
        self.mode = mode
        self.currency = currency
    }
}

/// Credit that was given, on an account of its own. Used in the order of priority (lowest first), end, and creation.
package struct CreditGrant: Sendable, Hashable {
    package let id: CreditGrantID
    package let account: AccountID
    package let tenant: TenantID
    /// Nil where every workspace of the tenant may use it.
    package let workspace: WorkspaceID?
    package let amount: Int64
    package let currency: Currency
    package let priority: Int
    package let created: Instant
    package let expires: Instant?
    /// What it was given for: `plan pro 2026-11`, or words of whoever gave it.
    package let note: String
    /// The version of the price book that turned credits into money; nil when money was given.
    package let priceVersion: Int?

    package init(
        id: CreditGrantID, account: AccountID, tenant: TenantID, workspace: WorkspaceID?, amount: Int64,
        currency: Currency, priority: Int, created: Instant, expires: Instant?, note: String, priceVersion: Int?
    ) {
        self.id = id
        self.account = account
        self.tenant = tenant
        self.workspace = workspace
        self.amount = amount
        self.currency = currency
        self.priority = priority
        self.created = created
        self.expires = expires
        self.note = note
        self.priceVersion = priceVersion
    }

    package func ended(at time: Instant) -> CreditGrant {
        CreditGrant(
            id: id, account: account, tenant: tenant, workspace: workspace, amount: amount, currency: currency,
            priority: priority, created: created, expires: time, note: note, priceVersion: priceVersion)
    }
}

/// Wallet rules, credit and plans. Throws as `BudgetStore`.
package protocol WalletStore: Sendable {
    func set(_ rule: WalletRule, by act: MoneyAct) async throws
    /// - Parameter workspace: nil for the whole tenant's own rule.
    /// - Returns: false where there was none.
    func removeRule(of tenant: TenantID, workspace: WorkspaceID?, by act: MoneyAct) async throws -> Bool
    func rules(of tenant: TenantID) async throws -> [WalletRule]
    /// The grant, its account and its transfer in one transaction.
    func grant(_ grant: CreditGrant, by act: MoneyAct) async throws
    func grants(of tenant: TenantID, workspace: WorkspaceID?) async throws -> [(grant: CreditGrant, sums: AccountSums)]
    /// Ends a grant now: it pays for nothing that is accepted later. What is left goes back at once, or when no node
    /// holds a part of it any more. A grant that has ended stays as it is.
    /// - Returns: nil where there is no such grant; the sums are from before anything went back.
    func revoke(_ id: CreditGrantID, by act: MoneyAct) async throws -> (grant: CreditGrant, sums: AccountSums)?
    /// Takes back what is left on grants that have ended, where nobody holds a slice any more.
    func lapse(at now: Instant, limit: Int) async throws -> Int
    /// - Parameter plan: nil for none. What the one before has given stays.
    func setPlan(_ plan: Plan.Name?, of tenant: TenantID, by act: MoneyAct) async throws
    func plan(of tenant: TenantID) async throws -> Plan.Name?
}
