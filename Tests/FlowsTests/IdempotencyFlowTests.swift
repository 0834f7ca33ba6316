import Flows
import Kernel
import Logging
import Tenancy
import TestKit
import Testing

@Suite struct IdempotencyFlowTests {
    private let clock = ManualClock()
    private let answers: ClockedAnswers
    private let flow: IdempotencyFlow
    private let request: KeyedRequest
    private let seconds: Duration = .seconds(600)

    private static let answer = StoredAnswer(status: 200, contentType: "text/plain", body: [1, 2, 3])

    init() {
        answers = ClockedAnswers(clock: clock)
        flow = Self.flow(answers, clock: clock)
        request = Self.request()
    }

    private static func flow(
        _ answers: ClockedAnswers, clock: ManualClock, limits: IdempotencyFlow.Limits = IdempotencyFlow.Limits(),
        hints: (@Sendable () -> AsyncStream<Void>)? = nil
    ) -> IdempotencyFlow {
        IdempotencyFlow(
            store: answers, digest: EchoedDigest(), clock: clock,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, limits: limits, hints: hints)
    }

    private static func request(_ text: String = "k", body: [UInt8] = [7]) -> KeyedRequest {
        KeyedRequest(key: IdempotencyKey(workspace: nil, route: "POST /x", text: text), fingerprint: body)
    }

    /// Work that says when it began, and ends when the gate opens.
    private struct Work: Sendable {
        let gate = Gate()
        let begun = Shared(0)

        func run(_ outcome: IdempotencyOutcome<String> = .kept("mine", answer)) async -> IdempotencyOutcome<String> {
            begun.update { $0 += 1 }
            await gate.pass()
            return outcome
        }
    }

    /// Moves the clock whenever somebody sleeps, until `condition`.
    private func pass(_ step: Duration, until what: String, _ condition: () -> Bool) async throws {
        try await eventually(what, within: .seconds(60)) {
            if condition() { return true }
            if clock.sleepers > 0 { clock.advance(by: step) }
            return condition()
        }
    }

    // MARK: Once

    @Test("the first is carried out, and whoever comes later gets its answer")
    func replay() async throws {
        let first = try await flow.run(request, within: seconds) { .kept("mine", Self.answer) }
        #expect(first == .carriedOut("mine", .kept))
        let work = Work()
        let again = try await flow.run(request, within: seconds) { await work.run() }
        #expect(again == .replayed(Self.answer))
        #expect(work.begun.value == 0)
        #expect(!answers.isHeld(request.key))
    }

    @Test("twins wait for the first one, and all have its answer")
    func twins() async throws {
        let work = Work()
        try await withThrowingTaskGroup(of: Bool.self) { tasks in
            for _ in 0..<10 {
                tasks.addTask {
                    let result = try await flow.run(request, within: seconds) { await work.run() }
                    if case .replayed(Self.answer) = result { return true }
                    return false
                }
            }
            try await eventually("nine wait") { flow.waiters == 9 && work.begun.value == 1 }
            work.gate.open()
            try await pass(.milliseconds(20), until: "nobody waits") { flow.waiters == 0 }
            let replays = try await tasks.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            #expect(replays == 9)
        }
        #expect(work.begun.value == 1)
    }

