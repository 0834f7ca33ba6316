import Billing
import Flows
import Gateway
import Inference
import Kernel
import NIOCore
import Testing

/// What a request may cost is set aside before it runs, and what it did not use is given back once, however it ends.
@Suite struct AdmissionTests {
    static let account = AccountID(ULID(high: 5, low: 1))
    static let hold = Hold(
        prices: 3, costs: 2,
        parts: [
            Hold.Part(
                role: .budget, account: account, escrow: EscrowID(ULID(high: 5, low: 2)), amount: 900,
                asset: .money(.usd))
        ])
    static let price = Money(units: 120_000, .usd)
    static let spent = Problem(
        .quotaExceeded, "The budget `bud_1` of 10.00 USD is spent until 2026-12-01T00:00:00Z.",
        members: ["budget_id": "bud_1"])

    private func run(
        _ admission: ScriptedAdmission, script: [ScriptedUpstream.Step] = [JournalOrderTests.whole],
        limits: GatewayLimits = GatewayLimits(),
        _ body: (GatewayFixture, ScriptedUpstream) async throws -> Void
    ) async throws {
        let upstream = try await ScriptedUpstream.start(script)
        try await GatewayFixture.run(
            upstream: upstream.port, limits: limits, admission: admission
        ) { gateway in try await body(gateway, upstream) }
        try await upstream.stop()
    }

    @Test("the hold stands in open and close, and the ticket ends with the record before it is closed")
    func order() async throws {
        let admission = ScriptedAdmission()
        admission.charge(Self.price, hold: Self.hold)
        try await run(admission) { gateway, _ in
            let request = GatewayFixture.request(body: GatewayFixture.chat(), headers: "volery-tags: a, b-1\r\n")
            #expect(try await gateway.send(request).status == 200)
            let open = try #require(gateway.journal.opens.first)
            let record = try #require(gateway.journal.records.first)
            #expect(open.billing == record.billing)
            #expect(open.billing.hold == Self.hold)
            #expect(open.billing.tags == ["a", "b-1"])
            #expect(open.billing.tenant == TenantID(ULID(high: 1, low: 2)))
            #expect(admission.requests.first?.tags == ["a", "b-1"])
            #expect(admission.requests.first?.accepted == open.started)
            #expect(admission.ends == [[record]])
            let tape = gateway.journal.tape
            let ended = try #require(tape.index { $0 == .ticketEnd(hasRecord: true) })
            let noted = try #require(tape.index { $0 == .endNoted })
            let over = try #require(tape.index { $0 == .ticketClose })
            #expect(ended < noted && noted < over)
        }
    }

    @Test("a spent budget refuses before anything is opened or called, and says that trying again is no use")
    func refused() async throws {
        let admission = ScriptedAdmission()
        admission.say(.refuse(Self.spent))
        try await run(admission) { gateway, upstream in
            let answer = try await gateway.chat()
            #expect(answer.status == 429)
            #expect(answer.body.contains("QUOTA_EXCEEDED") && answer.body.contains("bud_1"))
            #expect(answer.headers["x-should-retry"] == "false")
            #expect(answer.headers["retry-after"] == nil)
            #expect(gateway.journal.opens.isEmpty && gateway.journal.records.isEmpty)
            #expect(upstream.seen.requests.isEmpty)
            #expect(gateway.core.requestsInFlight == 0)
        }
    }

    @Test("where only running requests are in the way, and over a rate limit, a client is told when to try again")
    func retryable() async throws {
        let limit = RateLimit(
            id: LimitID(ULID(high: 6, low: 1)), subject: .key(KeyID(ULID(high: 1, low: 1))), model: nil,
            quantity: .requestsPerMinute, amount: 3)
        let admission = ScriptedAdmission()
        try await run(admission) { gateway, _ in
            admission.say(.refuse(Problem(.quotaExceeded, retryAfter: 1)))
            let held = try await gateway.chat()
            #expect(held.headers["retry-after"] == "1")
            #expect(held.headers["x-should-retry"] == nil)
            admission.say(
                .refuse(
                    Problem(.rateLimited, retryAfter: 20),
                    [RateState(limit: limit, remaining: 0, reset: .seconds(60))]))
            let limited = try await gateway.chat()
            #expect(limited.status == 429)
            #expect(limited.headers["retry-after"] == "20")
            #expect(limited.headers["x-ratelimit-limit-requests"] == "3")
            #expect(limited.headers["x-ratelimit-remaining-requests"] == "0")
            #expect(limited.headers["x-ratelimit-reset-requests"] == "1m0s")
            #expect(limited.headers["x-ratelimit-limit-tokens"] == nil)
        }
    }

