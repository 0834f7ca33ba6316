import Billing
import Kernel

extension CountersContract {
    /// A burst fills the limit, and then one passes whenever one more fits.
    package func verifyBursts() async throws {
        let cluster = try await open()
        let limit = cluster.limit(.requestsPerMinute, 10)
        try expect(try await cluster.passing(10, [limit]) == 10, "a burst of the limit passes")
        guard case .refused(let state, let wait) = try await cluster.take([limit]) else {
            throw Breach(description: "one more than the limit passes")
        }
        try expect(wait == .seconds(6), "the next fits after 6 s, not \(wait.map { "\($0)" } ?? "nothing")")
        try expect(state.limit == limit && state.remaining == 0, "the state names the limit")
        cluster.clock.advance(by: .seconds(6))
        try expect(try await cluster.passing(3, [limit]) == 1, "after that time exactly one passes")
        cluster.clock.advance(by: .seconds(3600))
        try expect(try await cluster.passing(30, [limit]) == 10, "an hour does not save up more than the limit")
    }

    /// Over many minutes all that refills can be used, and in no span more than its bound.
    package func verifySteadyState() async throws {
        let cluster = try await open()
        let limit = cluster.limit(.requestsPerMinute, 30)
        var passed = 0
        for second in 1...600 {
            cluster.clock.advance(by: .seconds(1))
            passed += try await cluster.passing(2, [limit])
            try await cluster.tidyAll()
            let bound = 30 + second / 2
            try expect(passed <= bound, "\(passed) passed within \(second) s; the bound is \(bound)")
        }
        try expect(passed >= 300, "\(passed) of 300 that refilled were used")
    }

    /// What was estimated too high comes back, too low is paid back, and nothing is owed beyond one limit.
    package func verifyCorrection() async throws {
        let cluster = try await open()
        let limit = cluster.limit(.tokensPerMinute, 6000)
        guard let first = try await cluster.ticket([limit], tokens: 5000) else {
            throw Breach(description: "5000 of 6000 do not fit")
        }
        try expect(try await cluster.ticket([limit], tokens: 5000) == nil, "another 5000 fit beside them")
        cluster.nodes[0].end(first, tokens: 500)
        try await cluster.tidyAll()
        guard let second = try await cluster.ticket([limit], tokens: 5000) else {
            throw Breach(description: "4500 did not come back")
        }
        cluster.nodes[0].end(second, tokens: nil)
        try await cluster.tidyAll()
        guard let third = try await cluster.ticket([limit], tokens: 5500) else {
            throw Breach(description: "what called nothing did not come back as a whole")
        }
        cluster.nodes[0].end(third, tokens: 1_000_000)
        try await cluster.tidyAll()
        guard case .refused(_, let wait) = try await cluster.take([limit], tokens: 1) else {
            throw Breach(description: "a limit that is overdrawn lets more through")
        }
        try expect(wait == .seconds(61), "it owes one limit at most: \(wait.map { "\($0)" } ?? "no wait")")
        cluster.clock.advance(by: .seconds(61))
        try expect(try await cluster.ticket([limit], tokens: 50) != nil, "and it is paid back in a minute")
    }

    /// More tokens than the limit ever has are refused for good, and take nothing.
    package func verifyNeverFits() async throws {
        let cluster = try await open()
        let limit = cluster.limit(.tokensPerMinute, 100)
        guard case .refused(_, nil) = try await cluster.take([limit], tokens: 101) else {
            throw Breach(description: "more than there ever is should be refused without a time")
        }
        try expect(try await cluster.ticket([limit], tokens: 100) != nil, "the refusal took nothing")
        let closed = cluster.limit(.requestsPerMinute, 0, id: 2)
        guard case .refused(_, nil) = try await cluster.take([closed]) else {
            throw Breach(description: "a limit of nothing lets something through")
        }
    }

    /// A request takes from every limit or from none. LiteLLM#39309: refused for concurrency, it used up the minute.
    package func verifyAllOrNone() async throws {
        let cluster = try await open()
        let requests = cluster.limit(.requestsPerMinute, 2)
        let tokens = cluster.limit(.tokensPerMinute, 100)
        let places = cluster.limit(.concurrency, 1)
        let all = [requests, tokens, places]
        guard let running = try await cluster.ticket(all, tokens: 10) else {
            throw Breach(description: "the first does not pass")
        }
        for _ in 0..<5 {
            guard case .refused(let state, nil) = try await cluster.take(all, tokens: 10) else {
                throw Breach(description: "a second runs beside the first")
            }
            try expect(state.limit == places, "the limit that binds is named")
        }
        cluster.nodes[0].end(running, tokens: 10)
        try await cluster.tidyAll()
        try expect(try await cluster.ticket(all, tokens: 1000) == nil, "too many tokens pass")
        try expect(try await cluster.ticket(all, tokens: 90) != nil, "a refusal used up a limit that had room")
    }

