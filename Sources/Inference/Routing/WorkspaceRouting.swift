package import Kernel

/// What a workspace sets for the routing of its requests.
package struct WorkspaceRouting: Sendable, Hashable {
    /// Of one answer: the first call and what comes after it.
    package static let attempts = 1...10
    package static let mostHints = 256
    /// Tokens.
    package static let outputCaps = 1...1_048_576
    package static let usual = WorkspaceRouting()

    package var policy: RoutingPolicy
    /// What costs are compared in, and what the policy's bound is of.
    package var currency: Currency
    /// Which requests are to meet the same deployment as long as it can answer; nil for none.
    package var sticky: Sticky?
    /// Calls to upstreams for one answer, at most.
    package var mostAttempts: Int
    /// Tokens of an answer whose caller names no cap; nil leaves it to the model, or to what a wall asks for.
    package var outputCap: Int?
    /// Who goes first where not everybody can; a request may ask for a lower one.
    package var priority: RequestPriority
    /// Words that stand for a model: `llm:fa-medium` for `qwen-7b`, or for `qwen-7b@2`.
    package var hints: [ModelName: ModelName]

    package enum Sticky: String, Sendable, Codable, CaseIterable {
        case key, user
    }

    package init(
        policy: RoutingPolicy = RoutingPolicy(strategy: .priority), currency: Currency = .usd, sticky: Sticky? = nil,
        mostAttempts: Int = 3, outputCap: Int? = nil, priority: RequestPriority = .normal,
        hints: [ModelName: ModelName] = [:]
    ) {
        self.policy = policy
        self.currency = currency
        self.sticky = sticky
        self.mostAttempts = mostAttempts
        self.outputCap = outputCap
        self.priority = priority
        self.hints = hints
    }
}

/// A workspace's routing as its requests have it: one reference for all of them, with what each would work out.
package final class PreparedRouting: Sendable {
    package static let usual = PreparedRouting(.usual)

    package let routing: WorkspaceRouting
    /// Of its policy, for the records of decisions.
    package let encodedPolicy: EncodedPolicy
    /// Of the policy, which is not copied to be asked.
    package let needsCosts: Bool
    let isBounded: Bool
    /// Whether words stand for models.
    package let hasHints: Bool

    package init(_ routing: WorkspaceRouting) {
        self.routing = routing
        needsCosts = routing.policy.needsCosts
        isBounded = routing.policy.isBounded
        hasHints = !routing.hints.isEmpty
        encodedPolicy = EncodedPolicy(routing.policy)
    }
}

/// Where more is asked than can be answered, the lower wait, and are refused, before the higher.
package enum RequestPriority: String, Sendable, Codable, CaseIterable, Comparable {
    case low, normal, high

    package static func < (left: RequestPriority, right: RequestPriority) -> Bool { left.rank < right.rank }

    /// The higher, the sooner.
    package var rank: Int {
        switch self {
        case .low: 0
        case .normal: 1
        case .high: 2
        }
    }
}

/// What a workspace's routing was set to, and when.
package struct StoredRouting: Sendable, Hashable {
    package let workspace: WorkspaceID
    package let routing: WorkspaceRouting
    package let changed: Instant

    package init(workspace: WorkspaceID, routing: WorkspaceRouting, changed: Instant) {
        self.workspace = workspace
        self.routing = routing
        self.changed = changed
    }
}

/// Where the workspaces' routing is kept; one that set nothing has none. Throws as `RegistryStore`.
package protocol RoutingStore: Sendable {
    /// Replaces what the workspace had.
    func put(_ routing: StoredRouting) async throws
    /// Grows with each change of anybody's.
    func version() async throws -> Int64
    /// Every workspace's.
    func all() async throws -> [StoredRouting]
    func routing(of workspace: WorkspaceID) async throws -> StoredRouting?
    /// - Returns: what was removed; nil when there was none.
    func remove(_ workspace: WorkspaceID) async throws -> StoredRouting?
}
