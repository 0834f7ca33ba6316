package import Kernel

/// Which usage rows of a workspace. What is nil is not asked about.
package struct UsageFilter: Sendable, Hashable {
    /// The requests that were accepted at this time or later.
    package var from: Instant
    /// And before this.
    package var until: Instant
    package var model: String?
    package var key: KeyID?
    package var user: Wanted<UserID>?
    /// Rows that have it, whatever tags they have beside it.
    package var tag: Wanted<String>?

    /// Something, or that there is none.
    package enum Wanted<Value: Sendable & Hashable>: Sendable, Hashable {
        case value(Value)
        case none
    }

    package init(
        from: Instant, until: Instant, model: String? = nil, key: KeyID? = nil, user: Wanted<UserID>? = nil,
        tag: Wanted<String>? = nil
    ) {
        self.from = from
        self.until = until
        self.model = model
        self.key = key
        self.user = user
        self.tag = tag
    }
}

/// A usage row with what stands in it of money.
package struct BilledUsage: Sendable, Hashable {
    package let record: UsageRecord
    /// `free`, `charged` or `suspended`.
    package let billState: String
    /// What the tenant pays.
    package let price: Money?
    /// What it costs us.
    package let cost: Money?
    package let umu: UMU?
    /// 0 for none.
    package let priceVersion: Int
    package let costVersion: Int

    package init(
        record: UsageRecord, billState: String = "free", price: Money? = nil, cost: Money? = nil, umu: UMU? = nil,
        priceVersion: Int = 0, costVersion: Int = 0
    ) {
        self.record = record
        self.billState = billState
        self.price = price
        self.cost = cost
        self.umu = umu
        self.priceVersion = priceVersion
        self.costVersion = costVersion
    }
}

/// What usage is summed by.
package enum UsageGroup: String, Sendable, Codable, CaseIterable {
    case day, model, key, user
    /// A row with several tags counts for each of them, so totals by tag may be more than the whole.
    case tag
}

/// A stretch of time that rows are summed over.
package struct UsageSpan: Sendable, Hashable {
    package let begins: Instant
    package let ends: Instant

    package init(begins: Instant, ends: Instant) {
        self.begins = begins
        self.ends = ends
    }
}

/// What the rows of one group sum to. Of what is not grouped by, nothing is said.
package struct UsageTotal: Sendable, Hashable {
    package struct Group: Sendable, Hashable {
        package var span: UsageSpan?
        package var model: String?
        package var key: KeyID?
        package var user: UsageFilter.Wanted<UserID>?
        package var tag: UsageFilter.Wanted<String>?

        package init(
            span: UsageSpan? = nil, model: String? = nil, key: KeyID? = nil, user: UsageFilter.Wanted<UserID>? = nil,
            tag: UsageFilter.Wanted<String>? = nil
        ) {
            self.span = span
            self.model = model
            self.key = key
            self.user = user
            self.tag = tag
        }
    }

    package let group: Group
    package var requests = 0
    /// Requests that ended in another way than `succeeded`.
    package var unsuccessful = 0
    /// Requests whose price is not known yet.
    package var suspended = 0
    package var inputTokens = 0
    package var cachedTokens = 0
    package var outputTokens = 0
    package var reasoningTokens = 0
    package var umu: Int64 = 0
    /// In ledger units.
    package var prices: [Currency: Int64] = [:]
    package var costs: [Currency: Int64] = [:]

    package init(_ group: Group) { self.group = group }
}

/// Usage as somebody looks at it who pays for it. Throws as `UsageStore`.
package protocol UsageReports: Sendable {
    /// The workspace's rows that pass, newest first by when they were accepted. Throws `.validationError` for a cursor
    /// that is no row of the workspace.
    func rows(in workspace: WorkspaceID, matching filter: UsageFilter, page: PageRequest) async throws -> Page<
        BilledUsage
    >
    /// Sums over the rows that pass: one for each group that has any, in no order.
    /// - Parameters:
    ///   - days: the stretches of `.day`, which do not overlap; at most 366. Ignored when it is not grouped by.
    ///   - limit: of groups; `VALIDATION_ERROR` when there are more.
    func totals(
        in workspace: WorkspaceID, matching filter: UsageFilter, by groups: Set<UsageGroup>, days: [UsageSpan],
        limit: Int
    ) async throws -> [UsageTotal]
}
