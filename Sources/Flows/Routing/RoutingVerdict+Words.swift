import Inference
import Kernel

extension RoutingVerdict {
    /// For programs.
    var code: String {
        switch self {
        case .taken: "taken"
        case .fallback: "fallback"
        case .disabled: "disabled"
        case .cannot: "capability_missing"
        case .contextTooSmall: "context_too_small"
        case .elsewhere: "region"
        case .dataPolicy: "data_policy"
        case .tooDear: "too_dear"
        case .costUnknown: "cost_unknown"
        case .tooSlow: "too_slow"
        case .failing: "failing"
        case .breakerOpen: "breaker_open"
        case .breakerProbing: "breaker_probing"
        case .ejected: "ejected"
        case .full: "full"
        }
    }

    /// Why the candidate at a place was taken, or was not, in a sentence for whoever asks. Says nothing of what
    /// anything costs the platform.
    func words(in record: RoutingRecord, at place: Int) -> String {
        switch self {
        case .taken: record.reason(for: place)
        case .fallback(let rank):
            "It is asked after the first \(rank == 1 ? "choice" : "\(rank)"), if nobody has answered."
        case .disabled: "An operator has disabled it."
        case .cannot(let missing): "It does not offer \(Self.list(missing.map(\.rawValue)))."
        case .contextTooSmall(let limit, let needed):
            "The prompt and the answer may need \(needed) tokens together; it takes \(limit)."
        case .elsewhere(let region): Self.elsewhere(region, record.policy.regions)
        case .dataPolicy(let missing): "It does not promise \(Self.list(missing)), which the workspace asks for."
        case .tooDear: "The request would likely cost more there than the workspace's bound."
        case .costUnknown: "Nobody knows what the request costs there, and the workspace has a bound."
        case .tooSlow(let expected):
            "The answer was expected to take \(expected.words); the workspace's bound is "
                + "\((record.policy.mostLatency ?? .zero).words)."
        case .failing: "A check of its health had failed."
        case .breakerOpen: "It had failed too often, and was left alone for a time: its breaker was open."
        case .breakerProbing: "After failures its breaker let a single request through, and that one was under way."
        case .ejected: "It did far worse than the others of its service, and was taken out for a time."
        case .full(let limit):
            "It was answering \(record.signals[place].running) requests of its node; its limit is \(limit)."
        }
    }

    private static func elsewhere(_ region: String?, _ allowed: Set<String>) -> String {
        let wanted = "the workspace allows \(list(allowed))."
        return region.map { "It is in \($0); \(wanted)" } ?? "Nobody said where it is; \(wanted)"
    }

    static func list(_ words: some Sequence<String>) -> String { words.sorted().joined(separator: ", ") }
}

extension RoutingRecord {
    /// Why the first choice came before the others that could answer.
    fileprivate func reason(for place: Int) -> String {
        if order.count == 1 { return "It was the only one that could answer." }
        let (signal, terms) = (signals[place], targets[place].terms)
        let draw = facts.affinity == nil ? "drawn by weight" : "drawn by weight for this caller, who stays with it"
        switch policy.strategy {
        case .weighted: return "It was \(draw) (\(terms.weight)) among those that could answer."
        case .priority:
            return "Nobody that could answer has a smaller priority (\(terms.priority)); of equal ones it was \(draw)."
        case .cheapest: return "Nobody that could answer likely costs less; of equal ones it was \(draw)."
        case .slaPreferred:
            return "Of those that keep the first token that they promise, or else of all, nobody likely costs less; of "
                + "equal ones it was \(draw)."
        case .lowestLatency:
            let expected = signal.expected(facts).map { "its answer was expected in \($0.words)" }
            return "Of two drawn by weight it was the faster one: \(expected ?? "nothing was measured of it yet")."
        case .leastLoaded:
            let most = signal.limit.map { " of \($0)" } ?? ""
            return "Of two drawn by weight it was less busy: \(signal.running)\(most) requests of its node."
        }
    }
}

extension Duration {
    /// `1250 ms`.
    fileprivate var words: String { "\(microseconds / 1000) ms" }
}

extension RoutingSignal.Health {
    /// For programs.
    var code: String {
        switch self {
        case .good: "good"
        case .failing: "failing"
        case .open: "open"
        case .probing: "probing"
        case .ejected: "ejected"
        }
    }
}
