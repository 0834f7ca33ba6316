package import Billing
import Kernel

/// What every implementation of `Counters` keeps to, on one node and on several. Each case throws when it does not.
package struct CountersContract: Sendable {
    /// Something that an implementation did, or did not do.
    package struct Breach: Error, CustomStringConvertible {
        package let description: String
    }

    /// Nodes that share their limits, on one clock.
    package struct Cluster: Sendable {
        package let nodes: [any Counters]
        package let clock: ManualClock
        /// What each node does in the background, about each second.
        package let tidy: @Sendable (_ node: Int) async throws -> Void
        /// What each node does in the background, each ten seconds.
        package let renew: @Sendable (_ node: Int) async throws -> Void
        /// What the nodes need for as long as they are used.
        private let owner: (any Sendable)?

        package init(
            nodes: [any Counters], clock: ManualClock, owner: (any Sendable)? = nil,
            tidy: @escaping @Sendable (_ node: Int) async throws -> Void,
            renew: @escaping @Sendable (_ node: Int) async throws -> Void
        ) {
            self.nodes = nodes
            self.clock = clock
            self.owner = owner
            self.tidy = tidy
            self.renew = renew
        }
    }

    package let name: String
    package let isShared: Bool
    private let cluster: @Sendable (_ nodes: Int) async throws -> Cluster

    /// - Parameter isShared: whether several nodes share limits; otherwise there is only ever one.
    package init(
        _ name: String, isShared: Bool, cluster: @escaping @Sendable (_ nodes: Int) async throws -> Cluster
    ) {
        self.name = name
        self.isShared = isShared
        self.cluster = cluster
    }

    package func open(_ nodes: Int = 1) async throws -> Cluster { try await cluster(nodes) }

    package func expect(_ condition: Bool, _ words: @autoclosure () -> String) throws {
        guard condition else { throw Breach(description: "\(name): \(words())") }
    }
}

extension CountersContract.Cluster {
    package func limit(_ quantity: RateLimit.Quantity, _ amount: Int64, id number: UInt64 = 1) -> RateLimit {
        let raw: UInt64 =
            switch quantity {
            case .requestsPerMinute: 1
            case .tokensPerMinute: 2
            case .concurrency: 3
            }
        return RateLimit(
            id: LimitID(ULID(high: raw, low: number)), subject: .key(KeyID(ULID(high: 0, low: 1))), model: nil,
            quantity: quantity, amount: amount)
    }

    /// As admission does it: from memory, and by asking where that does not decide.
    package func take(_ limits: [RateLimit], tokens: Int64 = 1, on node: Int = 0) async throws -> RateAnswer {
        let answer = nodes[node].take(limits, tokens: tokens)
        guard case .unknown = answer else { return answer }
        return try await nodes[node].request(limits, tokens: tokens)
    }

    package func ticket(_ limits: [RateLimit], tokens: Int64 = 1, on node: Int = 0) async throws -> RateTicket? {
        guard case .taken(let ticket, _) = try await take(limits, tokens: tokens, on: node) else { return nil }
        return ticket
    }

    /// How many of so many tries pass, one after the other.
    package func passing(_ tries: Int, _ limits: [RateLimit], tokens: Int64 = 1, on node: Int = 0) async throws -> Int {
        var passed = 0
        for _ in 0..<tries where try await ticket(limits, tokens: tokens, on: node) != nil { passed += 1 }
        return passed
    }

    package func tidyAll() async throws { for node in nodes.indices { try await tidy(node) } }
    package func renewAll() async throws { for node in nodes.indices { try await renew(node) } }
}