    /// A limit that is changed keeps what was used of it.
    package func verifyChangedAmount() async throws {
        let cluster = try await open()
        try expect(
            try await cluster.passing(10, [cluster.limit(.requestsPerMinute, 10)]) == 10, "a burst passes")
        let raised = cluster.limit(.requestsPerMinute, 12)
        cluster.clock.advance(by: .seconds(1))
        try await cluster.tidyAll()
        try expect(try await cluster.passing(5, [raised]) == 2, "only what was added is there")
        let lowered = cluster.limit(.requestsPerMinute, 3)
        cluster.clock.advance(by: .seconds(2))
        try await cluster.tidyAll()
        try expect(try await cluster.passing(5, [lowered]) == 0, "what was used stays used")
    }

    /// The states are those of the tightest limit of requests and of tokens, and run full in the time that they say.
    package func verifyStates() async throws {
        let cluster = try await open()
        let wide = cluster.limit(.requestsPerMinute, 100)
        let narrow = cluster.limit(.requestsPerMinute, 60, id: 2)
        let tokens = cluster.limit(.tokensPerMinute, 6000)
        let limits = [wide, narrow, cluster.limit(.concurrency, 5), tokens]
        guard case .taken(_, let states) = try await cluster.take(limits, tokens: 600) else {
            throw Breach(description: "the first does not pass")
        }
        let expected = [
            RateState(limit: narrow, remaining: 59, reset: .seconds(1)),
            RateState(limit: tokens, remaining: 5400, reset: .seconds(6)),
        ]
        try expect(states == expected, "\(states) is not \(expected)")
    }

    /// Several nodes together, whoever asks and however they take turns.
    package func verifySharedRates(seed: UInt64) async throws {
        let cluster = try await open(3)
        let limit = cluster.limit(.tokensPerMinute, 600)
        let random = SeededRandom(seed: seed)
        var spent: [(at: Int, tokens: Int64)] = []
        for second in 0..<180 {
            let calls = (0..<Int(random.next(below: 6))).map { _ in
                (node: Int(random.next(below: 3)), tokens: Int64(1 + random.next(below: 40)))
            }
            for call in calls where try await cluster.ticket([limit], tokens: call.tokens, on: call.node) != nil {
                spent.append((second, call.tokens))
            }
            // One that is late with what it does in the background.
            let late = Int(random.next(below: 4))
            for node in cluster.nodes.indices where node != late { try await cluster.tidy(node) }
            cluster.clock.advance(by: .seconds(1))
        }
        for first in 0..<180 {
            var sum: Int64 = 0
            for second in first..<180 {
                for entry in spent where entry.at == second { sum += entry.tokens }
                let bound = Int64(600 + 10 * (second - first))
                try expect(sum <= bound, "seed \(seed): \(sum) tokens in seconds \(first) to \(second), over \(bound)")
            }
        }
        let sum = spent.reduce(0) { $0 + $1.tokens }
        try expect(sum >= 1800, "seed \(seed): only \(sum) of 2400 tokens could be used")
    }

    /// All nodes at once, from many tasks.
    package func verifySharedBurst(tries: Int) async throws {
        let cluster = try await open(3)
        let limit = cluster.limit(.requestsPerMinute, 100)
        let passed = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<tries {
                group.addTask { try await cluster.ticket([limit], on: number % 3) != nil ? 1 : 0 }
            }
            return try await group.reduce(0, +)
        }
        try expect(passed <= 100, "\(passed) passed of a limit of 100")
        // What other nodes hold unused comes back.
        var last = passed
        for _ in 0..<4 {
            cluster.clock.advance(by: .milliseconds(1100))
            try await cluster.tidyAll()
        }
        last += try await cluster.passing(200, [limit], on: 1)
        try expect(last >= 100 && last <= 108, "\(last) passed within 4.4 s of a limit of 100")
    }
}
