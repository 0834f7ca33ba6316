import Kernel

/// Who answers, and who is asked next where nobody has answered yet.
package struct RoutingDecision: Sendable, Hashable {
    /// Places among the candidates, the first choice first. Empty where none can answer.
    package let order: [Int]
    /// For each candidate, in their order.
    package let verdicts: [RoutingVerdict]
}

/// What became of one candidate, and why.
package enum RoutingVerdict: Sendable, Hashable {
    /// The first choice.
    case taken
    /// A fallback, from 1.
    case fallback(Int)
    case disabled
    case cannot(Set<Capability>)
    /// Prompt and cap together do not fit.
    case contextTooSmall(limit: Int, needed: Int)
    /// Where it is; nil where its registration does not say.
    case elsewhere(String?)
    /// What it does not promise.
    case dataPolicy(Set<String>)
    case tooDear(Int64)
    /// What it costs is not known, and the policy has a bound.
    case costUnknown
    case tooSlow(Duration)
    case failing
    case breakerOpen
    case breakerProbing
    case ejected
    /// It does as much at once as it may.
    case full(Int)
}

extension RoutingDecision {
    /// Chooses among a model's deployments. Pure: the same inputs give the same decision, on whichever machine.
    /// - Parameter signals: one for each target, in their order.
    package static func decide(
        _ facts: RoutingFacts, among targets: [RoutingTarget], _ signals: [RoutingSignal], by policy: RoutingPolicy
    ) -> RoutingDecision {
        precondition(targets.count == signals.count)
        let decision = weigh(facts, among: targets, signals, by: policy)
        // A cap is a wish, which some runtimes cut to what there is room for: it chooses, and refuses nothing.
        guard decision.order.isEmpty, facts.outputCap != nil else { return decision }
        var uncapped = facts
        uncapped.outputCap = nil
        return weigh(uncapped, among: targets, signals, by: policy)
    }

    private static func weigh(
        _ facts: RoutingFacts, among targets: [RoutingTarget], _ signals: [RoutingSignal], by policy: RoutingPolicy
    ) -> RoutingDecision {
        // Most models have one deployment, and there is nothing to compare.
        if targets.count == 1 {
            guard let obstacle = policy.obstacle(facts, targets[0], signals[0]) else { return .only }
            return RoutingDecision(order: [], verdicts: [obstacle])
        }
        var verdicts: [RoutingVerdict] = []
        verdicts.reserveCapacity(targets.count)
        var able: [RoutingScore] = []
        able.reserveCapacity(targets.count)
        for place in targets.indices {
            let obstacle = policy.obstacle(facts, targets[place], signals[place])
            verdicts.append(obstacle ?? .taken)
            if obstacle == nil { able.append(RoutingScore(place, targets[place], signals[place], facts)) }
        }
        policy.strategy.sort(&able, facts)
        let order = able.map(\.place)
        for (rank, place) in order.enumerated() where rank > 0 { verdicts[place] = .fallback(rank) }
        return RoutingDecision(order: order, verdicts: verdicts)
    }

    /// The one candidate is taken.
    private static let only = RoutingDecision(order: [0], verdicts: [.taken])
}

extension RoutingPolicy {
    /// Why the candidate is not asked; what the operator set first, how it does now last.
    fileprivate func obstacle(
        _ facts: RoutingFacts, _ target: RoutingTarget, _ signal: RoutingSignal
    ) -> RoutingVerdict? {
        guard target.terms.isEnabled else { return .disabled }
        guard facts.needBits & ~target.capabilityBits == 0 else {
            return .cannot(facts.needs.subtracting(target.capabilities))
        }
        if let limit = target.contextLimit {
            let (needed, overflow) = facts.inputTokens.addingReportingOverflow(facts.outputCap ?? 1)
            guard !overflow, needed <= limit else { return .contextTooSmall(limit: limit, needed: needed) }
        }
        if !regions.isEmpty, !(target.terms.region.map(regions.contains) ?? false) {
            return .elsewhere(target.terms.region)
        }
        guard dataPolicies.isEmpty || dataPolicies.isSubset(of: target.terms.dataPolicies) else {
            return .dataPolicy(dataPolicies.subtracting(target.terms.dataPolicies))
        }
        if let mostCost {
            guard let cost = signal.cost else { return .costUnknown }
            guard cost <= mostCost else { return .tooDear(cost) }
        }
        // What was never measured may be fast; somebody must find out.
        if let mostLatency, let expected = signal.expected(facts), expected > mostLatency { return .tooSlow(expected) }
        switch signal.health {
        case .good: break
        case .failing: return .failing
        case .open: return .breakerOpen
        case .probing: return .breakerProbing
        case .ejected: return .ejected
        }
        if let limit = signal.limit, signal.running >= limit { return .full(limit) }
        return nil
    }
}

extension RoutingSignal {
    /// A time beyond all others, and small enough to be added to: a year.
    private static let longest: Int64 = 366 * 86_400 * 1_000_000

    /// How long the answer will take; nil while nothing was measured.
    package func expected(_ facts: RoutingFacts) -> Duration? {
        if firstToken == nil, perToken == nil { return nil }
        let (rest, overflow) = (perToken ?? .zero).microseconds
            .multipliedReportingOverflow(by: Int64(max(0, facts.likelyOutput - 1)))
        return (firstToken ?? .zero) + .microseconds(overflow ? Self.longest : min(rest, Self.longest))
    }
}
