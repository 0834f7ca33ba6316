import Billing
import Kernel
import TestKit
import Testing

@Suite struct LocalCountersTests {
    private let contract = CountersContract("in process", isShared: false) { _ in
        let clock = ManualClock()
        return CountersContract.Cluster(
            nodes: [LocalCounters(clock: clock)], clock: clock, tidy: { _ in }, renew: { _ in })
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

    @Test("64 at once never run more than the limit, and leave all places free")
    func concurrency() async throws { try await contract.verifyConcurrency(tasks: 64) }

    @Test("places come back however a request ends: LiteLLM#20256")
    func placesComeBack() async throws { try await contract.verifyPlacesComeBack() }

    @Test("a place is taken exactly while something runs: LiteLLM#17323", arguments: [1, 2, 3] as [UInt64])
    func countsWhatRuns(seed: UInt64) async throws { try await contract.verifyCountsWhatRuns(seed: seed) }

    @Test("what is full and idle is not kept, and what is used is")
    func bounded() async throws {
        let clock = ManualClock()
        let counters = LocalCounters(clock: clock, most: 100)
        for number in 1...100 as ClosedRange<UInt64> {
            let answer = counters.take([limit(.requestsPerMinute, 60, number)], tokens: 0)
            guard case .taken = answer else {
                Issue.record("limit \(number) is refused: \(answer)")
                return
            }
        }
        #expect(counters.count == 100)
        #expect(counters.take([limit(.requestsPerMinute, 60, 101)], tokens: 0) == .unknown)
        await #expect(throws: Problem(.overloaded, retryAfter: 1)) {
            _ = try await counters.request([limit(.requestsPerMinute, 60, 101)], tokens: 0)
        }
        clock.advance(by: .seconds(2))
        let held = limit(.concurrency, 1, 500)
        // Each call looks at two.
        for _ in 0..<60 { _ = counters.take([limit(.requestsPerMinute, 60, 1)], tokens: 0) }
        #expect(counters.count < 5)
        guard case .taken(let ticket, _) = counters.take([held], tokens: 0) else {
            Issue.record("there is room again")
            return
        }
        clock.advance(by: .seconds(3600))
        for _ in 0..<60 { _ = counters.take([limit(.requestsPerMinute, 60, 1)], tokens: 0) }
        #expect(
            counters.take([held], tokens: 0)
                == .refused(
                    RateState(limit: held, remaining: 0, reset: .zero), retryAfter: nil))
        #expect(counters.running == 1)
        counters.end(ticket, tokens: nil)
        #expect(counters.running == 0)
    }

    @Test("what is asked for all the time is kept, and goes once nobody has asked for a second")
    func keptWhileAskedFor() {
        let clock = ManualClock()
        let counters = LocalCounters(clock: clock)
        // Full again at once.
        let limits = [limit(.requestsPerMinute, RateBucket.most)]
        for _ in 0..<3 {
            _ = counters.take(limits, tokens: 0)
            clock.advance(by: .milliseconds(900))
            _ = counters.take([limit(.requestsPerMinute, 1, 2)], tokens: 0)
            #expect(counters.count == 2)
        }
        clock.advance(by: .milliseconds(200))
        _ = counters.take([limit(.requestsPerMinute, 1, 2)], tokens: 0)
        #expect(counters.count == 1)
    }

    @Test("what comes back goes to its own limit, also where another one has taken its place")
    func ownPlace() {
        let clock = ManualClock()
        let counters = LocalCounters(clock: clock)
        let (gone, next, other) = (
            limit(.tokensPerMinute, 100, 1), limit(.tokensPerMinute, 100, 2), limit(.concurrency, 9, 3)
        )
        guard case .taken(let ticket, _) = counters.take([gone], tokens: 100) else {
            Issue.record("it is full at first")
            return
        }
        clock.advance(by: .seconds(3600))
        _ = counters.take([other], tokens: 0)
        #expect(counters.count == 1, "the first is dropped")
        guard case .taken = counters.take([next], tokens: 100) else {
            Issue.record("another has its own")
            return
        }
        counters.end(ticket, tokens: 0)
        guard case .refused = counters.take([next], tokens: 1) else {
            Issue.record("it got what belongs to another")
            return
        }
    }

    @Test("the longest wait is what a caller is told")
    func longestWait() {
        let counters = LocalCounters(clock: ManualClock())
        let limits = [limit(.requestsPerMinute, 60), limit(.requestsPerMinute, 1, 2), limit(.concurrency, 1, 3)]
        guard case .taken = counters.take(limits, tokens: 0) else {
            Issue.record("the first passes")
            return
        }
        guard case .refused(let state, let wait) = counters.take(limits, tokens: 0) else {
            Issue.record("the second is refused")
            return
        }
        #expect(state.limit == limits[1])
        #expect(wait == .seconds(60))
    }

    @Test("a jump of the wall clock changes nothing")
    func clockStep() {
        let clock = SteppingClock()
        let counters = LocalCounters(clock: clock)
        let limit = limit(.requestsPerMinute, 1)
        guard case .taken = counters.take([limit], tokens: 0) else {
            Issue.record("the first passes")
            return
        }
        for step in [86_400, -86_400 * 400] {
            clock.step(by: .seconds(step))
            guard case .refused(_, .seconds(60)) = counters.take([limit], tokens: 0) else {
                Issue.record("a step of \(step) s lets another through, or changes its time")
                return
            }
        }
    }
}

/// Its wall time jumps, its uptime stands still.
private final class SteppingClock: Clock {
    private let wall = Shared(Instant(microseconds: 1_795_248_000_000_000))

    var now: Instant { wall.value }
    var uptime: Duration { .seconds(100) }
    func sleep(for duration: Duration) async throws { try Task.checkCancellation() }
    func step(by duration: Duration) { wall.update { $0 = $0 + duration } }
}
