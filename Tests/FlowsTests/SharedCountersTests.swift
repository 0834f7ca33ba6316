import Billing
import Flows
import Kernel
import Logging
import TestKit
import Testing

@Suite struct SharedCountersTests {
    private let contract = CountersContract("shared in memory", isShared: true) { count in
        let clock = ManualClock()
        let store = MemoryRateStore(clock: clock)
        let nodes = (0..<count).map { node(UInt64($0), store, clock) }
        return CountersContract.Cluster(
            nodes: nodes, clock: clock, tidy: { try await nodes[$0].tell() }, renew: { try await nodes[$0].renew() })
    }

    private static func node(
        _ number: UInt64, _ store: any RateStore, _ clock: any Clock,
        _ settings: SharedCounters.Settings = SharedCounters.Settings()
    ) -> SharedCounters {
        SharedCounters(
            store, node: NodeID(ULID(high: 9, low: number)), clock: clock,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, settings: settings)
    }

    private func limit(_ quantity: RateLimit.Quantity, _ amount: Int64, _ number: UInt64 = 1) -> RateLimit {
        RateLimit(
            id: LimitID(ULID(high: 1, low: number)), subject: .key(KeyID(ULID(high: 1, low: 1))), model: nil,
            quantity: quantity, amount: amount)
    }

    @Test("a burst fills the limit, and then one passes whenever one more fits")
    func bursts() async throws { try await contract.verifyBursts() }

    @Test("all that refills can be used, and in no span more than the limit and what refilled")
    func steadyState() async throws { try await contract.verifySteadyState() }

    @Test("an estimate is corrected by what was really used")
    func correction() async throws { try await contract.verifyCorrection() }

    @Test("what never fits is refused for good")
    func neverFits() async throws { try await contract.verifyNeverFits() }

    @Test("a request that is refused for one limit uses up no other: LiteLLM#39309")
    func allOrNone() async throws { try await contract.verifyAllOrNone() }

    @Test("a limit that is changed keeps what was used of it")
    func changedAmount() async throws { try await contract.verifyChangedAmount() }

    @Test("the states are those of the tightest limits")
    func states() async throws { try await contract.verifyStates() }

    @Test("three nodes together keep the bound of one", arguments: Array(1...20) as [UInt64])
    func sharedRates(seed: UInt64) async throws { try await contract.verifySharedRates(seed: seed) }

    @Test("three nodes at once never let more through than the limit")
    func sharedBurst() async throws { try await contract.verifySharedBurst(tries: 600) }

    @Test("64 at once on three nodes never run more than the limit, and leave all places free")
    func concurrency() async throws { try await contract.verifyConcurrency(tasks: 64) }

    @Test("places come back however a request ends: LiteLLM#20256")
    func placesComeBack() async throws { try await contract.verifyPlacesComeBack() }

    @Test("a place is taken exactly while something runs: LiteLLM#17323", arguments: [1, 2, 3] as [UInt64])
    func countsWhatRuns(seed: UInt64) async throws { try await contract.verifyCountsWhatRuns(seed: seed) }

    @Test("a node that vanishes with places keeps them until its lease ends")
    func vanishes() async throws { try await contract.verifyVanishes() }

    @Test("a node that cannot renew stops before its lease ends")
    func stopsBeforeTheEnd() async throws { try await contract.verifyStopsBeforeTheEnd() }