    @Test("another request with the same key is a conflict, while the first runs and after it")
    func conflict() async throws {
        let work = Work()
        async let first = flow.run(request, within: seconds) { await work.run() }
        try await eventually("it runs") { work.begun.value == 1 }
        for _ in 0..<2 {
            let problem = await #expect(throws: Problem.self) {
                _ = try await flow.run(Self.request(body: [8]), within: seconds) { await work.run() }
            }
            #expect(problem?.code == .idempotencyConflict)
            #expect(problem?.retryAfter == nil)
            work.gate.open()
            _ = try await first
        }
        #expect(work.begun.value == 1)
    }

    @Test("what was dropped, or failed, leaves the key free")
    func dropped() async throws {
        let first = try await flow.run(request, within: seconds) { .dropped("no") }
        #expect(first == .carriedOut("no", .dropped))
        await #expect(throws: Problem(.validationError)) {
            _ = try await flow.run(request, within: seconds) { () async throws -> IdempotencyOutcome<String> in
                throw Problem(.validationError)
            }
        }
        let third = try await flow.run(request, within: seconds) { .kept("yes", Self.answer) }
        #expect(third == .carriedOut("yes", .kept))
        #expect(answers.epoch(of: request.key) == 3)
    }

    // MARK: Waiting

    @Test("pauses grow to their longest, and at the limit the caller is told to come again")
    func patience() async throws {
        let work = Work()
        async let first = flow.run(request, within: seconds) { await work.run() }
        try await eventually("it runs") { work.begun.value == 1 }
        let twin = Shared<Problem?>(nil)
        async let second: Void = {
            do {
                _ = try await flow.run(request, within: .seconds(5)) { await work.run() }
            } catch let problem as Problem {
                twin.update { $0 = problem }
            }
        }()
        try await pass(.milliseconds(20), until: "it gives up") { twin.value != nil }
        try await second
        #expect(twin.value == .twinStillRuns)
        #expect(twin.value?.retryAfter == 5)
        // 20, 40, 80, 160, 320 ms, then 500 ms until five seconds are over; one claim each, and the first ones.
        #expect(answers.claims <= 2 + 5 + 9)
        #expect(answers.claims >= 2 + 5 + 8)
        #expect(flow.waiters == 0)
        work.gate.open()
        _ = try await first
    }

    @Test("a hint makes a twin look before its pause is over")
    func hint() async throws {
        let hints = Shared<[AsyncStream<Void>.Continuation]>([])
        let flow = Self.flow(answers, clock: clock) {
            let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            hints.update { $0.append(continuation) }
            return stream
        }
        let work = Work()
        async let first = flow.run(request, within: seconds) { await work.run() }
        try await eventually("it runs") { work.begun.value == 1 }
        async let second = flow.run(request, within: seconds) { await work.run() }
        // Short pauses take no hints; this one is 160 ms long.
        try await pass(.milliseconds(20), until: "it takes hints") { hints.value.count == 2 }
        work.gate.open()
        _ = try await first
        let claims = answers.claims
        try await eventually("both of its timers run") { clock.sleepers == 2 }
        for continuation in hints.value { continuation.yield() }
        clock.advance(by: .milliseconds(50))
        try await eventually("it looks") { answers.claims == claims + 1 }
        let got = try await second
        #expect(got == .replayed(Self.answer))
    }

    @Test("only so many wait at one time; the others are told to come again at once")
    func bounded() async throws {
        var limits = IdempotencyFlow.Limits()
        limits.mostWaiting = 1
        let flow = Self.flow(answers, clock: clock, limits: limits)
        let work = Work()
        async let first = flow.run(request, within: seconds) { await work.run() }
        try await eventually("it runs") { work.begun.value == 1 }
        async let second = flow.run(request, within: seconds) { await work.run() }
        try await eventually("it waits") { flow.waiters == 1 }
        await #expect(throws: Problem.twinStillRuns) {
            _ = try await flow.run(request, within: seconds) { await work.run() }
        }
        #expect(flow.waiters == 1)
        work.gate.open()
        _ = try await first
        try await pass(.milliseconds(20), until: "nobody waits") { flow.waiters == 0 }
        _ = try await second
    }

    @Test("a twin whose caller has left stops waiting, and says once that it waits")
    func left() async throws {
        let work = Work()
        async let first = flow.run(request, within: seconds) { await work.run() }
        try await eventually("it runs") { work.begun.value == 1 }
        let (isThere, said) = (Shared(true), Shared(0))
        let waiter = IdempotencyWaiter(isThere: { isThere.value }, waits: { said.update { $0 += 1 } })
        async let second = flow.run(request, within: seconds, waiter: waiter) { await work.run() }
        try await pass(.milliseconds(20), until: "it has looked some times") { answers.claims >= 4 }
        isThere.update { $0 = false }
        try await pass(.milliseconds(20), until: "nobody waits") { flow.waiters == 0 }
        do {
            _ = try await second
            complain("it got something")
        } catch let problem as Problem {
            #expect(problem == .twinStillRuns)
        }
        #expect(said.value == 1)
        work.gate.open()
        _ = try await first
    }

    // MARK: The lease

    @Test("the lease is renewed every third of it while the work runs, and a twin stays out")
    func renewal() async throws {
        let work = Work()
        async let first = flow.run(request, within: seconds) { await work.run() }
        try await eventually("it runs") { work.begun.value == 1 && clock.sleepers == 1 }
        let start = clock.now
        for count in 1...9 {
            clock.advance(by: .seconds(10))
            try await eventually("renewed") { answers.renewals.count == count && clock.sleepers == 1 }
            let claim = try await answers.claim(request.key, fingerprint: [7], leaseFor: .seconds(30))
            #expect(claim == .running)
        }
        #expect(answers.renewals == (1...9).map { start + .seconds(10 * $0) })
        work.gate.open()
        let got = try await first
        #expect(got == .carriedOut("mine", .kept))
        #expect(clock.sleepers == 0)
    }

    @Test("a holder that died is followed when its lease ends, and what it says later changes nothing")
    func takenOver() async throws {
        guard case .granted(let dead) = try await answers.claim(request.key, fingerprint: [7], leaseFor: .seconds(30))
        else { return complain("no lease") }
        let start = clock.now
        let work = Work()
        async let twin = flow.run(request, within: seconds) { await work.run() }
        try await pass(.milliseconds(500), until: "the twin runs") { work.begun.value == 1 }
        #expect(clock.now - start >= .seconds(30))
        #expect(clock.now - start <= .seconds(31))
        let late = StoredAnswer(status: 500, contentType: "text/plain", body: [9])
        let counted = try await answers.complete(dead, with: late)
        #expect(!counted)
        try await answers.release(dead)
        #expect(answers.isHeld(request.key))
        work.gate.open()
        let got = try await twin
        #expect(got == .carriedOut("mine", .kept))
        #expect(answers.answer(of: request.key) == Self.answer)
        #expect(answers.epoch(of: request.key) == 2)
    }

    @Test("work whose lease was taken is cancelled, and its answer does not count")
    func lost() async throws {
        let wasCancelled = Shared(false)
        let begun = Gate()
        async let first = flow.run(request, within: seconds) {
            begun.open()
            do {
                try await clock.sleep(for: .seconds(100_000))
            } catch {
                wasCancelled.update { $0 = true }
            }
            return .kept("mine", Self.answer)
        }
        await begun.pass()
        try await eventually("both sleep") { clock.sleepers == 2 }
        answers.goAway()
        // Silent for longer than the lease: a twin has it.
        clock.advance(by: .seconds(31))
        try await eventually("a renewal failed") { answers.failures == 1 && clock.sleepers == 2 }
        #expect(!wasCancelled.value)
        answers.comeBack()
        guard case .granted = try await answers.claim(request.key, fingerprint: [7], leaseFor: .seconds(30)) else {
            return complain("it was not free")
        }
        clock.advance(by: .seconds(1))
        try await eventually("cancelled") { wasCancelled.value }
        let got = try await first
        #expect(got == .carriedOut("mine", .lost))
        #expect(answers.epoch(of: request.key) == 2)
        #expect(answers.isHeld(request.key))
    }

    @Test("a holder whose store is away for less than the lease goes on, and renews when it is back")
    func hiccup() async throws {
        let work = Work()
        async let first = flow.run(request, within: seconds) { await work.run() }
        try await eventually("it runs") { work.begun.value == 1 && clock.sleepers == 1 }
        answers.goAway()
        clock.advance(by: .seconds(10))
        try await eventually("one failed") { answers.failures == 1 && clock.sleepers == 1 }
        clock.advance(by: .seconds(1))
        try await eventually("and another one") { answers.failures == 2 && clock.sleepers == 1 }
        answers.comeBack()
        clock.advance(by: .seconds(1))
        try await eventually("renewed") { answers.renewals.count == 1 && clock.sleepers == 1 }
        work.gate.open()
        let got = try await first
        #expect(got == .carriedOut("mine", .kept))
    }

    // MARK: The store

    @Test("without the store nothing begins")
    func away() async throws {
        answers.goAway()
        let work = Work()
        await #expect(throws: Problem(.storageUnavailable)) {
            _ = try await flow.run(request, within: seconds) { await work.run() }
        }
        #expect(work.begun.value == 0)
    }

    @Test("an answer waits for a store that is away for a moment")
    func keptLater() async throws {
        async let first = flow.run(request, within: seconds) {
            answers.goAway()
            return .kept("mine", Self.answer)
        }
        try await pass(.milliseconds(20), until: "some tries failed") { answers.failures >= 3 }
        answers.comeBack()
        try await pass(.milliseconds(500), until: "kept") { answers.answer(of: request.key) != nil }
        let got = try await first
        #expect(got == .carriedOut("mine", .kept))
    }

    @Test("an answer that the store does not take in time goes out without its promise")
    func unconfirmed() async throws {
        let start = clock.uptime
        let ended = Shared(false)
        async let first = { () async throws -> IdempotencyResult<String> in
            defer { ended.update { $0 = true } }
            return try await flow.run(request, within: seconds) {
                answers.goAway()
                return .kept("mine", Self.answer)
            }
        }()
        try await pass(.milliseconds(500), until: "it gives up") { ended.value }
        let got = try await first
        #expect(got == .carriedOut("mine", .unconfirmed))
        #expect(clock.uptime - start <= .seconds(11))
        #expect(clock.uptime - start >= .seconds(9))
    }
}

/// For a `guard` that ends its test.
func complain(_ what: String) { Issue.record(Comment(rawValue: what)) }

/// The body itself.
struct EchoedDigest: RequestDigest {
    func digest(target: String, body: UnsafeRawBufferPointer) -> [UInt8] { Array(target.utf8) + [0] + Array(body) }
}
