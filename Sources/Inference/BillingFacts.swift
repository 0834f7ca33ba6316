package import Kernel

/// What the one who settles a request must know beyond what was consumed.
package struct BillingFacts: Sendable, Hashable {
    package let tenant: TenantID?
    /// Whose key it was; nil for a workspace's own.
    package let user: UserID?
    /// Labels that the caller gave; usage is summed by them, and budgets may be bound to them.
    package let tags: [String]
    package let hold: Hold
    /// Whose endpoint served it, since prices may differ by provider; nil for our own machines.
    package let provider: ProviderID?

    package init(tenant: TenantID?, user: UserID?, tags: [String], hold: Hold, provider: ProviderID? = nil) {
        self.tenant = tenant
        self.user = user
        self.tags = tags
        self.hold = hold
        self.provider = provider
    }

    /// Of requests from before there were prices.
    package static let none = BillingFacts(tenant: nil, user: nil, tags: [], hold: .none)
}

/// One call to an upstream, and what is known of its cost to us.
package struct Attempt: Sendable, Hashable {
    package enum Cost: String, Sendable, Codable, CaseIterable {
        /// The upstream told what it counted.
        case confirmed
        /// Derived here from what passed through.
        case estimated
        /// It may have worked, and never told.
        case unknown
        /// It certainly did nothing: the connection was refused, or nothing was sent.
        case none
    }

    /// From 1.
    package let number: Int
    package let deployment: DeploymentID
    /// Whose endpoint it was, since costs differ; nil for our own machines.
    package let provider: ProviderID?
    /// The upstream's own name for it, by which its bill can be matched.
    package let upstream: String?
    package let cost: Cost
    /// What the upstream itself says that the call cost us.
    package let told: Money?

    package init(
        number: Int, deployment: DeploymentID, provider: ProviderID? = nil, upstream: String?, cost: Cost,
        told: Money? = nil
    ) {
        self.number = number
        self.deployment = deployment
        self.provider = provider
        self.upstream = upstream
        self.cost = cost
        self.told = told
    }
}
