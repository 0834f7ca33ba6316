package import Inference
package import Kernel

/// Why a request went where it went.
package struct RouteView: Sendable, Codable, Equatable {
    package let request: RequestID
    package let decision: DecisionView
    /// First those that were asked or would have been, in that order; then the others as the registry has them.
    package let candidates: [CandidateView]
    /// Every call to an upstream, in order; empty when none was made.
    package let attempts: [AttemptView]
    /// How the request ended; nil for one that called nobody.
    @OrNull package var status: RequestStatus?

    private enum CodingKeys: String, CodingKey {
        case request = "request_id", decision, candidates, attempts, status
    }
}

/// What was decided, and from what.
package struct DecisionView: Sendable, Codable, Equatable {
    package enum Replay: String, Sendable, Codable {
        /// Made again from what is kept, it is the same.
        case same
        /// It is not: the platform decides by other rules now. What stands beside the candidates are today's reasons.
        case differs
    }

    package let strategy: RoutingPolicy.Strategy
    /// The first choice; nil when nobody could answer.
    @OrNull package var deployment: DeploymentID?
    /// The model's own name; nil for a request that called nobody.
    @OrNull package var model: String?
    /// As the caller wrote it.
    package let asked: String
    /// The registry's, counted on its node from its start.
    package let snapshot: UInt64
    package let decidedAt: Instant
    package let replay: Replay
    package let needs: [String]
    /// At most so many.
    package let inputTokens: Int
    @OrNull package var outputCap: Int?
    package let likelyOutput: Int
    /// Whether the caller is to meet the same deployment each time.
    package let isSticky: Bool
    package let regions: [String]
    package let dataPolicies: [String]
    /// In the smallest units of the workspace's currency.
    @OrNull package var mostCost: Int64?
    /// Seconds.
    @OrNull package var mostLatency: Double?

    private enum CodingKeys: String, CodingKey {
        case strategy, deployment, model, asked, snapshot, decidedAt = "decided_at", replay, needs
        case inputTokens = "input_tokens", outputCap = "output_cap", likelyOutput = "likely_output_tokens"
        case isSticky = "sticky", regions, dataPolicies = "data_policies", mostCost = "most_cost"
        case mostLatency = "most_latency_seconds"
    }

    init(_ record: RoutingRecord, model: String?, decidedAt: Instant, replay: Replay) {
        strategy = record.policy.strategy
        deployment = record.order.first.map { record.targets[$0].deployment }
        self.model = model
        asked = record.asked
        snapshot = record.snapshot
        self.decidedAt = decidedAt
        self.replay = replay
        needs = record.facts.needs.map(\.rawValue).sorted()
        inputTokens = record.facts.inputTokens
        outputCap = record.facts.outputCap
        likelyOutput = record.facts.likelyOutput
        isSticky = record.facts.affinity != nil
        regions = record.policy.regions.sorted()
        dataPolicies = record.policy.dataPolicies.sorted()
        mostCost = record.policy.mostCost
        mostLatency = record.policy.mostLatency?.seconds
    }
}

/// A deployment that could have answered, and how it did at that moment. Times in seconds.
package struct CandidateView: Sendable, Codable, Equatable {
    package let deployment: DeploymentID
    /// Whether it was the first choice.
    package let isTaken: Bool
    /// From 1, for the first choice; nil for who is not asked.
    @OrNull package var rank: Int?
    package let code: String
    package let reason: String
    @OrNull package var version: String?
    @OrNull package var region: String?
    package let weight: Int
    package let priority: Int
    @OrNull package var firstToken: Double?
    @OrNull package var perToken: Double?
    /// What its answer was expected to take.
    @OrNull package var expected: Double?
    /// Of this node's requests.
    package let running: Int
    @OrNull package var limit: Int?
    /// What the request likely costs the platform there, in the smallest units of the workspace's currency; nil for
    /// everybody but the operator.
    @OrNull package var cost: Int64?
    package let health: String

    private enum CodingKeys: String, CodingKey {
        case deployment, isTaken = "taken", rank, code, reason, version, region, weight, priority
        case firstToken = "first_token_seconds", perToken = "per_token_seconds", expected = "expected_seconds"
        case running, limit, cost, health
    }

    /// - Parameters:
    ///   - verdict: of the decision made again.
    ///   - rank: as it was, from 1.
    init(_ record: RoutingRecord, at place: Int, _ verdict: RoutingVerdict, rank: Int?, showsCost: Bool) {
        let (target, signal) = (record.targets[place], record.signals[place])
        deployment = target.deployment
        isTaken = rank == 1
        self.rank = rank
        code = verdict.code
        reason = verdict.words(in: record, at: place)
        version = target.terms.version
        region = target.terms.region
        weight = target.terms.weight
        priority = target.terms.priority
        firstToken = signal.firstToken?.seconds
        perToken = signal.perToken?.seconds
        expected = signal.expected(record.facts)?.seconds
        running = signal.running
        limit = signal.limit
        cost = showsCost ? signal.cost : nil
        health = signal.health.code
    }
}

/// One call to an upstream.
package struct AttemptView: Sendable, Codable, Equatable {
    package let number: Int
    package let deployment: DeploymentID
    /// What is known of what it cost: `confirmed`, `estimated`, `unknown` or `none`.
    package let costState: Attempt.Cost
    /// Whose endpoint it was; nil for the platform's own machines, and for everybody but the operator.
    @OrNull package var provider: ProviderID?
    /// The upstream's own name for it; nil where it said none, and for everybody but the operator.
    @OrNull package var upstream: String?
    /// What the upstream itself said that it cost; nil where it said nothing, and for everybody but the operator.
    @OrNull package var told: Amount?

    private enum CodingKeys: String, CodingKey {
        case number, deployment = "deployment_id", costState = "cost_state", provider = "provider_id"
        case upstream = "upstream_id", told = "told_cost"
    }

    init(_ attempt: Attempt, showsUpstream: Bool) {
        number = attempt.number
        deployment = attempt.deployment
        costState = attempt.cost
        provider = showsUpstream ? attempt.provider : nil
        upstream = showsUpstream ? attempt.upstream : nil
        told = showsUpstream ? attempt.told.map(Amount.init) : nil
    }
}
