import Kernel

/// What strategies compare of a candidate that can answer.
struct RoutingScore {
    let place: Int
    let id: ULID
    let weight: Int
    let priority: Int
    let cost: Int64
    /// In microseconds, and more the more it does already: who is asked next waits behind them. 0 while nothing was
    /// measured, so that it is tried.
    let latency: Double
    /// Of what it may do at once, or of its weight where that is not known.
    let load: Double
    let keepsPromise: Bool

    init(_ place: Int, _ target: RoutingTarget, _ signal: RoutingSignal, _ facts: RoutingFacts) {
        self.place = place
        id = target.deployment.ulid
        weight = max(0, target.terms.weight)
        priority = target.terms.priority
        cost = signal.cost ?? .max
        let running = Double(max(0, signal.running))
        latency = Double(signal.expected(facts)?.microseconds ?? 0) * (running + 1)
        load = running / Double(max(1, signal.limit ?? weight))
        keepsPromise =
            if let promised = target.terms.promisedFirstToken, let measured = signal.firstToken {
                measured <= promised
            } else {
                true
            }
    }
}

extension RoutingPolicy.Strategy {
    /// The places in the order in which they are asked. An affinity comes before everything that is only a preference
    /// of chance: who shares it meets the same deployment as long as that one can answer.
    func order(_ scores: [RoutingScore], _ facts: RoutingFacts) -> [Int] {
        guard scores.count > 1 else { return scores.map(\.place) }
        var draw = RoutingDraw(facts)
        switch self {
        case .weighted: return draw.byWeight(scores).map(\.place)
        case .priority:
            let drawn = draw.byWeight(scores)
            return drawn.stableSorted { $0.priority < $1.priority }.map(\.place)
        case .cheapest:
            return draw.byWeight(scores).stableSorted { $0.cost < $1.cost }.map(\.place)
        case .slaPreferred:
            return draw.byWeight(scores).stableSorted {
                ($0.keepsPromise ? 0 : 1, $0.cost) < ($1.keepsPromise ? 0 : 1, $1.cost)
            }.map(\.place)
        case .lowestLatency: return draw.betterOfTwo(scores) { $0.latency }.map(\.place)
        case .leastLoaded: return draw.betterOfTwo(scores) { $0.load }.map(\.place)
        }
    }
}

/// Chance that can be repeated.
private struct RoutingDraw {
    private var state: UInt64
    private let affinity: UInt64?

    init(_ facts: RoutingFacts) {
        state = facts.seed
        affinity = facts.affinity
    }

    /// Each before the others with a chance in proportion to its weight: the largest of `log(u) / weight`, with `u`
    /// from 0 to 1. With an affinity `u` is a hash of it and the deployment, so that one that comes or goes moves only
    /// its own share. Source: Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006); for the
    /// hash, rendezvous hashing, Thaler and Ravishankar (1998).
    mutating func byWeight(_ scores: [RoutingScore]) -> [RoutingScore] {
        let keyed = scores.map { score -> (key: Double, score: RoutingScore) in
            let bits = affinity.map { Self.mixed($0 ^ Self.mixed(score.id.high ^ Self.mixed(score.id.low))) } ?? next()
            // Never 0, and never 1.
            let unit = (Double(bits >> 11) + 0.5) / Double(UInt64(1) << 53)
            return (score.weight == 0 ? -.infinity : unit.naturalLogarithm / Double(score.weight), score)
        }
        return keyed.stableSorted { $0.key > $1.key }.map(\.score)
    }

    /// The better of two drawn by chance first, then the others from the best to the worst. Always the best would send
    /// everybody to one until the figures have caught up. Source: Mitzenmacher, "The power of two choices in
    /// randomized load balancing" (2001).
    mutating func betterOfTwo(_ scores: [RoutingScore], _ worth: (RoutingScore) -> Double) -> [RoutingScore] {
        let drawn = byWeight(scores)
        let first = worth(drawn[1]) < worth(drawn[0]) ? drawn[1] : drawn[0]
        let rest = drawn.filter { $0.place != first.place }.stableSorted { worth($0) < worth($1) }
        return [first] + rest
    }

    private mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    /// Source: SplitMix64, https://prng.di.unimi.it/splitmix64.c
    private static func mixed(_ value: UInt64) -> UInt64 {
        var word = value
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
