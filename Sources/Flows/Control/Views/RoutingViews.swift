package import Inference
package import Kernel
import Tenancy

/// How a workspace's requests are to be routed, in its maker's words; `ControlFlow` checks them. What is left out is as
/// usual.
package struct NewRouting: Sendable, Codable, Equatable {
    /// Needed; nil where it is not known yet.
    package var strategy: String?
    /// Where deployments may be; nil or empty for anywhere.
    package var regions: [String]?
    /// What deployments must promise of the data that they see.
    package var dataPolicies: [String]?
    /// The most that a request may likely cost the platform.
    package var maxCost: DecimalInput?
    /// What costs are compared in; USD when nil.
    package var currency: String?
    /// Of a whole answer.
    package var maxLatencyMilliseconds: Int?
    /// `key` or `user`; nil for none.
    package var sticky: String?
    /// Calls to upstreams for one answer.
    package var attempts: Int?
    /// Tokens of an answer whose caller names no cap.
    package var outputCap: Int?
    /// `low`, `normal` or `high`.
    package var priority: String?
    /// Words that stand for models.
    package var hints: [String: String]?

    package init(strategy: String? = nil) { self.strategy = strategy }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case strategy, regions, dataPolicies = "data_policies", maxCost = "max_cost", currency
        case maxLatencyMilliseconds = "max_latency_ms", sticky, attempts, outputCap = "output_cap", priority, hints
    }
}

/// What a workspace's requests are routed by.
package struct RoutingView: Sendable, Codable, Equatable {
    package let workspace: WorkspaceID
    package let tenant: TenantID
    /// The workspace's name.
    package let name: String
    package let strategy: RoutingPolicy.Strategy
    package let regions: [String]
    package let dataPolicies: [String]
    @OrNull package var maxCost: String?
    package let currency: Currency
    @OrNull package var maxLatencyMilliseconds: Int?
    @OrNull package var sticky: WorkspaceRouting.Sticky?
    package let attempts: Int
    @OrNull package var outputCap: Int?
    package let priority: RequestPriority
    package let hints: [String: String]
    /// When it was set; nil for what is usual, where nothing was.
    @OrNull package var changed: Instant?

    init(_ routing: WorkspaceRouting, of workspace: Workspace, changed: Instant?) {
        let policy = routing.policy
        self.workspace = workspace.id
        tenant = workspace.tenant
        name = workspace.name
        strategy = policy.strategy
        regions = policy.regions.sorted()
        dataPolicies = policy.dataPolicies.sorted()
        currency = routing.currency
        attempts = routing.mostAttempts
        priority = routing.priority
        hints = Dictionary(routing.hints.map { ($0.key.text, $0.value.text) }) { first, _ in first }
        _maxCost = OrNull(
            wrappedValue: policy.mostCost.map { Amount(units: $0, .money(routing.currency)).text })
        _maxLatencyMilliseconds = OrNull(wrappedValue: policy.mostLatency.map { Int($0.microseconds / 1000) })
        _outputCap = OrNull(wrappedValue: routing.outputCap)
        _sticky = OrNull(wrappedValue: routing.sticky)
        _changed = OrNull(wrappedValue: changed)
    }

    /// What would set it again.
    package var request: NewRouting {
        var request = NewRouting(strategy: strategy.rawValue)
        request.regions = regions
        request.dataPolicies = dataPolicies
        request.maxCost = maxCost.map(DecimalInput.init)
        request.currency = currency.rawValue
        request.maxLatencyMilliseconds = maxLatencyMilliseconds
        request.sticky = sticky?.rawValue
        request.attempts = attempts
        request.outputCap = outputCap
        request.priority = priority.rawValue
        request.hints = hints
        return request
    }

    private enum CodingKeys: String, CodingKey {
        case workspace = "workspace_id", tenant = "tenant_id", name = "workspace", strategy, regions
        case dataPolicies = "data_policies", maxCost = "max_cost", currency, maxLatencyMilliseconds = "max_latency_ms"
        case sticky, attempts, outputCap = "output_cap", priority, hints, changed
    }
}
