import Kernel
import Testing

@testable import Inference

@Suite("A routing decision")
struct RoutingDecisionTests {
    private func target(_ number: UInt64, _ change: (inout RoutingTarget) -> Void = { _ in }) -> RoutingTarget {
        var target = RoutingTarget(
            deployment: DeploymentID(ULID(high: 7, low: number)), capabilities: [.chat, .tools], contextLimit: 4096)
        change(&target)
        return target
    }

    private func facts(seed: UInt64 = 1, affinity: UInt64? = nil) -> RoutingFacts {
        RoutingFacts(
            needs: [.chat], inputTokens: 1000, outputCap: 500, likelyOutput: 101, affinity: affinity, seed: seed)
    }

    private func first(
        _ strategy: RoutingPolicy.Strategy, _ targets: [RoutingTarget], _ signals: [RoutingSignal], seed: UInt64,
        affinity: UInt64? = nil
    ) -> Int? {
        RoutingDecision.decide(
            facts(seed: seed, affinity: affinity), among: targets, signals, by: RoutingPolicy(strategy: strategy)
        ).order.first
    }

    @Test("says of each candidate why it is not asked")
    func verdicts() {
        var policy = RoutingPolicy(strategy: .priority)
        policy.regions = ["eu"]
        policy.dataPolicies = ["no-training"]
        policy.mostCost = 100
        policy.mostLatency = .seconds(2)
        func good(_ change: (inout RoutingTarget) -> Void = { _ in }) -> RoutingTarget {
            target(1) {
                $0.terms.region = "eu"
                $0.terms.dataPolicies = ["no-training"]
                change(&$0)
            }
        }
        let cases: [(RoutingTarget, RoutingSignal, RoutingVerdict)] = [
            (good(), RoutingSignal(cost: 100), .taken),
            (good { $0.terms.priority = 1 }, RoutingSignal(cost: 1), .fallback(1)),
            (good { $0.terms.isEnabled = false }, RoutingSignal(cost: 1), .disabled),
            (good { $0.capabilities = [.tools] }, RoutingSignal(cost: 1), .cannot([.chat])),
            (good { $0.contextLimit = 1499 }, RoutingSignal(cost: 1), .contextTooSmall(limit: 1499, needed: 1500)),
            (good { $0.terms.region = "us" }, RoutingSignal(cost: 1), .elsewhere("us")),
            (good { $0.terms.region = nil }, RoutingSignal(cost: 1), .elsewhere(nil)),
            (good { $0.terms.dataPolicies = [] }, RoutingSignal(cost: 1), .dataPolicy(["no-training"])),
            (good(), RoutingSignal(cost: 101), .tooDear(101)),
            (good(), RoutingSignal(), .costUnknown),
            (
                good(), RoutingSignal(firstToken: .seconds(1), perToken: .milliseconds(11), cost: 1),
                .tooSlow(.milliseconds(2100))
            ),
            (good(), RoutingSignal(cost: 1, health: .failing), .failing),
            (good(), RoutingSignal(cost: 1, health: .open), .breakerOpen),
            (good(), RoutingSignal(cost: 1, health: .probing), .breakerProbing),
            (good(), RoutingSignal(cost: 1, health: .ejected), .ejected),
            (good(), RoutingSignal(running: 8, limit: 8, cost: 1), .full(8)),
        ]
        let decision = RoutingDecision.decide(facts(), among: cases.map(\.0), cases.map(\.1), by: policy)
        #expect(decision.verdicts == cases.map(\.2))
        #expect(decision.order == [0, 1])
    }

    @Test("nobody is taken where none can answer")
    func none() {
        let decision = RoutingDecision.decide(
            facts(), among: [target(1), target(2)], [RoutingSignal(health: .open), RoutingSignal(health: .ejected)],
            by: RoutingPolicy())
        #expect(decision.order.isEmpty)
        #expect(decision.verdicts == [.breakerOpen, .ejected])
    }

    @Test("weights are kept to, and nobody without one is first")
    func weights() {
        let targets = [7, 2, 1, 0].enumerated().map { place, weight in
            target(UInt64(place)) { $0.terms.weight = weight }
        }
        let signals = targets.map { _ in RoutingSignal() }
        var counts = [0, 0, 0, 0]
        for seed in UInt64(0)..<20_000 { counts[first(.weighted, targets, signals, seed: seed) ?? 3] += 1 }
        // Six standard deviations.
        #expect(abs(counts[0] - 14_000) < 390 && abs(counts[1] - 4_000) < 340 && abs(counts[2] - 2_000) < 255)
        #expect(counts[3] == 0)
    }

