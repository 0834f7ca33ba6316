package import Inference
package import Kernel

/// Which usage somebody wants to see, in their words.
package struct UsageQuestion: Sendable, Equatable {
    /// Nil for the caller's own.
    package var workspace: WorkspaceID?
    /// `day`, `model`, `key`, `user`, `tag`; none for one total.
    package var groups: [String]
    /// Of the days; nil for UTC.
    package var zone: String?
    /// A time, or a day in the zone; nil for 30 days before the end.
    package var from: String?
    /// Not in it; nil for now.
    package var until: String?
    package var model: String?
    package var key: KeyID?
    /// Empty: of nobody.
    package var user: String?
    /// Empty: without any.
    package var tag: String?

    package init(
        workspace: WorkspaceID? = nil, groups: [String] = [], zone: String? = nil, from: String? = nil,
        until: String? = nil, model: String? = nil, key: KeyID? = nil, user: String? = nil, tag: String? = nil
    ) {
        self.workspace = workspace
        self.groups = groups
        self.zone = zone
        self.from = from
        self.until = until
        self.model = model
        self.key = key
        self.user = user
        self.tag = tag
    }
}

package struct UsageTotalView: Sendable, Codable, Equatable {
    /// The day in the report's zone, as `2026-11-21`; these five are null where it is not grouped by them.
    @OrNull package var day: String?
    @OrNull package var model: String?
    @OrNull package var key: KeyID?
    /// Empty: of a workspace's own keys.
    @OrNull package var user: String?
    /// Empty: without any.
    @OrNull package var tag: String?
    package let requests: Int
    package let unsuccessful: Int
    /// Whose price is not known yet.
    package let suspended: Int
    package let inputTokens: Int
    package let cachedTokens: Int
    package let outputTokens: Int
    package let reasoningTokens: Int
    package let umu: String
    /// One for each currency.
    package let price: [Amount]
    /// What it cost the platform; null for everybody else.
    @OrNull package var cost: [Amount]?
    /// Lists exactly the rows that sum to this.
    package let rows: String

    init(_ total: UsageTotal, day: String?, rows: String, showsCost: Bool) {
        requests = total.requests
        unsuccessful = total.unsuccessful
        suspended = total.suspended
        inputTokens = total.inputTokens
        cachedTokens = total.cachedTokens
        outputTokens = total.outputTokens
        reasoningTokens = total.reasoningTokens
        umu = Amount(units: total.umu, .umu).text
        price = Self.amounts(total.prices)
        self.rows = rows
        self.day = day
        model = total.group.model
        key = total.group.key
        user = total.group.user.map(\.text)
        tag = total.group.tag.map(\.text)
        cost = showsCost ? Self.amounts(total.costs) : nil
    }

    private static func amounts(_ sums: [Currency: Int64]) -> [Amount] {
        sums.sorted { $0.key.rawValue < $1.key.rawValue }.map { Amount(units: $0.value, .money($0.key)) }
    }

    private enum CodingKeys: String, CodingKey {
        case day, model, key = "key_id", user = "user_id", tag, requests, unsuccessful, suspended
        case inputTokens = "input_tokens", cachedTokens = "cached_tokens", outputTokens = "output_tokens"
        case reasoningTokens = "reasoning_tokens", umu, price, cost, rows = "rows_url"
    }
}

package struct UsageReportView: Sendable, Codable, Equatable {
    package let workspace: WorkspaceID
    package let from: Instant
    package let until: Instant
    package let zone: String
    package let groups: [UsageGroup]
    package let data: [UsageTotalView]

    package init(
        workspace: WorkspaceID, from: Instant, until: Instant, zone: String, groups: [UsageGroup],
        data: [UsageTotalView]
    ) {
        self.workspace = workspace
        self.from = from
        self.until = until
        self.zone = zone
        self.groups = groups
        self.data = data
    }

    private enum CodingKeys: String, CodingKey {
        case workspace = "workspace_id", from, until = "to", zone, groups = "group_by", data
    }
}

extension UsageFilter.Wanted where Value: CustomStringConvertible {
    /// Empty for none.
    var text: String {
        switch self {
        case .value(let value): value.description
        case .none: ""
        }
    }
}
