import Inference
import Kernel
import TestKit

/// Decisions of every shape, from a seed.
struct MadeDecisions {
    let random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    func record() -> RoutingRecord {
        let targets = (0..<below(12)).map { _ in target() }
        let signals = targets.map { _ in signal() }
        let (facts, policy) = (facts(), policy())
        return RoutingRecord(
            snapshot: random.next() >> below(64), asked: word(), facts: facts, policy: policy, targets: targets,
            signals: signals, order: RoutingDecision.decide(facts, among: targets, signals, by: policy).order)
    }

    func facts() -> RoutingFacts {
        RoutingFacts(
            needs: capabilities(few: true), inputTokens: Int(below(6000)), outputCap: maybe { Int(below(6000)) },
            likelyOutput: Int(below(2000)), affinity: maybe { random.next() }, seed: random.next())
    }

    func policy() -> RoutingPolicy {
        RoutingPolicy(
            strategy: any(RoutingPolicy.Strategy.allCases), regions: seldom([]) { ["eu", "us"] },
            dataPolicies: seldom([]) { ["no-training"] }, mostCost: seldom(nil) { Int64(below(1000)) },
            mostLatency: seldom(nil) { .microseconds(Int64(below(20_000_000))) })
    }

    func target() -> RoutingTarget {
        var terms = DeploymentTerms()
        terms.version = maybe { word() }
        terms.weight = Int(below(5)) * 50
        terms.priority = Int(below(3))
        terms.region = maybe { any(["eu", "us", "ایران"]) }
        terms.dataPolicies = flag() ? ["no-training", "zero-retention"] : []
        terms.promisedFirstToken = maybe { .microseconds(Int64(below(1_000_000))) }
        terms.concurrency = maybe { flag() ? .fixed(Int(below(9))) : .adaptive(most: Int(below(99))) }
        terms.isEnabled = below(10) > 0
        return RoutingTarget(
            deployment: DeploymentID(ULID(high: random.next(), low: random.next())),
            capabilities: capabilities(few: false), contextLimit: maybe { Int(below(20_000)) }, terms: terms)
    }

    func signal() -> RoutingSignal {
        RoutingSignal(
            firstToken: maybe { .microseconds(Int64(below(2_000_000))) },
            perToken: maybe { .microseconds(Int64(below(20_000))) }, running: Int(below(9)),
            limit: maybe { Int(below(12)) }, cost: maybe { Int64(below(2000)) },
            health: below(4) > 0 ? .good : any([.failing, .open, .probing, .ejected]))
    }

    // MARK: Small things

    func below(_ bound: UInt64) -> UInt64 { random.next() % bound }
    func flag() -> Bool { below(2) == 1 }
    func any<Value>(_ values: [Value]) -> Value { values[Int(below(UInt64(values.count)))] }
    func maybe<Value>(_ make: () -> Value) -> Value? { flag() ? make() : nil }
    private func seldom<Value>(_ usual: Value, _ make: () -> Value) -> Value { below(5) == 0 ? make() : usual }

    private func capabilities(few: Bool) -> Set<Capability> {
        Set(Capability.allCases.filter { _ in few ? below(12) == 0 : below(12) > 0 })
    }

    /// Of one, two and four bytes a character.
    private func word() -> String { any(["", "qwen-7b", "llm:fa-medium", "é7", "ایران", "🪶🪶", "a@2"]) }
}
