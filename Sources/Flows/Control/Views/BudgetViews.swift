package import Billing
package import Kernel

/// Makes a budget or quota, or changes the amount and alerts of the one of the same scope, unit, period and hardness.
package struct NewBudget: Sendable, Codable, Equatable {
    /// By identifier or name; nil for the caller's own.
    package var tenant: String?
    /// By identifier or name; nil for the whole tenant.
    package var workspace: String?
    package var user: String?
    package var key: String?
    /// A name, or the beginning of names and a `*`.
    package var model: String?
    package var tag: String?
    package var amount: DecimalInput
    /// One of the two: `USD`; or `tokens`, `requests`, `audio_seconds`, `gpu_seconds`, `umu`.
    package var currency: String?
    package var unit: String?
    /// `total`, `hour`, `day`, `week`, `month`, `year`, `rolling:30d`; nil for total.
    package var period: String?
    /// Of a calendar's period; nil for UTC.
    package var zone: String?
    /// `gregorian` or `jalali`; nil for gregorian.
    package var calendar: String?
    /// Nil for soft: only its alerts speak.
    package var hard: Bool?
    /// Percent of the amount; nil for 50, 80 and 100.
    package var alerts: [Int]?

    package init(amount: DecimalInput) { self.amount = amount }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case tenant, workspace, user, key, model, tag, amount, currency, unit, period, zone, calendar, hard, alerts
    }
}

package struct BudgetView: Sendable, Codable, Equatable {
    package let id: BudgetID
    package let tenant: TenantID
    @OrNull package var workspace: WorkspaceID?
    @OrNull package var user: UserID?
    @OrNull package var key: KeyID?
    @OrNull package var model: String?
    @OrNull package var tag: String?
    package let limit: Amount
    /// `total`, `month`, `rolling:30d`.
    package let period: String
    @OrNull package var zone: String?
    @OrNull package var calendar: BudgetPeriod.CalendarKind?
    package let hard: Bool
    package let alerts: [Int]
    package let created: Instant
    @OrNull package var removed: Instant?
    package let now: BudgetStanding

    package init(_ budget: Budget, now: BudgetStanding) {
        id = budget.id
        tenant = budget.tenant
        limit = Amount(units: budget.amount, budget.asset)
        period = budget.period.name
        hard = budget.isHard
        alerts = budget.alerts
        created = budget.created
        self.now = now
        workspace = budget.scope.workspace
        user = budget.scope.user
        key = budget.scope.key
        model = budget.scope.model
        tag = budget.scope.tag
        zone = budget.period.zone
        calendar = budget.period.calendar
        removed = budget.removed
    }

    private enum CodingKeys: String, CodingKey {
        case id, tenant = "tenant_id", workspace = "workspace_id", user = "user_id", key = "key_id", model, tag, limit
        case period, zone, calendar, hard, alerts, created, removed, now
    }
}

/// How a budget stands in its period.
package struct BudgetStanding: Sendable, Codable, Equatable {
    package let spent: Amount
    /// Set aside for what runs, and for nodes that will serve some; nothing is set aside in a soft budget.
    package let pending: Amount
    /// What neither is spent nor set aside; never below 0.
    package let left: Amount
    @OrNull package var account: AccountID?
    @OrNull package var begins: Instant?
    /// When it begins anew; null for one that does not.
    @OrNull package var resets: Instant?

    /// - Parameter period: of the budget at this time; nil for one that does not end.
    package init(
        _ budget: Budget, account: Account?, sums: AccountSums, period: (begins: Instant, ends: Instant)?
    ) {
        let asset = budget.asset
        let spent = Int128(sums.debits) - Int128(sums.credits)
        let left = Int128(budget.amount) - spent - Int128(sums.pending)
        self.spent = Amount(units: Int64(clamping: spent), asset)
        pending = Amount(units: sums.pending, asset)
        self.left = Amount(units: Int64(clamping: max(0, left)), asset)
        self.account = account?.id
        begins = period?.begins
        resets = period?.ends
    }

    private enum CodingKeys: String, CodingKey {
        case spent, pending, left, account = "account_id", begins, resets = "resets_at"
    }
}

/// A share of a budget that was passed.
package struct BudgetEventView: Sendable, Codable, Equatable {
    package let budget: BudgetID
    package let account: AccountID
    /// Percent.
    package let share: Int
    package let spent: Amount
    package let at: Instant

    package init(_ event: BudgetEvent, asset: Asset) {
        budget = event.budget
        account = event.account
        share = event.share
        spent = Amount(units: event.spent, asset)
        at = event.at
    }

    private enum CodingKeys: String, CodingKey { case budget = "budget_id", account = "account_id", share, spent, at }
}

/// Sets rate limits of one subject. What is nil stays as it is.
package struct LimitChange: Sendable, Codable, Equatable {
    package var tenant: String?
    /// One of the four says whose limits they are; nil for all: the tenant's.
    package var workspace: String?
    package var user: String?
    package var key: String?
    /// A name, or the beginning of names and a `*`; nil for all models together.
    package var model: String?
    /// Requests a minute.
    package var rpm: Int?
    /// Tokens a minute.
    package var tpm: Int?
    package var concurrency: Int?
    /// `rpm`, `tpm`, `concurrency`: limits that are to go.
    package var remove: [String]?

    package init() {}

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case tenant, workspace, user, key, model, rpm, tpm, concurrency, remove
    }
}

package struct LimitView: Sendable, Codable, Equatable {
    package let id: LimitID
    /// `key`, `user`, `workspace` or `tenant`, and which.
    package let subject: String
    package let subjectID: String
    @OrNull package var model: String?
    package let quantity: RateLimit.Quantity
    package let amount: Int64

    package init(_ limit: RateLimit) {
        id = limit.id
        (subject, subjectID) =
            switch limit.subject {
            case .key(let id): ("key", id.description)
            case .user(let id): ("user", id.description)
            case .workspace(let id): ("workspace", id.description)
            case .tenant(let id): ("tenant", id.description)
            }
        quantity = limit.quantity
        amount = limit.amount
        model = limit.model
    }

    private enum CodingKeys: String, CodingKey { case id, subject, subjectID = "subject_id", model, quantity, amount }
}
