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
        let prepared = PreparedRouting(WorkspaceRouting(policy: policy))
        return decide(facts, among: targets, RoutingSignals(signals), by: prepared)
    }

    /// The same for who serves requests.
    package static func decide(
        _ facts: RoutingFacts, among targets: [RoutingTarget], _ signals: RoutingSignals, by prepared: PreparedRouting
    ) -> RoutingDecision {
        precondition(targets.count == signals.count)
        let decision = weigh(facts, among: targets, signals, by: prepared)
        // A cap is a wish, which some runtimes cut to what there is room for: it chooses, and refuses nothing.
        guard decision.order.isEmpty, facts.outputCap != nil else { return decision }
        var uncapped = facts
        uncapped.outputCap = nil
        return weigh(uncapped, among: targets, signals, by: prepared)
    }

    private static func weigh(
        _ facts: RoutingFacts, among targets: [RoutingTarget], _ signals: RoutingSignals, by prepared: PreparedRouting
    ) -> RoutingDecision {
        // Most models have one deployment, and there is nothing to compare.
        if targets.count == 1 {
            guard let obstacle = prepared.obstacle(facts, targets, signals, 0) else { return .only }
            return RoutingDecision(order: [], verdicts: [obstacle])
        }
        var verdicts: [RoutingVerdict] = []
        verdicts.reserveCapacity(targets.count)
        var able: [RoutingScore] = []
        able.reserveCapacity(targets.count)
        for place in targets.indices {
            let obstacle = prepared.obstacle(facts, targets, signals, place)
            verdicts.append(obstacle ?? .taken)
            if obstacle == nil { able.append(RoutingScore(place, targets[place], signals[place], facts)) }
        }
        prepared.routing.policy.strategy.sort(&able, facts)
        let order = able.map(\.place)
        for (rank, place) in order.enumerated() where rank > 0 { verdicts[place] = .fallback(rank) }
        return RoutingDecision(order: order, verdicts: verdicts)
    }

    /// The one candidate is taken.
    private static let only = RoutingDecision(order: [0], verdicts: [.taken])
}

extension PreparedRouting {
    /// Why the candidate is not asked; what the operator set first, how it does now last. A policy that bounds nothing
    /// is not looked at.
    fileprivate func obstacle(
        _ facts: RoutingFacts, _ targets: [RoutingTarget], _ signals: RoutingSignals, _ place: Int
    ) -> RoutingVerdict? {
        if let obstacle = facts.obstacle(targets, place) { return obstacle }
        if isBounded, let obstacle = routing.policy.obstacle(facts, targets[place], signals[place]) { return obstacle }
        return signals[place].obstacle
    }
}

extension RoutingFacts {
    /// What the candidate cannot do. It is looked at where it lies: a copy would count its words.
    fileprivate func obstacle(_ targets: [RoutingTarget], _ place: Int) -> RoutingVerdict? {
        guard targets[place].terms.isEnabled else { return .disabled }
        guard needBits & ~targets[place].capabilityBits == 0 else {
            return .cannot(needs.subtracting(targets[place].capabilities))
        }
        if let limit = targets[place].contextLimit {
            let (needed, overflow) = inputTokens.addingReportingOverflow(outputCap ?? 1)
            guard !overflow, needed <= limit else { return .contextTooSmall(limit: limit, needed: needed) }
        }
        return nil
    }
}

extension RoutingPolicy {
    /// What the workspace does not want.
    fileprivate func obstacle(
        _ facts: RoutingFacts, _ target: RoutingTarget, _ signal: RoutingSignal
    ) -> RoutingVerdict? {
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
        return nil
    }
}

extension RoutingSignal {
    /// Why it is not asked at the moment.
    fileprivate var obstacle: RoutingVerdict? {
        switch health {
        case .good: break
        case .failing: return .failing
        case .open: return .breakerOpen
        case .probing: return .breakerProbing
        case .ejected: return .ejected
        }
        if let limit, running >= limit { return .full(limit) }
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
