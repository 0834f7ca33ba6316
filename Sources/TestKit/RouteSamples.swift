package import Inference
package import Kernel

/// Decisions that tests begin with.
package enum RouteSamples {
    package static let first = DeploymentID(ULID(high: 7, low: 1))
    package static let second = DeploymentID(ULID(high: 7, low: 2))
    package static let broken = DeploymentID(ULID(high: 7, low: 3))

    /// Of three candidates: the first one taken, the second a fallback, the third with an open breaker.
    package static func record() -> RoutingRecord {
        var near = DeploymentTerms()
        near.region = "eu-west"
        near.version = "2"
        var far = DeploymentTerms()
        far.priority = 1
        let targets = [
            RoutingTarget(deployment: first, capabilities: [.chat], contextLimit: 4096, terms: near),
            RoutingTarget(deployment: broken, capabilities: [.chat]),
            RoutingTarget(deployment: second, capabilities: [.chat, .tools], terms: far),
        ]
        let signals = [
            RoutingSignal(
                firstToken: .milliseconds(250), perToken: .milliseconds(10), running: 2, limit: 8, cost: 40),
            RoutingSignal(health: .open), RoutingSignal(cost: 90),
        ]
        let facts = RoutingFacts(needs: [.chat], inputTokens: 900, outputCap: 300, likelyOutput: 101, seed: 5)
        let policy = RoutingPolicy(strategy: .priority)
        let decision = RoutingDecision.decide(facts, among: targets, signals, by: policy)
        return RoutingRecord(
            snapshot: 12, asked: "llm:fast", facts: facts, policy: policy, targets: targets, signals: signals,
            order: decision.order)
    }

    package static func bytes(of record: RoutingRecord) -> [UInt8] {
        var bytes: [UInt8] = []
        RoutingRecordCoding.encode(record, into: &bytes)
        return bytes
    }
}