    @Test("a request that memory does not decide waits, and runs or is refused as it is told")
    func waits() async throws {
        let admission = ScriptedAdmission()
        admission.say(.undecided)
        try await run(admission) { gateway, upstream in
            async let first = gateway.chat()
            try await eventually { admission.waiting == 1 }
            #expect(upstream.seen.requests.isEmpty && gateway.journal.opens.isEmpty)
            admission.decide(admits: true)
            #expect(try await first.status == 200)
            async let second = gateway.chat()
            try await eventually { admission.waiting == 1 }
            admission.decide(admits: false)
            #expect(try await second.status == 429)
            #expect(admission.ends.map(\.count) == [1])
            #expect(gateway.journal.records.count == 1)
        }
    }

    @Test(
        "a client that leaves while its request waits takes the wait with it",
        arguments: ["", "idempotency-key: k\r\n"])
    func leavesWhileWaiting(headers: String) async throws {
        let admission = ScriptedAdmission()
        admission.say(.undecided)
        let upstream = try await ScriptedUpstream.start([JournalOrderTests.whole])
        try await GatewayFixture.run(
            upstream: upstream.port, idempotency: IdempotencyTests.flow(MemoryAnswers()), admission: admission
        ) { gateway in
            let request = GatewayFixture.request(body: GatewayFixture.chat(), headers: headers)
            try await RawClient.connect(to: gateway.port).leave(after: request) {
                try await eventually { admission.waiting == 1 }
            }
            try await eventually { admission.waiting == 0 && gateway.core.bodyBytesHeld == 0 }
            #expect(admission.waiting == 0)
            #expect(admission.tickets.isEmpty)
            #expect(gateway.journal.opens.isEmpty)
            #expect(upstream.seen.requests.isEmpty)
            #expect(gateway.core.requestsInFlight == 0)
            #expect(gateway.core.bodyBytesHeld == 0)
        }
        try await upstream.stop()
    }

    @Test("an answer that comes too late is given back")
    func tooLate() async throws {
        let admission = ScriptedAdmission()
        admission.say(.deaf)
        try await run(admission) { gateway, _ in
            let request = GatewayFixture.request(body: GatewayFixture.chat())
            try await RawClient.connect(to: gateway.port).leave(after: request) {
                try await eventually { admission.waiting == 1 }
            }
            try await eventually { gateway.core.bodyBytesHeld == 0 }
            admission.decide(admits: true)
            try await eventually { admission.ends.first?.count == 1 }
            #expect(admission.ends == [[nil]])
            #expect(gateway.journal.opens.isEmpty)
        }
    }

    @Test("budgets that stay silent end in 503")
    func silent() async throws {
        let admission = ScriptedAdmission()
        admission.say(.undecided)
        var limits = GatewayLimits()
        limits.wholeTimeout = .milliseconds(100)
        try await run(admission, limits: limits) { gateway, _ in
            let answer = try await gateway.chat()
            #expect(answer.status == 503)
            #expect(answer.body.contains("OVERLOADED"))
            try await eventually { admission.waiting == 0 }
            #expect(admission.waiting == 0 && admission.tickets.isEmpty)
        }
    }

    @Test("a journal that takes no work, and a full house, take nothing from budgets and limits")
    func noPlace() async throws {
        let admission = ScriptedAdmission()
        var limits = GatewayLimits()
        limits.maximumRequests = 0
        try await run(admission, limits: limits) { gateway, _ in
            let crowded = try await gateway.chat()
            #expect(crowded.status == 503)
            gateway.journal.refuseWork()
            let unrecorded = try await gateway.chat()
            #expect(unrecorded.status == 503)
            #expect(admission.tickets.isEmpty)
        }
    }