    @Test("while the database is away, what is held is spent until it ends, and then requests are refused")
    func away() async throws {
        let clock = ManualClock()
        let store = MemoryRateStore(clock: clock)
        let counters = Self.node(1, store, clock)
        let limit = limit(.requestsPerMinute, 6000)
        // So that the next slice is one of several.
        for _ in 0..<20 {
            let answer = try await counters.request([limit], tokens: 1)
            guard case .taken = answer else {
                Issue.record("\(answer)")
                return
            }
        }
        store.fail(.away)
        var held = 0
        while case .taken = counters.take([limit], tokens: 1) { held += 1 }
        #expect(held > 0)
        await #expect(throws: Problem(.storageUnavailable, retryAfter: 1)) {
            _ = try await counters.request([limit], tokens: 1)
        }
        store.fail(.none)
        let answer = try await counters.request([limit], tokens: 1)
        guard case .taken = answer else {
            Issue.record("the database is back: \(answer)")
            return
        }
    }

    @Test("a slice is not spent after its time", arguments: [MemoryRateStore.Fault.away, .silent])
    func sliceEnds(fault: MemoryRateStore.Fault) async throws {
        let clock = ManualClock()
        let store = MemoryRateStore(clock: clock)
        let counters = Self.node(1, store, clock)
        let limit = limit(.tokensPerMinute, 6000)
        _ = try await counters.request([limit], tokens: 10)
        for _ in 0..<3 { _ = try await counters.request([limit], tokens: 10) }
        // Some are left over.
        store.fail(fault)
        await #expect(throws: Problem.self) { _ = try await counters.request([limit], tokens: 5000) }
        guard case .taken = counters.take([limit], tokens: 1) else {
            Issue.record("what was left is not spent on")
            return
        }
        clock.advance(by: SharedBucket.holding)
        #expect(counters.take([limit], tokens: 1) == .unknown)
    }

    @Test("many who need the same ask once, and whoever goes away holds nobody up")
    func oneQuestion() async throws {
        let clock = ManualClock()
        let gate = Gate()
        let store = MemoryRateStore(clock: clock, gate: gate)
        let counters = Self.node(1, store, clock)
        let limits = [limit(.requestsPerMinute, 6000), limit(.concurrency, 40, 2)]
        let passed = Shared(0)
        let first = Task { _ = try await counters.request(limits, tokens: 1) }
        try await eventually("the first asks") { gate.waiting == 1 }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    guard case .taken = try await counters.request(limits, tokens: 1) else { return }
                    passed.update { $0 += 1 }
                }
            }
            let leaver = Task { _ = try await counters.request(limits, tokens: 1) }
            leaver.cancel()
            await #expect(throws: CancellationError.self) { try await leaver.value }
            // The one that asks for all goes away, too.
            first.cancel()
            gate.open()
            await #expect(throws: CancellationError.self) { try await first.value }
            try await group.waitForAll()
        }
        #expect(passed.value == 20)
        #expect(store.calls <= 24, "\(store.calls) questions for 20 requests")
        #expect(counters.running == 20)
    }

    @Test("a bounded number waits, and a bounded number of limits is counted")
    func bounds() async throws {
        let clock = ManualClock()
        let gate = Gate()
        var settings = SharedCounters.Settings()
        settings.mostWaiting = 0
        settings.mostLimits = 1
        let counters = Self.node(1, MemoryRateStore(clock: clock, gate: gate), clock, settings)
        let first = Task { try await counters.request([limit(.requestsPerMinute, 10)], tokens: 1) }
        try await eventually("the first asks") { gate.waiting == 1 }
        for other in [limit(.requestsPerMinute, 10), limit(.requestsPerMinute, 10, 2)] {
            await #expect(throws: Problem(.overloaded, retryAfter: 1)) {
                _ = try await counters.request([other], tokens: 1)
            }
        }
        gate.open()
        guard case .taken = try await first.value else {
            Issue.record("the first passes")
            return
        }
        #expect(counters.count == 1)
        // What is idle is forgotten.
        for _ in 0..<4 {
            clock.advance(by: .seconds(3))
            try await counters.tell()
        }
        #expect(counters.count == 0)
    }

    @Test("a drained node leaves nothing behind")
    func drain() async throws {
        let clock = ManualClock()
        let store = MemoryRateStore(clock: clock)
        let counters = Self.node(1, store, clock)
        let (requests, places) = (limit(.requestsPerMinute, 600), limit(.concurrency, 10, 2))
        var tickets: [RateTicket] = []
        for _ in 0..<5 {
            guard case .taken(let ticket, _) = try await counters.request([requests, places], tokens: 1) else { break }
            tickets.append(ticket)
        }
        #expect(tickets.count == 5)
        for ticket in tickets { counters.end(ticket, tokens: 1) }
        try await counters.drain()
        #expect(store.places(of: places.id) == 0)
        #expect(store.bucket(requests.id)?.bucket.available == 595)
    }

    @Test("places whose return was not heard are given back later")
    func unheardReturn() async throws {
        let clock = ManualClock()
        let store = MemoryRateStore(clock: clock)
        let counters = Self.node(1, store, clock)
        let limit = limit(.concurrency, 10)
        guard case .taken(let ticket, _) = try await counters.request([limit], tokens: 0) else {
            Issue.record("the first passes")
            return
        }
        counters.end(ticket, tokens: nil)
        try await counters.tell()
        store.fail(.away)
        await #expect(throws: Problem.self) { try await counters.tell() }
        #expect(store.places(of: limit.id) > 0)
        store.fail(.none)
        try await counters.renew()
        try await counters.tell()
        #expect(store.places(of: limit.id) == 0)
    }

    @Test("places that were granted and not heard of are given back later")
    func unheardGrant() async throws {
        let clock = ManualClock()
        let store = MemoryRateStore(clock: clock)
        let counters = Self.node(1, store, clock)
        let limit = limit(.concurrency, 10)
        store.fail(.silent)
        await #expect(throws: Problem.self) { _ = try await counters.request([limit], tokens: 0) }
        #expect(store.places(of: limit.id) == 1)
        store.fail(.none)
        for _ in 0..<3 {
            clock.advance(by: .seconds(1))
            try await counters.tell()
            try await counters.renew()
        }
        #expect(store.places(of: limit.id) == 0)
    }

    @Test("what an earlier life held goes as soon as the database is back, and is not renewed for ever")
    func earlierLife() async throws {
        let clock = ManualClock()
        let store = MemoryRateStore(clock: clock)
        let limit = limit(.concurrency, 1)
        guard case .taken = try await Self.node(1, store, clock).request([limit], tokens: 0) else {
            Issue.record("the earlier life runs nothing")
            return
        }
        let counters = Self.node(1, store, clock)
        store.fail(.away)
        await #expect(throws: Problem.self) { try await counters.begin() }
        store.fail(.none)
        let task = Task { await counters.run() }
        for _ in 0..<12 {
            try await eventually("it sleeps") { clock.sleepers == 1 }
            clock.advance(by: .seconds(1))
        }
        try await eventually("it sleeps again") { clock.sleepers == 1 }
        #expect(store.places(of: limit.id) == 0)
        guard case .taken = try await counters.request([limit], tokens: 0) else {
            Issue.record("a place is stuck")
            return
        }
        task.cancel()
        await task.value
    }

    @Test("what runs in the background renews, tells and ends with its task")
    func background() async throws {
        let clock = ManualClock()
        let store = MemoryRateStore(clock: clock)
        let counters = Self.node(1, store, clock)
        let limit = limit(.concurrency, 10)
        guard case .taken = try await counters.request([limit], tokens: 0) else {
            Issue.record("the first passes")
            return
        }
        let task = Task { await counters.run() }
        for _ in 0..<60 {
            try await eventually("it sleeps") { clock.sleepers == 1 }
            clock.advance(by: .seconds(1))
        }
        try await eventually("it sleeps again") { clock.sleepers == 1 }
        #expect(store.places(of: limit.id) == 1)
        task.cancel()
        await task.value
    }

    @Test("who comes after the answer does not wait for it, and whoever waits hears of it, or why not")
    func landings() async throws {
        let landings = Landings(most: 10)
        let limit = limit(.requestsPerMinute, 1).id
        try await landings.wait(for: limit) { false }
        let waiting = Shared(0)
        for failure in [nil, Problem(.storageUnavailable)] {
            waiting.update { $0 = 0 }
            let waiter = Task {
                try await landings.wait(for: limit) {
                    waiting.update { $0 += 1 }
                    return true
                }
            }
            try await eventually("it waits") { waiting.value == 1 }
            landings.land([limit], failure)
            let result = await waiter.result
            switch (failure, result) {
            case (nil, .success): break
            case (let failure?, .failure(let error)): #expect(error as? Problem == failure)
            default: Issue.record("\(result) after \(String(describing: failure))")
            }
        }
    }
}
