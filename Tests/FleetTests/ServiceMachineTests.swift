import Fleet
import Kernel
import TestKit
import Testing

@Suite struct ServiceMachineTests {
    let clock = ManualClock()
    let random = SeededRandom(seed: 7)
    let policy = RestartPolicy(
        initial: .seconds(1), maximum: .seconds(60), stableAfter: .seconds(30), crashLoopAfter: 3)
    let endpoint = Endpoint(host: "127.0.0.1", port: 4711)

    private func machine() -> ServiceMachine { ServiceMachine(policy: policy, now: clock.now) }

    @discardableResult
    private func apply(_ events: ServiceMachine.Event..., to machine: inout ServiceMachine) -> ServiceMachine.Effect? {
        var last: ServiceMachine.Effect?
        for event in events { last = machine.apply(event, clock: clock, random: random) }
        return last
    }

    @Test("a service is fetched, prepared, started and ready, in this order")
    func wayToReady() {
        var machine = machine()
        #expect(apply(.start, to: &machine) == .fetch)
        #expect(machine.state.phase == .fetching)
        #expect(apply(.fetched, to: &machine) == .prepare)
        #expect(apply(.prepared, to: &machine) == .launch(attempt: 1))
        #expect(machine.state == .starting(attempt: 1))
        #expect(apply(.becameReady(endpoint), to: &machine) == nil)
        #expect(machine.state == .ready(endpoint))
        #expect(machine.restarts == 0)
    }

    @Test("waits double from the first to the cap, with jitter between half and the whole")
    func backoffDoubles() {
        for failures in 1...12 {
            let whole = min(60.0, Double(1 << (failures - 1)))
            for _ in 0..<200 {
                let wait = policy.wait(afterFailures: failures, random: random).seconds
                #expect(wait >= whole / 2 && wait <= whole, "\(failures) failures: \(wait) s")
            }
        }
        let waits = Set((0..<50).map { _ in policy.wait(afterFailures: 5, random: random) })
        #expect(waits.count > 10, "jitter spreads them")
    }

    @Test("fast exits become a visible crash loop, which is retried all the same")
    func crashLoop() throws {
        var machine = machine()
        apply(.start, .fetched, .prepared, to: &machine)
        for failure in 1...10 {
            let effect = apply(.ended(reason: "exit status 3"), to: &machine)
            guard case .wait(let wait) = effect else {
                Issue.record("no retry after failure \(failure)")
                return
            }
            #expect(wait <= policy.maximum)
            #expect(machine.state.phase == (failure >= 3 ? .crashLooping : .backingOff))
            #expect(machine.restarts == failure)
            guard case .backingOff(let backoff) = machine.state else { return }
            #expect(backoff.reason == "exit status 3")
            clock.advance(by: wait)
            #expect(apply(.backoffElapsed, to: &machine) == .fetch)
            #expect(apply(.fetched, .prepared, to: &machine) == .launch(attempt: failure + 1))
        }
    }

    @Test("a run that was ready for long enough clears the count of failures")
    func stableRunResets() {
        var machine = machine()
        apply(.start, .fetched, .prepared, to: &machine)
        for _ in 1...4 {
            apply(.ended(reason: "x"), .backoffElapsed, .fetched, .prepared, to: &machine)
        }
        apply(.becameReady(endpoint), to: &machine)
        clock.advance(by: .seconds(31))
        apply(.ended(reason: "x"), to: &machine)
        guard case .backingOff(let backoff) = machine.state else {
            Issue.record("\(machine.state)")
            return
        }
        #expect(backoff.failures == 1)
        #expect(!backoff.isCrashLoop)
    }

    @Test("a run that was ready only shortly counts as one more failure")
    func shortRunCounts() {
        var machine = machine()
        apply(.start, .fetched, .prepared, to: &machine)
        for _ in 1...2 { apply(.ended(reason: "x"), .backoffElapsed, .fetched, .prepared, to: &machine) }
        apply(.becameReady(endpoint), to: &machine)
        clock.advance(by: .seconds(29))
        apply(.ended(reason: "x"), to: &machine)
        #expect(machine.state.phase == .crashLooping)
    }

    /// The events that lead to each state, and the phase after a stop there.
    static let stops: [([ServiceMachine.Event], ServiceState.Phase)] = [
        ([], .stopped),
        ([.start], .stopped),
        ([.start, .fetched], .stopped),
        ([.start, .fetched, .prepared], .stopping),
        ([.start, .fetched, .prepared, .becameReady(Endpoint(host: "127.0.0.1", port: 1))], .stopping),
        ([.start, .fetched, .prepared, .ended(reason: "x")], .stopped),
        ([.start, .couldNot(Problem(.checksumMismatch), isRetryable: false)], .stopped),
        ([.start, .fetched, .prepared, .stop], .stopping),
    ]

    @Test("a stop ends every state, and the end of a process leaves it stopped", arguments: stops)
    func stop(events: [ServiceMachine.Event], expected: ServiceState.Phase) {
        var machine = machine()
        for event in events { apply(event, to: &machine) }
        #expect(apply(.stop, to: &machine) == nil)
        #expect(machine.state.phase == expected)
        apply(.ended(reason: "stopped"), to: &machine)
        #expect(machine.state.phase == .stopped)
        #expect(apply(.start, to: &machine) == .fetch, "it can be started again")
    }

    @Test("events that come too late change nothing")
    func lateEvents() {
        var machine = machine()
        apply(.start, .stop, to: &machine)
        let late: [ServiceMachine.Event] = [
            .fetchProgressed(FetchProgress(file: "f", source: "s", done: 1, total: 2, bytesPerSecond: 1)), .fetched,
            .prepared, .becameReady(endpoint), .ended(reason: "x"), .backoffElapsed,
            .couldNot(Problem(.downloadFailed), isRetryable: true),
        ]
        for event in late {
            #expect(apply(event, to: &machine) == nil)
            #expect(machine.state == .stopped)
        }
        #expect(machine.restarts == 0)
    }

    @Test("what time may mend is retried, what it cannot is failed and can be started anew")
    func fetchFailures() {
        var machine = machine()
        apply(.start, to: &machine)
        guard case .wait = apply(.couldNot(Problem(.downloadFailed), isRetryable: true), to: &machine) else {
            Issue.record("a download that failed is tried again")
            return
        }
        #expect(machine.restarts == 0, "no process ended")
        apply(.backoffElapsed, to: &machine)
        #expect(apply(.couldNot(Problem(.checksumMismatch), isRetryable: false), to: &machine) == nil)
        #expect(machine.state == .failed(Problem(.checksumMismatch)))
        #expect(apply(.start, to: &machine) == .fetch)
    }

    @Test("progress says how long it will still take, and not when nothing moves")
    func eta() {
        let moving = FetchProgress(file: "f", source: "s", done: 40, total: 100, bytesPerSecond: 20)
        #expect(moving.eta == 3)
        #expect(FetchProgress(file: "f", source: "s", done: 40, total: 100, bytesPerSecond: 0).eta == nil)
        #expect(FetchProgress(file: "f", source: "s", done: 40, total: nil, bytesPerSecond: 9).eta == nil)
    }
}