    @Test("a journal that stops taking work while a request waits ends the ticket with nothing")
    func journalFailsMeanwhile() async throws {
        let admission = ScriptedAdmission()
        admission.say(.undecided)
        try await run(admission) { gateway, _ in
            async let answer = gateway.chat()
            try await eventually { admission.waiting == 1 }
            gateway.journal.refuseWork()
            admission.decide(admits: true)
            #expect(try await answer.status == 503)
            #expect(admission.ends == [[nil]])
            #expect(gateway.core.requestsInFlight == 0)
        }
    }

    @Test("a shutdown ends what waits and what runs, each ticket once")
    func shutdown() async throws {
        let admission = ScriptedAdmission()
        try await run(admission, script: [.silence]) { gateway, upstream in
            async let running = gateway.chat()
            try await eventually { upstream.seen.requests.count == 1 }
            admission.say(.undecided)
            async let waiting = gateway.chat()
            try await eventually { admission.waiting == 1 }
            await gateway.core.endAll()
            #expect(try await [running.status, waiting.status] == [503, 503])
            try await eventually { admission.waiting == 0 }
            #expect(admission.ends.map { $0.map { $0 != nil } } == [[true]])
        }
    }

    @Test("a retry after an idle close runs on the same ticket, and its first attempt cost nothing")
    func retry() async throws {
        let admission = ScriptedAdmission()
        try await run(admission, script: [.closeIfReused, JournalOrderTests.whole], limits: JournalOrderTests.patient) {
            gateway, _ in
            let first = GatewayFixture.request(body: GatewayFixture.chat(), closes: false)
            let second = GatewayFixture.request(body: GatewayFixture.chat())
            _ = try await RawClient.connect(to: gateway.port).send(first + second)
            let records = try await gateway.records(2)
            #expect(admission.ends.map(\.count) == [1, 1])
            #expect(records.first?.attempts.map(\.cost) == [.confirmed])
            #expect(records.last?.attempts.map(\.number) == [1, 2])
            #expect(records.last?.attempts.map(\.cost) == [.none, .confirmed])
        }
    }

    @Test("a hold of more parts than a record can name runs nothing")
    func tooManyParts() async throws {
        let admission = ScriptedAdmission()
        let part = Hold.Part(role: .budget, account: Self.account, escrow: nil, amount: 1, asset: .tokens)
        admission.charge(
            nil, hold: Hold(prices: 0, costs: 0, parts: Array(repeating: part, count: Hold.maximumParts + 1)))
        try await run(admission) { gateway, upstream in
            let answer = try await gateway.chat()
            #expect(answer.status == 500)
            #expect(admission.ends == [[nil]])
            #expect(upstream.seen.requests.isEmpty)
        }
    }

    @Test("a repeated answer takes no hold and no limit")
    func replays() async throws {
        let admission = ScriptedAdmission()
        admission.charge(Self.price)
        let upstream = try await ScriptedUpstream.start([JournalOrderTests.whole])
        try await GatewayFixture.run(
            upstream: upstream.port, idempotency: IdempotencyTests.flow(MemoryAnswers()), admission: admission
        ) { gateway in
            let request = GatewayFixture.request(body: GatewayFixture.chat(), headers: "idempotency-key: k\r\n")
            let first = try await gateway.send(request)
            #expect(first.headers["volery-cost"] == "0.00012 USD")
            let second = try await gateway.send(request)
            #expect(second.headers["idempotent-replayed"] == "true")
            #expect(second.body == first.body)
            #expect(second.headers["volery-cost"] == nil)
            #expect(admission.requests.count == 1 && admission.tickets.count == 1)
            #expect(gateway.journal.records.count == 1)
            // A refusal is not kept: the same key is carried out when there is money again.
            let other = GatewayFixture.request(body: GatewayFixture.chat(), headers: "idempotency-key: other\r\n")
            admission.say(.refuse(Self.spent))
            #expect(try await gateway.send(other).status == 429)
            admission.say(.admit)
            #expect(try await gateway.send(other).status == 200)
        }
        try await upstream.stop()
    }
}
