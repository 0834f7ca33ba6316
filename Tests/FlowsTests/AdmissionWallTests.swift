import Billing
import Flows
import Inference
import Kernel
import TestKit
import Testing

@Suite("Admission at the wall")
struct AdmissionWallTests {
    @Test("five at once against a budget for three: three run, and what they spend is never passed (LiteLLM)")
    func overshoot() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 300)])
        try await harness.keeper.begin()
        let answers = try await harness.passing {
            try await withThrowingTaskGroup(of: AdmissionAnswer.self) { group in
                for _ in 0..<5 { group.addTask { try await harness.ask(harness.request(100)) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
        let tickets = answers.compactMap { try? $0.ticket }
        #expect(tickets.count == 3)
        // What lacks is only held: they may try again.
        let problems = answers.compactMap(\.problem)
        #expect(problems.count == 2 && problems.allSatisfy { $0.code == .quotaExceeded && $0.retryAfter == 1 })
        for ticket in tickets { try await harness.finish(ticket, 100) }
        #expect(harness.ledger.sums(of: harness.account(1)) == AccountSums(debits: 300, credits: 0, pending: 0))
        let answer = try await harness.passing { try await harness.ask(harness.request(100)) }
        #expect(answer.problem?.code == .quotaExceeded && answer.problem?.retryAfter == nil)
    }

    @Test("fifty times a hundred against a thousand: exactly ten run (one-api)")
    func quotaRace() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 1000)])
        try await harness.keeper.begin()
        let ran = try await harness.passing {
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        guard case .admitted(let ticket) = try await harness.ask(harness.request(100)) else { return 0 }
                        try await harness.finish(ticket, 100)
                        return 1
                    }
                }
                return try await group.reduce(0, +)
            }
        }
        #expect(ran == 10)
        #expect(harness.ledger.sums(of: harness.account(1)) == AccountSums(debits: 1000, credits: 0, pending: 0))
        #expect(harness.life.waiting == 0)
    }

    @Test("a request waits for what a running one gives back")
    func waitsForRelease() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 100)])
        try await harness.keeper.begin()
        let first = try await harness.admitted(100)
        async let second = harness.flow.wait(harness.request(60))
        try await eventually("it waits") { harness.life.waiting == 1 && harness.clock.sleepers > 0 }
        try await harness.finish(first, 30)
        let ticket = try await second.ticket
        #expect(ticket.hold.parts.map(\.amount) == [60])
        #expect(harness.clock.uptime == .seconds(1))
        #expect(harness.life.waiting == 0)
    }

    @Test("what is really spent is refused at once, and says which budget, how much and until when")
    func refusedWhenSpent() async throws {
        let harness = try SpendingHarness()
        let ends = harness.clock.now + .seconds(3600)
        harness.set(budgets: [harness.budget(1, 100, ends: ends)])
        try await harness.keeper.begin()
        try await harness.finish(harness.admitted(100), 70)
        let problem = try #require(try await harness.flow.wait(harness.request(40)).problem)
        #expect(problem.code == .quotaExceeded && problem.retryAfter == nil)
        #expect(problem.members["budget_id"] == "\(BudgetID(ULID(high: 20, low: 1)))")
        #expect(problem.members["amount"] == "100" && problem.members["spent"] == "70")
        #expect(problem.members["resets_at"] == "\(ends)")
        let message = problem.message
        #expect(message.contains("it may need 40, and 30 of 100 tokens are left, until \(ends)"), "\(message)")
        #expect(!message.contains("used up"))
        #expect(harness.clock.uptime == .seconds(1))
        // And from memory for a moment, so that who is over the wall does not load the database.
        let calls = harness.ledger.calls.take
        #expect(harness.flow.admit(harness.request(40)).problem?.code == .quotaExceeded)
        #expect(harness.ledger.calls.take == calls)
        let small = try await harness.admitted(30)
        #expect(small.hold.parts.map(\.amount) == [30])
    }

    @Test("a budget is called used up only when nothing is left")
    func usedUp() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 100)])
        try await harness.keeper.begin()
        try await harness.finish(harness.admitted(100), 100)
        let problem = try #require(try await harness.flow.wait(harness.request(40)).problem)
        #expect(problem.message.hasSuffix("is used up: nothing is left of 100 tokens."), "\(problem.message)")
        #expect(problem.hint == "Ask an owner to raise it.")
    }

    @Test("too many who wait are refused at once")
    func boundedLine() async throws {
        var settings = EscrowBook.Settings()
        settings.longestLine = 2
        let harness = try SpendingHarness(settings: settings)
        harness.set(budgets: [harness.budget(1, 100)])
        try await harness.keeper.begin()
        let first = try await harness.admitted(100)
        async let second = harness.flow.wait(harness.request(50))
        async let third = harness.flow.wait(harness.request(50))
        try await eventually("two wait") { harness.life.waiting == 2 && harness.clock.sleepers > 1 }
        let problem = try #require(try await harness.flow.wait(harness.request(50)).problem)
        #expect(problem.code == .quotaExceeded && problem.retryAfter == 1)
        _ = first.end(nil)
        let tickets = [try await second.ticket, try await third.ticket]
        #expect(tickets.count == 2 && harness.life.waiting == 0)
    }

    @Test("who waits in vain is refused after the wait, and may try again")
    func waitEnds() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 100)])
        try await harness.keeper.begin()
        let first = try await harness.admitted(100)
        let answer = try await harness.passing { try await harness.flow.wait(harness.request(50)) }
        #expect(answer.problem?.code == .quotaExceeded && answer.problem?.retryAfter == 1)
        #expect(harness.clock.uptime >= .seconds(3))
        #expect(harness.life.waiting == 0)
        _ = first.end(nil)
    }

    @Test(
        "a wait that is cancelled leaves nothing held, in no line, and no place within a limit (phantom reservations)")
    func cancelledWait() async throws {
        let harness = try SpendingHarness()
        let limit = RateLimit(
            id: harness.samples.ids.next(), subject: .key(harness.spender.key), model: nil, quantity: .concurrency,
            amount: 5)
        harness.set(budgets: [harness.budget(1, 100)], limits: [limit])
        try await harness.keeper.begin()
        let first = try await harness.admitted(100)
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    do {
                        _ = try await harness.flow.wait(harness.request(50))
                        return false
                    } catch {
                        return error is CancellationError
                    }
                }
            }
            try? await eventually("three wait") { harness.life.waiting == 3 && harness.clock.sleepers > 0 }
            group.cancelAll()
            for await wasCancelled in group { #expect(wasCancelled) }
        }
        #expect(harness.life.waiting == 0)
        #expect(harness.counters.running == 1)
        _ = first.end(nil)
        #expect(harness.life.holdings[harness.account(1)] == EscrowHolding(free: 100, held: 0, returning: 0))
        #expect(harness.counters.running == 0)
        _ = try harness.flow.admit(harness.request(100)).ticket
    }

    @Test("a small request does not pass a big one that waits")
    func noStarvation() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 100)])
        try await harness.keeper.begin()
        let first = try await harness.admitted(60)
        let second = try await harness.admitted(40)
        async let big = harness.flow.wait(harness.request(90))
        try await eventually("the big one waits") { harness.life.waiting == 1 && harness.clock.sleepers > 0 }
        _ = first.end(nil)
        #expect(harness.flow.admit(harness.request(10)).isUndecided)
        _ = second.end(nil)
        let ticket = try await big.ticket
        #expect(ticket.hold.parts.map(\.amount) == [90])
        _ = try await harness.admitted(10)
    }

    @Test("who waits at a wall holds up nobody whom that wall does not bind")
    func otherWalls() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 1000), harness.budget(2, 100, tag: "narrow")])
        try await harness.keeper.begin()
        let first = try await harness.ask(harness.request(100, tags: ["narrow"])).ticket
        async let second = harness.flow.wait(harness.request(60, tags: ["narrow"]))
        try await eventually("it waits at the narrow wall") {
            harness.life.waiting == 1 && harness.clock.sleepers > 0 && harness.ledger.calls.take >= 4
        }
        // It meets the wide one alone, which has room for both.
        _ = try harness.flow.admit(harness.request(10)).ticket.end(nil)
        // And whom the narrow one binds does not pass who came first.
        #expect(harness.flow.admit(harness.request(1, tags: ["narrow"])).isUndecided)
        _ = first.end(nil)
        #expect(try await second.ticket.hold.parts.map(\.amount) == [60, 60])
        #expect(harness.life.waiting == 0)
    }

    @Test("a budget that is lowered binds at once, also in what this node had taken of it")
    func lowered() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 800)])
        try await harness.keeper.begin()
        try await harness.keeper.lookAtRules()
        try await harness.finish(harness.admitted(100), 100)
        _ = try await harness.admitted(50).end(nil)
        #expect(try #require(harness.life.holdings[harness.account(1)]?.free) >= 60)
        harness.set(budgets: [harness.budget(1, 120)])
        try await harness.keeper.lookAtRules()
        let problem = try #require(try await harness.ask(harness.request(60)).problem)
        #expect(problem.code == .quotaExceeded && problem.retryAfter == nil)
        try await harness.keeper.lookAtSlices()
        #expect(harness.ledger.sums(of: harness.account(1)) == AccountSums(debits: 100, credits: 0, pending: 0))
        harness.clock.advance(by: .seconds(1))
        try await harness.finish(harness.admitted(20), 20)
        #expect(harness.ledger.isSound)
    }

    @Test(
        "what a running request does not use goes back, and not to the next one, when the budget was lowered meanwhile")
    func loweredWhileRunning() async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [harness.budget(1, 800)])
        try await harness.keeper.begin()
        try await harness.keeper.lookAtRules()
        let running = try await harness.admitted(100)
        harness.set(budgets: [harness.budget(1, 30)])
        try await harness.keeper.lookAtRules()
        // It is in the way, and may leave something.
        let answer = try await harness.passing { try await harness.ask(harness.request(20)) }
        #expect(answer.problem?.retryAfter == 1)
        try await harness.finish(running, 10)
        #expect(harness.life.holdings[harness.account(1)] == EscrowHolding(free: 0, held: 0, returning: 90))
        try await harness.keeper.lookAtSlices()
        #expect(harness.ledger.sums(of: harness.account(1)) == AccountSums(debits: 10, credits: 0, pending: 0))
        harness.clock.advance(by: .seconds(1))
        try await harness.finish(harness.admitted(20), 20)
        #expect(try await harness.ask(harness.request(1)).problem?.retryAfter == nil)
        #expect(harness.ledger.isSound)
    }

    @Test("credit is used in its order, one request may draw on several, and one that has ended pays nothing")
    func prepaidInOrder() async throws {
        let harness = try SpendingHarness(books: [SpendingHarness.book(1)])
        let soon = harness.clock.now + .seconds(10)
        harness.set(
            funds: [harness.fund(1, 30), harness.fund(2, 500, ends: soon), harness.fund(3, 100)], isPrepaid: true)
        try await harness.keeper.begin()

        let first = try await harness.admitted(50)
        #expect(first.hold.parts.map(\.account) == [harness.account(1), harness.account(2)])
        #expect(first.hold.parts.map(\.amount) == [30, 20])
        try await harness.finish(first, 40)
        #expect(harness.ledger.sums(of: harness.account(1)).debits == 30)
        #expect(harness.ledger.sums(of: harness.account(2)).debits == 10)
        harness.clock.advance(by: .seconds(10))
        let second = try await harness.admitted(80)
        #expect(second.hold.parts.map(\.account) == [harness.account(3)])
        try await harness.finish(second, 80)
        let problem = try #require(try await harness.ask(harness.request(30)).problem)
        #expect(problem.code == .quotaExceeded && problem.retryAfter == nil)
        #expect(problem.members["currency"] == "USD")
        _ = try await harness.admitted(20)
        #expect(harness.ledger.isSound)
    }

    @Test("who pays afterwards uses credit first, and owes the rest")
    func postpaidWithCredit() async throws {
        let harness = try SpendingHarness(books: [SpendingHarness.book(1)])
        harness.set(funds: [harness.fund(1, 30)])
        try await harness.keeper.begin()
        let ticket = try await harness.admitted(50)
        #expect(ticket.hold.parts.map(\.account) == [harness.account(1), harness.account(999)])
        #expect(ticket.hold.parts.map(\.amount) == [30, 20])
        #expect(ticket.end(harness.record(ticket.hold, 70)) == Money(units: 70, .usd))
        // Credit cannot be asked for: what it does not pay is owed meanwhile.
        harness.ledger.isAway = true
        let next = try await harness.admitted(50)
        #expect(next.hold.parts.map(\.account) == [harness.account(999)])
    }
}
