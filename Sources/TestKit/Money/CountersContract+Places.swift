import Billing
import Kernel
import Synchronization

extension CountersContract {
    /// Never more at once than the limit, and all places are free afterwards.
    package func verifyConcurrency(tasks: Int) async throws {
        let cluster = try await open(isShared ? 3 : 1)
        let limit = cluster.limit(.concurrency, 5)
        let (running, most, passed) = (Shared(0), Shared(0), Shared(0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<tasks {
                let node = number % cluster.nodes.count
                group.addTask {
                    for _ in 0..<20 {
                        guard let ticket = try await cluster.ticket([limit], on: node) else {
                            await Task.yield()
                            continue
                        }
                        running.update { $0 += 1 }
                        let now = running.value
                        most.update { $0 = max($0, now) }
                        passed.update { $0 += 1 }
                        await Task.yield()
                        running.update { $0 -= 1 }
                        cluster.nodes[node].end(ticket, tokens: 0)
                    }
                }
            }
            try await group.waitForAll()
        }
        try expect(most.value <= 5, "\(most.value) ran at once within a limit of 5")
        try expect(passed.value > 0, "nobody ran")
        try await cluster.free(limit, 5, self)
    }

    /// LiteLLM#20256: requests that failed, timed out or were cut off did not give their place back, and after as many
    /// as the limit the key was refused for ever.
    package func verifyPlacesComeBack() async throws {
        let cluster = try await open()
        let limits = [cluster.limit(.concurrency, 3), cluster.limit(.requestsPerMinute, 1_000_000)]
        for round in 0..<200 {
            guard let ticket = try await cluster.ticket(limits) else {
                throw Breach(description: "refused in round \(round), with nothing running")
            }
            // Nothing was called; it failed; it ended well.
            let used: Int64? = [nil, 0, 7][round % 3]
            cluster.nodes[0].end(ticket, tokens: used)
            if round.isMultiple(of: 10) {
                cluster.clock.advance(by: .seconds(1))
                try await cluster.tidyAll()
            }
        }
        try await cluster.free(limits[0], 3, self)
    }

    /// LiteLLM#17323: a counter that was kept apart from what runs stayed up, or went below nothing.
    package func verifyCountsWhatRuns(seed: UInt64) async throws {
        let cluster = try await open()
        let limit = cluster.limit(.concurrency, 4)
        let random = SeededRandom(seed: seed)
        var running: [RateTicket] = []
        for step in 0..<500 {
            if random.next(below: 2) == 0 {
                let ticket = try await cluster.ticket([limit])
                try expect(
                    (ticket != nil) == (running.count < 4),
                    "seed \(seed), step \(step): \(running.count) of 4 run, one more is let through: \(ticket != nil)"
                )
                if let ticket { running.append(ticket) }
            } else if !running.isEmpty {
                let ticket = running.remove(at: Int(random.next(below: UInt64(running.count))))
                cluster.nodes[0].end(ticket, tokens: nil)
            }
            if random.next(below: 10) == 0 {
                cluster.clock.advance(by: .milliseconds(Int64(random.next(below: 9000))))
                try await cluster.renewAll()
                try await cluster.tidyAll()
            }
        }
    }

    /// A node that vanishes with places keeps them until its lease ends, and not a moment longer.
    package func verifyVanishes() async throws {
        let cluster = try await open(2)
        let limit = cluster.limit(.concurrency, 4)
        var running: [RateTicket] = []
        for _ in 0..<4 {
            guard let ticket = try await cluster.ticket([limit], on: 0) else {
                throw Breach(description: "the first node does not get all places")
            }
            running.append(ticket)
        }
        try expect(try await cluster.ticket([limit], on: 1) == nil, "a fifth runs beside four")
        // Long requests keep their places: the node renews.
        for _ in 0..<6 {
            cluster.clock.advance(by: .seconds(10))
            try await cluster.renewAll()
            try await cluster.tidyAll()
        }
        try expect(try await cluster.ticket([limit], on: 1) == nil, "places of running requests are given away")
        cluster.clock.advance(by: .seconds(29))
        try expect(try await cluster.ticket([limit], on: 1) == nil, "places are given away before the lease ends")
        cluster.clock.advance(by: .seconds(2))
        try expect(try await cluster.passing(6, [limit], on: 1) == 4, "they come back with the end of the lease")
        // The first was only cut off: what it held is gone, and it lets nobody in.
        try await cluster.renew(0)
        for ticket in running { cluster.nodes[0].end(ticket, tokens: 0) }
        try expect(try await cluster.ticket([limit], on: 0) == nil, "a node admits by a lease that has ended")
    }

    /// A node cannot renew: it stops before its lease ends.
    package func verifyStopsBeforeTheEnd() async throws {
        let cluster = try await open(2)
        let limit = cluster.limit(.concurrency, 2)
        guard let ticket = try await cluster.ticket([limit], on: 0) else {
            throw Breach(description: "the first does not pass")
        }
        cluster.nodes[0].end(ticket, tokens: 0)
        guard case .taken(let again, _) = cluster.nodes[0].take([limit], tokens: 0) else {
            throw Breach(description: "a place that came back is not used from memory")
        }
        cluster.nodes[0].end(again, tokens: 0)
        cluster.clock.advance(by: .seconds(26))
        if case .taken = cluster.nodes[0].take([limit], tokens: 0) {
            throw Breach(description: "a place is used from memory after the lease, less its margin")
        }
    }
}

extension CountersContract.Cluster {
    /// All places can be taken, on any node, once what others hold unused has come back.
    fileprivate func free(_ limit: RateLimit, _ count: Int, _ contract: CountersContract) async throws {
        for _ in 0..<3 {
            clock.advance(by: .milliseconds(1100))
            try await tidyAll()
        }
        let passed = try await passing(count + 2, [limit], on: nodes.count - 1)
        try contract.expect(passed == count, "\(passed) of \(count) places are free though nothing runs")
    }
}