    @Test("who shares an affinity shares a deployment, and one that goes moves only its own share")
    func affinity() {
        let targets = (1...5).map { number in target(number) { $0.terms.weight = Int(number) } }
        let signals = targets.map { _ in RoutingSignal() }
        var moved = 0
        for key in UInt64(0)..<2000 {
            let chosen = first(.weighted, targets, signals, seed: key, affinity: key)
            #expect(chosen == first(.weighted, targets, signals, seed: key &+ 99, affinity: key))
            let without = first(.weighted, Array(targets.dropLast()), Array(signals.dropLast()), seed: 0, affinity: key)
            if chosen == 4 { moved += 1 } else { #expect(without == chosen) }
        }
        #expect((500...840).contains(moved))
    }

    @Test("the faster of two is taken, a busy one counts as slower, and one that was never measured is tried")
    func latency() {
        let targets = [target(1), target(2)]
        let slow = RoutingSignal(firstToken: .milliseconds(400), perToken: .milliseconds(10))
        var fast = RoutingSignal(firstToken: .milliseconds(200), perToken: .milliseconds(10))
        for seed in UInt64(0)..<50 {
            #expect(first(.lowestLatency, targets, [slow, fast], seed: seed) == 1)
            #expect(first(.lowestLatency, targets, [fast, RoutingSignal()], seed: seed) == 1)
        }
        fast.running = 2
        #expect(first(.lowestLatency, targets, [slow, fast], seed: 1) == 0)
    }

    @Test("of many, the best gets most and not all")
    func twoChoices() {
        let targets = (1...4).map { target($0) }
        let signals = [4, 3, 2, 1].map { RoutingSignal(running: $0, limit: 10) }
        var counts = [0, 0, 0, 0]
        for seed in UInt64(0)..<8000 { counts[first(.leastLoaded, targets, signals, seed: seed) ?? 0] += 1 }
        // Of two drawn from four the best is one in half of all draws, the next in a third, the next in a sixth.
        #expect(abs(counts[3] - 4000) < 270 && abs(counts[2] - 2667) < 255 && abs(counts[1] - 1333) < 200)
        #expect(counts[0] == 0)
    }

    @Test("the cheapest comes first, and what has no price last; a broken promise counts more than a price")
    func cost() {
        let targets = [target(1), target(2), target(3) { $0.terms.promisedFirstToken = .milliseconds(100) }]
        let signals = [
            RoutingSignal(), RoutingSignal(cost: 9), RoutingSignal(firstToken: .milliseconds(101), cost: 1),
        ]
        func order(_ strategy: RoutingPolicy.Strategy) -> [Int] {
            RoutingDecision.decide(facts(), among: targets, signals, by: RoutingPolicy(strategy: strategy)).order
        }
        #expect(order(.cheapest) == [2, 1, 0])
        #expect(order(.slaPreferred) == [1, 0, 2])
    }

    @Test("the same inputs give the same decision, and every candidate that can answer is in it once")
    func pure() {
        for seed in UInt64(0)..<2000 {
            var numbers = seed
            func number(below bound: UInt64) -> UInt64 {
                numbers = numbers &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return (numbers >> 33) % bound
            }
            let targets = (0..<number(below: 9)).map { place in
                target(place) {
                    $0.terms.weight = Int(number(below: 4))
                    $0.terms.priority = Int(number(below: 3))
                    $0.terms.isEnabled = number(below: 8) > 0
                }
            }
            let signals = targets.map { _ in
                RoutingSignal(
                    firstToken: number(below: 3) == 0 ? nil : .milliseconds(Int(number(below: 900))),
                    running: Int(number(below: 5)), limit: number(below: 2) == 0 ? nil : 4,
                    cost: number(below: 2) == 0 ? nil : Int64(number(below: 50)),
                    health: number(below: 6) == 0 ? .open : .good)
            }
            let strategies = RoutingPolicy.Strategy.allCases
            let policy = RoutingPolicy(strategy: strategies[Int(number(below: UInt64(strategies.count)))])
            let facts = facts(seed: seed, affinity: number(below: 2) == 0 ? nil : seed)
            let decision = RoutingDecision.decide(facts, among: targets, signals, by: policy)
            #expect(decision == RoutingDecision.decide(facts, among: targets, signals, by: policy))
            let able = decision.verdicts.indices.filter { place in
                switch decision.verdicts[place] {
                case .taken, .fallback: true
                default: false
                }
            }
            #expect(decision.order.sorted() == able)
            for (rank, place) in decision.order.enumerated() {
                #expect(decision.verdicts[place] == (rank == 0 ? .taken : .fallback(rank)))
            }
        }
    }

    @Test(
        "the logarithm is right to ten digits",
        arguments: [(1e-16, -36.841361487904734), (0.5, -0.6931471805599453), (1, 0), (2.75, 1.0116009116784799)])
    func logarithm(number: Double, expected: Double) {
        #expect(abs(number.naturalLogarithm - expected) < 1e-10 * max(1, abs(expected)))
    }
}
