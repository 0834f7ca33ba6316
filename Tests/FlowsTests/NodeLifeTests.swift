import Billing
import Flows
import Inference
import Kernel
import TestKit
import Testing

@Suite("A node's right to spend")
struct NodeLifeTests {
    /// A clock whose wall time somebody has set to something else.
    private struct SteppedClock: Clock {
        let clock: ManualClock
        let step: Shared<Duration>
        var now: Instant { clock.now + step.value }
        var uptime: Duration { clock.uptime }
        func sleep(for duration: Duration) async throws { try await clock.sleep(for: duration) }
    }

    @Test("a node that cannot renew stops before its right ends, while requests that nothing guards go on")
    func stopsWithoutRenewal() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 1000, tag: "walled")])
        try await harness.keeper.begin()
        let walled = harness.request(10, tags: ["walled"])
        _ = try await harness.ask(walled).ticket.end(nil)
        harness.ledger.isAway = true
        harness.clock.advance(by: .milliseconds(24_990))
        _ = try harness.flow.admit(walled).ticket.end(nil)
        harness.clock.advance(by: .milliseconds(10))
        #expect(harness.flow.admit(walled).isUndecided)
        let answer = try await harness.passing { try await harness.flow.wait(walled) }
        #expect(answer.problem?.code == .storageUnavailable)
        _ = try harness.flow.admit(harness.request(10)).ticket
    }

    @Test("a renewal in time lets it go on, counted from before it asked")
    func renewal() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 1000)])
        try await harness.keeper.begin()
        _ = try await harness.admitted(10).end(nil)
        harness.clock.advance(by: .seconds(20))
        try await harness.keeper.renew(try #require(harness.life.holder))
        harness.clock.advance(by: .seconds(24))
        _ = try harness.flow.admit(harness.request(10)).ticket.end(nil)
        harness.clock.advance(by: .seconds(1))
        #expect(harness.flow.admit(harness.request(10)).isUndecided)
    }

    @Test("cut off from the ledger, a node spends its slice and no more")
    func partition() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 800)])
        try await harness.keeper.begin()
        try await harness.finish(harness.admitted(100), 100)
        _ = try await harness.admitted(50).end(nil)
        harness.ledger.isAway = true
        let free = try #require(harness.life.holdings[harness.account(1)]?.free)
        #expect(free > 0 && free <= 88)
        let last = try await harness.admitted(free)
        #expect(try await harness.ask(harness.request(10)).problem?.code == .storageUnavailable)
        harness.ledger.isAway = false
        try await harness.finish(last, Int(free))
        _ = try await harness.admitted(10)
        #expect(harness.ledger.isSound)
    }

    @Test("a step of the node's wall clock changes nothing", arguments: [-86_400, 3600, 86_400 * 400])
    func clockStep(seconds: Int) async throws {
        let clock = ManualClock()
        let step = Shared(Duration.zero)
        let harness = try SpendingHarness(clock: clock, reading: SteppedClock(clock: clock, step: step))
        let ends = clock.now + .seconds(20)
        harness.set(budgets: [harness.budget(1, 1000, ends: ends)], until: ends)
        try await harness.keeper.begin()
        _ = try await harness.admitted(10).end(nil)
        step.update { $0 = .seconds(seconds) }
        clock.advance(by: .milliseconds(19_990))
        _ = try harness.flow.admit(harness.request(10)).ticket.end(nil)
        clock.advance(by: .milliseconds(10))
        #expect(harness.flow.admit(harness.request(10)).isUndecided)
    }

    @Test("at a period's end the new one's account is used, and what is left of the old slice goes back")
    func periodBoundary() async throws {
        let harness = try SpendingHarness()
        let ends = harness.clock.now + .seconds(5)
        harness.set(budgets: [harness.budget(1, 800, ends: ends)], until: ends)
        try await harness.keeper.begin()
        let old = try await harness.admitted(100)
        harness.clock.advance(by: .milliseconds(4999))
        harness.set(budgets: [harness.budget(2, 800)])
        _ = try harness.flow.admit(harness.request(0)).ticket
        harness.clock.advance(by: .milliseconds(1))
        let new = try await harness.admitted(100)
        #expect(new.hold.parts.map(\.account) == [harness.account(2)])
        // What began before the end is settled where it began.
        try await harness.finish(old, 60)
        try await harness.keeper.lookAtSlices()
        #expect(harness.ledger.sums(of: harness.account(1)) == AccountSums(debits: 60, credits: 0, pending: 0))
        #expect(harness.ledger.sums(of: harness.account(2)).pending >= 100)
    }

    @Test("a node that was fenced drops what it held, begins anew, and an old request changes nothing")
    func fenced() async throws {
        let settled = Shared(false)
        let harness = try SpendingHarness(isSettled: { _ in settled.value })
        harness.set(budgets: [harness.budget(1, 800)])
        try await harness.keeper.begin()
        let old = try await harness.admitted(100)
        let holder = try #require(harness.life.holder)
        _ = try await harness.ledger.begin(holder.node, lasting: .seconds(30))
        try await harness.keeper.renew(holder)
        #expect(harness.life.holder == nil && harness.life.holdings.isEmpty)
        try await harness.keeper.begin()
        let new = try await harness.admitted(100)
        #expect(new.hold.parts[0].escrow != old.hold.parts[0].escrow)
        let before = harness.life.holdings
        try await harness.finish(old, 70)
        #expect(harness.life.holdings == before)
        #expect(harness.ledger.late == 0 && harness.ledger.isSound)
    }

    @Test("a take that nobody heard the end of is asked again, and nothing leaks", arguments: [0, 1])
    func doubtfulTake(kind: Int) async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 800)])
        try await harness.keeper.begin()
        try await harness.keeper.lookAtRules()
        _ = try await harness.admitted(0).end(nil)
        harness.ledger.fail(kind == 0 ? .before : .after)
        #expect(try await harness.ask(harness.request(100)).problem?.code == .storageUnavailable)
        let ticket = try await harness.admitted(100)
        _ = ticket.end(nil)
        harness.clock.advance(by: .seconds(11))
        try await harness.keeper.lookAtSlices()
        #expect(harness.ledger.sums(of: harness.account(1)) == AccountSums())
    }

    @Test("a slice that nobody heard of goes back, also when nobody asks for more of it")
    func forgottenTake() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 800)])
        try await harness.keeper.begin()
        try await harness.keeper.lookAtRules()
        _ = try await harness.admitted(0).end(nil)
        harness.ledger.fail(.after)
        #expect(try await harness.ask(harness.request(100)).problem?.code == .storageUnavailable)
        #expect(harness.ledger.sums(of: harness.account(1)).pending == 100)
        for _ in 0..<3 {
            try await harness.keeper.lookAtSlices()
            harness.clock.advance(by: .seconds(11))
        }
        #expect(harness.ledger.sums(of: harness.account(1)) == AccountSums())
        #expect(harness.life.holdings.isEmpty)
    }

    @Test("a wall clock that is set back opens no wall, and makes nothing free", arguments: [-86_400, -7200])
    func priceAfterStep(seconds: Int) async throws {
        let clock = ManualClock()
        let step = Shared(Duration.zero)
        let harness = try SpendingHarness(
            clock: clock, reading: SteppedClock(clock: clock, step: step),
            books: [SpendingHarness.book(1, from: clock.now - .seconds(3600))])
        harness.set()
        try await harness.keeper.begin()
        try await harness.keeper.lookAtRules()
        step.update { $0 = .seconds(seconds) }
        let request = harness.request(10, accepted: clock.now + step.value)
        let ticket = try await harness.ask(request).ticket
        #expect(ticket.hold.prices == 1)
        #expect(ticket.end(harness.record(ticket.hold, 10)) == Money(units: 10, .usd))
    }

    @Test("what another node lacks is given back at once, and served there")
    func wants() async throws {
        let clock = ManualClock()
        let ledger = MemoryLedger(clock: clock)
        let first = try SpendingHarness(clock: clock, ledger: ledger, node: 1)
        let second = try SpendingHarness(clock: clock, ledger: ledger, node: 2)
        first.set(budgets: [first.budget(1, 100)])
        try await first.keeper.begin()
        try await second.keeper.begin()
        let running = try await first.admitted(90)
        _ = running.end(nil)
        async let waiting = second.flow.wait(second.request(50))
        try await eventually("the second one has said so") { ledger.calls.want > 0 && clock.sleepers > 0 }
        try await first.keeper.lookAtSlices()
        clock.advance(by: .milliseconds(50))
        let ticket = try await waiting.ticket
        try await second.finish(ticket, 50)
        #expect(ledger.isSound)
        #expect(ledger.sums(of: first.account(1)).debits == 50)
    }

    @Test("a slice that nobody uses goes back, also where the answer was lost", arguments: [false, true])
    func idleSlices(isLost: Bool) async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 800)])
        try await harness.keeper.begin()
        _ = try await harness.admitted(100).end(nil)
        harness.clock.advance(by: .seconds(9))
        try await harness.keeper.lookAtSlices()
        #expect(harness.ledger.calls.giveBack == 0)
        harness.clock.advance(by: .seconds(1))
        // The first call asks who wants something; the second one gives back.
        if isLost {
            harness.ledger.fail(.before)
            await #expect(throws: Problem.self) { try await harness.keeper.lookAtSlices() }
        }
        try await harness.keeper.lookAtSlices()
        #expect(harness.ledger.sums(of: harness.account(1)) == AccountSums())
        try await harness.keeper.lookAtSlices()
        #expect(harness.life.holdings.isEmpty)
        #expect(harness.ledger.isSound)
    }

    @Test("a node that ends gives back everything, once nothing runs and everything is settled")
    func drain() async throws {
        let settled = Shared(false)
        let harness = try SpendingHarness(isSettled: { _ in settled.value })
        harness.set(budgets: [harness.budget(1, 800)])
        try await harness.keeper.begin()
        let ticket = try await harness.admitted(100)
        async let drained: Void = harness.keeper.drain(atMost: .seconds(60))
        try await eventually("it waits for the request") { harness.clock.sleepers > 0 }
        #expect(harness.life.holder != nil)
        let record = harness.record(ticket.hold, 40)
        _ = ticket.end(record)
        settled.update { $0 = true }
        harness.clock.advance(by: .milliseconds(50))
        try await eventually("it waits for the record") { harness.clock.sleepers > 0 }
        // It is not in the journal yet, so that nothing is known of when it is settled.
        #expect(harness.life.holder != nil)
        settled.update { $0 = false }
        ticket.close()
        harness.clock.advance(by: .milliseconds(50))
        try await eventually("it waits for the settlement") { harness.clock.sleepers > 0 }
        #expect(harness.life.holder != nil)
        harness.ledger.settle(ticket.hold, [40])
        settled.update { $0 = true }
        harness.clock.advance(by: .milliseconds(50))
        await drained
        #expect(harness.life.holder == nil)
        #expect(harness.ledger.sums(of: harness.account(1)) == AccountSums(debits: 40, credits: 0, pending: 0))
    }

    @Test("what an earlier run held comes back when its journal is settled, and not before")
    func earlierRun() async throws {
        let clock = ManualClock()
        let ledger = MemoryLedger(clock: clock)
        let crashed = try SpendingHarness(clock: clock, ledger: ledger)
        crashed.set(budgets: [crashed.budget(1, 800)])
        try await crashed.keeper.begin()
        let lost = try await crashed.admitted(100)
        let settled = Shared(false)
        let harness = try SpendingHarness(clock: clock, ledger: ledger, isSettled: { _ in settled.value })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await harness.keeper.run() }
            try await eventually("the new run may spend") { harness.life.holder?.life == 2 && clock.sleepers >= 4 }
            clock.advance(by: .seconds(1))
            #expect(ledger.sums(of: crashed.account(1)).pending == 100)
            // The journal's record of it is settled.
            ledger.settle(lost.hold, [25])
            settled.update { $0 = true }
            try await eventually("the rest came back") {
                clock.advance(by: .milliseconds(250))
                return ledger.sums(of: crashed.account(1)) == AccountSums(debits: 25, credits: 0, pending: 0)
            }
            group.cancelAll()
            try await group.waitForAll()
        }
        #expect(ledger.isSound)
    }

    @Test("a node that does not come back is written off after its time, and its budget counts it as spent")
    func writeOff() async throws {
        let clock = ManualClock()
        let ledger = MemoryLedger(clock: clock)
        let lost = try SpendingHarness(clock: clock, ledger: ledger, node: 1)
        let other = try SpendingHarness(clock: clock, ledger: ledger, node: 2)
        lost.set(budgets: [lost.budget(1, 800)])
        try await lost.keeper.begin()
        _ = try await lost.admitted(100)
        clock.advance(by: .seconds(3600))
        try await other.keeper.sweep()
        #expect(ledger.sums(of: lost.account(1)).pending == 100)
        clock.advance(by: .seconds(31))
        try await other.keeper.sweep()
        #expect(ledger.sums(of: lost.account(1)) == AccountSums(debits: 100, credits: 0, pending: 0))
        // It comes back after all: it may not spend on what it believed to hold.
        try await lost.keeper.renew(try #require(lost.life.holder))
        #expect(lost.life.holder == nil)
    }
}
