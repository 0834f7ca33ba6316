import TestKit

extension MoneyPlan {
    /// Plans with something less in them, the boldest first.
    var simpler: [MoneyPlan] { fewerRequests + fewerFaults + fewerRules + plainerRest + plainerRequests }

    private func with(_ change: (inout MoneyPlan) -> Void) -> MoneyPlan? {
        var plan = self
        change(&plan)
        return plan == self ? nil : plan
    }

    private var fewerRequests: [MoneyPlan] {
        var plans: [MoneyPlan?] = []
        if requests.count > 3 {
            plans.append(with { $0.requests.removeFirst(requests.count / 2) })
            plans.append(with { $0.requests.removeLast(requests.count / 2) })
        }
        if requests.count > 1 { plans += requests.indices.map { index in with { $0.requests.remove(at: index) } } }
        return plans.compactMap(\.self)
    }

    private var fewerFaults: [MoneyPlan] {
        var plans: [MoneyPlan?] = crashes.indices.map { index in with { $0.crashes.remove(at: index) } }
        plans += faults.indices.map { index in with { $0.faults.remove(at: index) } }
        plans += serverCrashes.indices.map { index in with { $0.serverCrashes.remove(at: index) } }
        plans += steps.indices.map { index in with { $0.steps.remove(at: index) } }
        plans += drains.indices.map { index in with { $0.drains.remove(at: index) } }
        return plans.compactMap(\.self)
    }

    private var fewerRules: [MoneyPlan] {
        var plans: [MoneyPlan?] = bounds.indices.map { index in with { $0.bounds.remove(at: index) } }
        plans += limits.indices.map { index in with { $0.limits.remove(at: index) } }
        for place in places.indices {
            plans += places[place].grants.indices.map { index in with { $0.places[place].grants.remove(at: index) } }
            plans.append(with { $0.places[place].wallet = .none })
        }
        return plans.compactMap(\.self)
    }

    private var plainerRest: [MoneyPlan] {
        var plans: [MoneyPlan?] = [
            with { $0.changeover = nil },
            with { $0.hourEnds = 1_000_000 },
            with { $0.isStrict = false },
            with { $0.segmentBytes = 1 << 20 },
            withoutLastNode,
        ]
        plans += nodes.indices.map { index in with { $0.nodes[index] = Node() } }
        return plans.compactMap(\.self)
    }

    /// What was the last node's becomes the one's before it.
    private var withoutLastNode: MoneyPlan? {
        guard nodes.count > 1 else { return nil }
        return with { plan in
            plan.nodes.removeLast()
            let last = plan.nodes.count - 1
            for index in plan.requests.indices { plan.requests[index].node = min(last, plan.requests[index].node) }
            for index in plan.crashes.indices { plan.crashes[index].node = min(last, plan.crashes[index].node) }
            for index in plan.faults.indices { plan.faults[index].node = min(last, plan.faults[index].node) }
            for index in plan.steps.indices { plan.steps[index].node = min(last, plan.steps[index].node) }
            for index in plan.drains.indices { plan.drains[index].node = min(last, plan.drains[index].node) }
        }
    }

    private var plainerRequests: [MoneyPlan] {
        requests.indices.flatMap { index -> [MoneyPlan?] in
            let change = { (change: (inout Request) -> Void) in self.with { change(&$0.requests[index]) } }
            return [
                change { $0.end = .whole },
                change { $0.patience = nil },
                change { $0.node = 0 },
                change { $0.place = 0 },
                change { $0.model = .first },
                change { $0.cached = 0 },
                change { $0.reasoning = 0 },
                change { $0.output = min($0.output, $0.cap) },
                change { $0.duration = 0 },
            ]
        }.compactMap(\.self)
    }

    /// In words, a line each.
    var lines: [String] {
        var lines = ["\(isStrict ? "strict" : "group") journal, segments of \(segmentBytes) bytes"]
        lines.append(
            "prices of 1000 tokens \(prices), the second book from \(changeover.map { "\($0) ms" } ?? "never")")
        if hourEnds < 1_000_000 { lines.append("an hour ends at \(hourEnds) ms") }
        lines += nodes.enumerated().map { "node\($0): clock ahead by \($1.offset) ms, drift \($1.drift) ppm" }
        for (index, place) in places.enumerated() {
            lines.append("place\(index): \(place.wallet == .none ? "no wallet" : place.wallet.rawValue)")
            lines += place.grants.map {
                "  credit \($0.amount), priority \($0.priority), ends \($0.ends.map { "at \($0) ms" } ?? "never")"
            }
        }
        lines += bounds.map {
            "\($0.isHard ? "hard" : "soft") budget of \($0.amount) \($0.counted.rawValue), \($0.period.rawValue), "
                + ($0.place.map { "place\($0)" } ?? "all places")
        }
        lines += limits.map { "limit of \($0.amount) \($0.quantity.rawValue) on place\($0.place)" }
        lines += requests.map(\.text)
        return lines + faultLines
    }

    private var faultLines: [String] {
        var lines = crashes.map { crash in
            "crash \(crash.kind.rawValue) of node\(crash.node) at \(crash.moment), \(crash.place.rawValue) "
                + "(\(crash.share)/16), \(crash.downtime.map { "down \($0) ms" } ?? "lost for good")"
        }
        lines += faults.map { "database \($0.kind.rawValue) for node\($0.node) from \($0.from) to \($0.until) ms" }
        lines += serverCrashes.map {
            "crash \($0.kind.rawValue) of the database at \($0.at) ms, down \($0.downtime) ms"
        }
        lines += steps.map { "the clock of node\($0.node) is set by \($0.seconds) s at \($0.at) ms" }
        lines += drains.map { "node\($0.node) is stopped at \($0.at) ms for \($0.downtime) ms" }
        return lines
    }
}

extension MoneyPlan.Request {
    fileprivate var text: String {
        var words = ["#\(id) at \(at) ms to node\(node) for place\(place), model \(model.rawValue)"]
        words.append("\(prompt) and at most \(cap) tokens, really \(output)")
        if cached > 0 { words.append("\(cached) cached") }
        if reasoning > 0 { words.append("\(reasoning) thought") }
        words.append("takes \(duration) ms")
        if end != .whole { words.append(end.rawValue) }
        if let patience { words.append("waits at most \(patience) ms") }
        return words.joined(separator: ", ")
    }
}
