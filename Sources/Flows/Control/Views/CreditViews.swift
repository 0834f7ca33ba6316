package import Billing
package import Kernel

/// How a tenant or a workspace pays.
package struct NewWallet: Sendable, Codable, Equatable {
    package var tenant: String?
    /// Nil for the whole tenant.
    package var workspace: String?
    /// `prepaid` or `postpaid`.
    package var mode: String
    package var currency: String

    package init(tenant: String? = nil, workspace: String? = nil, mode: String, currency: String) {
        self.tenant = tenant
        self.workspace = workspace
        self.mode = mode
        self.currency = currency
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case tenant, workspace, mode, currency }
}

package struct WalletView: Sendable, Codable, Equatable {
    package let tenant: TenantID
    @OrNull package var workspace: WorkspaceID?
    package let mode: WalletRule.Mode
    package let currency: Currency

    package init(_ rule: WalletRule) {
        tenant = rule.tenant
        mode = rule.mode
        currency = rule.currency
        workspace = rule.workspace
    }

    private enum CodingKeys: String, CodingKey {
        case tenant = "tenant_id", workspace = "workspace_id", mode, currency
    }
}

/// Gives credit.
package struct NewCredit: Sendable, Codable, Equatable {
    package var tenant: String?
    /// Nil where every workspace of the tenant may use it.
    package var workspace: String?
    package var amount: DecimalInput
    package var currency: String
    /// `umu`: the amount is in UMU, and the price book in force turns it into the currency. Nil for money.
    package var unit: String?
    /// Lower is used first; nil for 100.
    package var priority: Int?
    package var expires: Instant?
    /// The same as seconds from now; not both.
    package var expiresIn: Int?
    package var note: String?

    package init(amount: DecimalInput, currency: String) {
        self.amount = amount
        self.currency = currency
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case tenant, workspace, amount, currency, unit, priority, expires, expiresIn = "expires_in", note
    }
}

package struct CreditView: Sendable, Codable, Equatable {
    package let id: CreditGrantID
    package let account: AccountID
    package let tenant: TenantID
    @OrNull package var workspace: WorkspaceID?
    package let amount: Amount
    package let spent: Amount
    package let pending: Amount
    package let left: Amount
    package let priority: Int
    package let note: String
    package let created: Instant
    @OrNull package var expires: Instant?
    /// The version of the price book that turned UMU into money; null when money was given.
    @OrNull package var priceVersion: Int?

    package init(_ grant: CreditGrant, sums: AccountSums) {
        let asset = Asset.money(grant.currency)
        id = grant.id
        account = grant.account
        tenant = grant.tenant
        amount = Amount(units: grant.amount, asset)
        spent = Amount(units: sums.debits, asset)
        pending = Amount(units: sums.pending, asset)
        left = Amount(units: sums.available(limit: 0), asset)
        priority = grant.priority
        note = grant.note
        created = grant.created
        workspace = grant.workspace
        expires = grant.expires
        priceVersion = grant.priceVersion
    }

    private enum CodingKeys: String, CodingKey {
        case id, account = "account_id", tenant = "tenant_id", workspace = "workspace_id", amount, spent, pending, left
        case priority, note, created, expires, priceVersion = "price_version"
    }
}

package struct NewPlan: Sendable, Codable, Equatable {
    package var tenant: String?
    /// `free`, `pro` or `enterprise`.
    package var plan: String

    package init(tenant: String? = nil, plan: String) {
        self.tenant = tenant
        self.plan = plan
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case tenant, plan }
}

package struct PlanView: Sendable, Codable, Equatable {
    package let name: Plan.Name
    /// A month; null where it is agreed on.
    @OrNull package var monthly: Amount?
    /// Credits a month, in UMU.
    @OrNull package var credits: Int64?
    @OrNull package var requestsPerMinute: Int64?

    package init(_ plan: Plan) {
        name = plan.name
        monthly = plan.monthly.map { Amount(units: $0, .money(.usd)) }
        credits = plan.credits
        requestsPerMinute = plan.requestsPerMinute
    }

    private enum CodingKeys: String, CodingKey {
        case name, monthly, credits, requestsPerMinute = "requests_per_minute"
    }
}

package struct TenantPlanView: Sendable, Codable, Equatable {
    package let tenant: TenantID
    /// Null without one.
    @OrNull package var plan: PlanView?

    package init(tenant: TenantID, plan: Plan?) {
        self.tenant = tenant
        self.plan = plan.map(PlanView.init)
    }

    private enum CodingKeys: String, CodingKey { case tenant = "tenant_id", plan }
}
