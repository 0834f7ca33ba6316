package import Kernel

/// How a workspace wants its requests routed: what may answer at all, and which of those is the best.
package struct RoutingPolicy: Sendable, Hashable {
    package enum Strategy: String, Sendable, Codable, CaseIterable {
        /// The better of two drawn by chance, by the time that the answer will take.
        case lowestLatency = "lowest_latency"
        /// What the request likely costs.
        case cheapest
        /// Those that have kept what they promise, the cheapest of them first.
        case slaPreferred = "sla_preferred"
        /// By chance, in proportion to the weights.
        case weighted
        /// By number, the smallest first; equal ones by weight.
        case priority
        /// The better of two drawn by chance, by how much of what it may do at once is taken.
        case leastLoaded = "least_loaded"
    }

    package var strategy: Strategy
    /// Where a deployment may be; empty for anywhere.
    package var regions: Set<String>
    /// What a deployment must promise of the data that it sees.
    package var dataPolicies: Set<String>
    /// The most that a request may likely cost us, in the smallest units of the policy's currency.
    package var mostCost: Int64?
    /// The longest that the whole answer may be expected to take.
    package var mostLatency: Duration?

    package init(
        strategy: Strategy = .weighted, regions: Set<String> = [], dataPolicies: Set<String> = [],
        mostCost: Int64? = nil, mostLatency: Duration? = nil
    ) {
        self.strategy = strategy
        self.regions = regions
        self.dataPolicies = dataPolicies
        self.mostCost = mostCost
        self.mostLatency = mostLatency
    }
}

extension RoutingPolicy {
    /// Whether it looks at what a request costs.
    package var needsCosts: Bool { mostCost != nil || strategy == .cheapest || strategy == .slaPreferred }

    /// Whether somebody who could answer may still not be asked.
    var isBounded: Bool { !regions.isEmpty || !dataPolicies.isEmpty || mostCost != nil || mostLatency != nil }
}

/// A deployment as it is chosen by: what its registration says.
package struct RoutingTarget: Sendable, Hashable {
    package let deployment: DeploymentID
    package var capabilities: Set<Capability> { didSet { capabilityBits = RoutingCodes.bits(of: capabilities) } }
    /// The same, a bit for each.
    private(set) var capabilityBits: UInt64
    package var contextLimit: Int?
    package var terms: DeploymentTerms

    package init(
        deployment: DeploymentID, capabilities: Set<Capability>, contextLimit: Int? = nil,
        terms: DeploymentTerms = DeploymentTerms()
    ) {
        self.deployment = deployment
        self.capabilities = capabilities
        capabilityBits = RoutingCodes.bits(of: capabilities)
        self.contextLimit = contextLimit
        self.terms = terms
    }

    package init(_ deployment: Deployment) {
        self.init(
            deployment: deployment.id, capabilities: deployment.capabilities, contextLimit: deployment.contextLimit,
            terms: deployment.terms)
    }
}
