import TestKit

extension UsagePlan {
    /// Plans with something less in them, the boldest first.
    var simpler: [UsagePlan] {
        fewerClients + fewerRequests + fewerFaults + plainerRest + plainerClients
    }

    private func with(_ change: (inout UsagePlan) -> Void) -> UsagePlan? {
        var plan = self
        change(&plan)
        return plan == self ? nil : plan
    }

    private var fewerClients: [UsagePlan] {
        var plans: [UsagePlan?] = []
        if clients.count > 3 {
            plans.append(with { $0.clients.removeFirst(clients.count / 2) })
            plans.append(with { $0.clients.removeLast(clients.count / 2) })
        }
        if clients.count > 1 { plans += clients.indices.map { index in with { $0.clients.remove(at: index) } } }
        return plans.compactMap(\.self)
    }

    private var fewerRequests: [UsagePlan] {
        clients.indices.flatMap { client -> [UsagePlan?] in
            guard clients[client].requests.count > 1 else { return [] }
            return clients[client].requests.indices.map { index in
                with { $0.clients[client].requests.remove(at: index) }
            }
        }.compactMap(\.self)
    }

    private var fewerFaults: [UsagePlan] {
        var plans: [UsagePlan?] = crashes.indices.map { index in with { $0.crashes.remove(at: index) } }
        plans += databaseFaults.indices.map { index in with { $0.databaseFaults.remove(at: index) } }
        plans += diskFaults.indices.map { index in with { $0.diskFaults.remove(at: index) } }
        plans += cuts.indices.map { index in with { $0.cuts.remove(at: index) } }
        return plans.compactMap(\.self)
    }

    private var plainerRest: [UsagePlan] {
        [
            with { $0.network = .init() },
            with { $0.network.resets = 0 },
            with { $0.isStrict = false },
            with { $0.segmentBytes = 1 << 20 },
            with { $0.watermark = 65_536 },
        ].compactMap(\.self)
    }

    private var plainerClients: [UsagePlan] {
        clients.indices.flatMap { client -> [UsagePlan?] in
            var plans: [UsagePlan?] = [
                with { $0.clients[client].start = 0 },
                with { $0.clients[client].pace = 0 },
                with { $0.clients[client].mode = .alone },
            ]
            for index in clients[client].requests.indices {
                let change = { (change: (inout Request) -> Void) in
                    self.with { change(&$0.clients[client].requests[index]) }
                }
                plans += [
                    change { $0.leavesAfter = nil },
                    change { $0.asksAgain = false },
                    change { $0.delivery = .once },
                    change { $0.isBroken = false },
                    change { $0.promptBytes = 0 },
                    change { $0.model = .first },
                    change { $0.answer.end = .whole },
                    change { $0.answer.shorten(to: 1) },
                    change { $0.answer.shorten(to: max(1, $0.answer.tokens / 2)) },
                    change { $0.answer.gap = 0 },
                    change { $0.answer.delay = 0 },
                    change { $0.answer.tellsUsage = true },
                    change { $0.answer.saysDone = true },
                    change { $0.answer.keepsConnection = true },
                    change { $0.isStream = false },
                ]
            }
            return plans
        }.compactMap(\.self)
    }

    /// In words, a line each.
    var lines: [String] {
        var lines = [
            "\(isStrict ? "strict" : "group") journal, segments of \(segmentBytes) bytes, "
                + "delay \(network.delay) us, pieces of \(network.segment) bytes, window \(network.window), "
                + "resets \(network.resets), refusals \(network.refusals), silences \(network.silences)"
        ]
        for (index, client) in clients.enumerated() {
            lines.append("client\(index + 1) from \(client.start) ms, \(client.mode.rawValue), pace \(client.pace)")
            lines += client.requests.map { "  \($0.text)" }
        }
        lines += crashes.map {
            "crash \($0.kind.rawValue) at \($0.moment), \($0.place.rawValue) (\($0.share)/16), down \($0.downtime) ms"
        }
        lines += databaseFaults.map { "database \($0.kind.rawValue) from \($0.from) to \($0.until) ms" }
        lines += diskFaults.map { "disk \($0.kind.rawValue) from \($0.from) to \($0.until) ms" }
        lines += cuts.map { "\($0.between.rawValue) cut off from \($0.from) to \($0.until) ms" }
        return lines
    }
}

extension UsagePlan.Answer {
    fileprivate mutating func shorten(to count: Int) {
        tokens = count
        endsAfter = min(endsAfter, count)
    }
}

extension UsagePlan.Request {
    fileprivate var text: String {
        var words = ["#\(id) \(isStream ? "stream" : "whole") of \(answer.tokens) tokens from \(model.rawValue)"]
        words.append("after \(answer.delay) ms, gap \(answer.gap) ms")
        if answer.end != .whole { words.append("\(answer.end.rawValue) after \(answer.endsAfter)") }
        if !answer.tellsUsage { words.append("usage not told") }
        if !answer.saysDone { words.append("no [DONE]") }
        if isBroken { words.append("broken JSON") }
        switch delivery {
        case .once: break
        case .lost: words.append("lost at first")
        case .twice: words.append("delivered twice")
        }
        if asksAgain { words.append("sent again when it breaks") }
        if let leavesAfter { words.append("client leaves after \(leavesAfter) ms") }
        return words.joined(separator: ", ")
    }
}
