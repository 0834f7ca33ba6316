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
    /// What chance gave it; the largest goes first.
    var draw = 0.0

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
    /// Into the order in which they are asked. An affinity comes before everything that is only a preference of chance:
    /// who shares it meets the same deployment as long as that one can answer.
    func sort(_ scores: inout [RoutingScore], _ facts: RoutingFacts) {
        guard scores.count > 1 else { return }
        var draw = RoutingDraw(facts)
        draw.sortByWeight(&scores)
        switch self {
        case .weighted: break
        case .priority: scores.sortStably { $0.priority < $1.priority }
        case .cheapest: scores.sortStably { $0.cost < $1.cost }
        case .slaPreferred:
            scores.sortStably { ($0.keepsPromise ? 0 : 1, $0.cost) < ($1.keepsPromise ? 0 : 1, $1.cost) }
        case .lowestLatency: scores.sortAfterBetterOfTwo { $0.latency }
        case .leastLoaded: scores.sortAfterBetterOfTwo { $0.load }
        }
    }
}

extension [RoutingScore] {
    /// Drawn by chance already: the better of the first two first, then the others from the best to the worst. Always
    /// the best would send everybody to one until the figures have caught up. Source: Mitzenmacher, "The power of two
    /// choices in randomized load balancing" (2001).
    fileprivate mutating func sortAfterBetterOfTwo(_ worth: (RoutingScore) -> Double) {
        let first = remove(at: worth(self[1]) < worth(self[0]) ? 1 : 0)
        sortStably { worth($0) < worth($1) }
        insert(first, at: 0)
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
    mutating func sortByWeight(_ scores: inout [RoutingScore]) {
        for place in scores.indices {
            let (id, weight) = (scores[place].id, scores[place].weight)
            let bits = affinity.map { Self.mixed($0 ^ Self.mixed(id.high ^ Self.mixed(id.low))) } ?? next()
            // Never 0, and never 1.
            let unit = (Double(bits >> 11) + 0.5) / Double(UInt64(1) << 53)
            scores[place].draw = weight == 0 ? -.infinity : unit.naturalLogarithm / Double(weight)
        }
        scores.sortStably { $0.draw > $1.draw }
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
