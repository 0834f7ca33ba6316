package import Kernel

/// What a decision was made from, and what it was: enough to make it again elsewhere, and to say why.
package struct RoutingRecord: Sendable, Hashable {
    /// The registry's snapshot, counted on its node from its start.
    package var snapshot: UInt64
    /// As the caller wrote it.
    package var asked: String
    package var facts: RoutingFacts
    package var policy: RoutingPolicy
    package var targets: [RoutingTarget]
    /// One for each target.
    package var signals: [RoutingSignal]
    /// What was decided; the same inputs give it again.
    package var order: [Int]

    package init(
        snapshot: UInt64, asked: String, facts: RoutingFacts, policy: RoutingPolicy, targets: [RoutingTarget],
        signals: [RoutingSignal], order: [Int]
    ) {
        self.snapshot = snapshot
        self.asked = asked
        self.facts = facts
        self.policy = policy
        self.targets = targets
        self.signals = signals
        self.order = order
    }
}

/// A decision as it is kept.
package struct StoredRoute: Sendable, Hashable {
    package let request: RequestID
    package let workspace: WorkspaceID
    /// Whose request it was; nil where that is not known.
    package let key: KeyID?
    package let accepted: Instant
    /// `RoutingRecordCoding`'s bytes.
    package let record: [UInt8]

    package init(request: RequestID, workspace: WorkspaceID, key: KeyID?, accepted: Instant, record: [UInt8]) {
        self.request = request
        self.workspace = workspace
        self.key = key
        self.accepted = accepted
        self.record = record
    }
}

/// Where decisions are kept for a time. Throws as `UsageStore`.
package protocol RouteStore: Sendable {
    /// Of requests that called nobody, and have no usage row; those that did bring theirs with it. A repeat changes
    /// nothing.
    func insert(_ routes: [StoredRoute]) async throws
    func route(of request: RequestID) async throws -> StoredRoute?
    /// Removes at most `limit` that are older.
    /// - Returns: how many.
    func prune(before: Instant, limit: Int) async throws -> Int
}
