import Billing
import Gateway
import Inference
import Kernel
import NIOCore
import Testing

/// What a client is charged for that leaves early, or whose upstream never tells; and what it is told of it.
@Suite struct ChargeTests {
    private static let price = Money(units: 120_000, .usd)

    /// Twelve bytes, three tokens at a guess.
    private static let words = JournalOrderTests.content("twelve bytes")

    private func run(
        _ script: [ScriptedUpstream.Step], journal: MemoryJournal.Mode = .group,
        _ body: (GatewayFixture, ScriptedAdmission, ScriptedUpstream) async throws -> Void
    ) async throws {
        let upstream = try await ScriptedUpstream.start(script)
        let admission = ScriptedAdmission()
        admission.charge(Self.price, remaining: Amount(units: 1_250_000_000, .money(.usd)))
        try await GatewayFixture.run(upstream: upstream.port, journal: journal, admission: admission) { gateway in
            try await body(gateway, admission, upstream)
            #expect(admission.ends.allSatisfy { $0.count == 1 }, "each ticket ends once")
            #expect(admission.ends == gateway.journal.records.map { [$0] })
        }
        try await upstream.stop()
    }

    private static var stream: String { GatewayFixture.request(body: GatewayFixture.chat(#","stream":true"#)) }

    // MARK: Clients that leave

    @Test("a client that leaves before the first byte pays for its prompt at most, and the call's cost is unknown")
    func leavesBeforeTheFirstByte() async throws {
        try await run([.silence]) { gateway, _, upstream in
            try await RawClient.connect(to: gateway.port).leave(after: Self.stream) {
                try await eventually { upstream.seen.requests.count == 1 }
            }
            let record = try #require(try await gateway.records().first)
            #expect(record.status == .clientClosed)
            #expect(record.usage.outputTokens == 0 && record.usage.source == .estimated)
            #expect(record.attempts.map(\.cost) == [.unknown])
        }
    }

    @Test("a client that leaves in the middle pays for what was produced")
    func leavesInTheMiddle() async throws {
        let script = [ScriptedUpstream.streamHead, ScriptedUpstream.chunk(Self.words + Self.words), .silence]
        try await run(script) { gateway, _, _ in
            try await RawClient.connect(to: gateway.port).hold(Self.stream, until: { $0.contains("twelve") }) {}
            let record = try #require(try await gateway.records().first)
            #expect(record.status == .clientClosed)
            #expect(record.usage.outputTokens == 6)
            #expect(record.usage.inputTokens > 0)
            #expect(record.attempts.map(\.cost) == [.estimated])
        }
    }

    @Test("a client that leaves after the last event, before it is told so, pays once for all of it")
    func leavesAfterTheLast() async throws {
        try await run(PassThroughTests.stream(), journal: .held) { gateway, admission, _ in
            async let left: Void = RawClient.connect(to: gateway.port).hold(
                Self.stream, until: { $0.contains("\"content\":\"a\"") }
            ) { try await eventually { gateway.journal.waiting == 1 && !gateway.journal.records.isEmpty } }
            try await eventually { gateway.journal.waiting == 1 }
            gateway.journal.sync()
            try await left
            try await eventually { gateway.core.requestsInFlight == 0 }
            let record = try #require(gateway.journal.records.first)
            #expect(record.status == .succeeded)
            #expect(record.usage == Usage(inputTokens: 5, outputTokens: 2, source: .provider))
            gateway.journal.sync()
        }
    }

    // MARK: Upstreams that do not tell

    @Test("a stream whose upstream never tells its usage is estimated, and never free")
    func withoutUsage() async throws {
        let script = [
            ScriptedUpstream.streamHead, ScriptedUpstream.chunk(JournalOrderTests.role + Self.words),
            ScriptedUpstream.chunk(JournalOrderTests.content("x") + JournalOrderTests.done), ScriptedUpstream.lastChunk,
        ]
        try await run(script) { gateway, _, _ in
            let answer = try await gateway.chat(#","stream":true"#)
            #expect(answer.events.last == "[DONE]")
            let record = try #require(try await gateway.records().first)
            #expect(record.status == .succeeded)
            #expect(record.usage.source == .estimated)
            #expect(record.usage.outputTokens == 3)
            #expect(record.usage.inputTokens == GatewayFixture.chat(#","stream":true"#).utf8.count / 4)
            #expect(record.attempts.map(\.cost) == [.estimated])
        }
    }

    @Test("a whole answer without usage is estimated by its length")
    func wholeWithoutUsage() async throws {
        let text = String(repeating: "word", count: 50)
        try await run([ScriptedUpstream.json(#"{"choices":[{"message":{"content":"\#(text)"}}]}"#)]) { gateway, _, _ in
            #expect(try await gateway.chat().status == 200)
            let record = try #require(try await gateway.records().first)
            #expect(record.usage.outputTokens == 50 && record.usage.source == .estimated)
        }
    }

    // MARK: Attempts

    @Test("the upstream's own name for a call stands in its attempt, whichever way it says it")
    func upstreamNames() async throws {
        let whole = #"{"id":"chatcmpl-7","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":0}}"#
        try await run([ScriptedUpstream.json(whole, headers: "x-request-id: req-1\r\n")]) { gateway, _, _ in
            _ = try await gateway.chat()
            #expect(try await gateway.records().first?.attempts.first?.upstream == "chatcmpl-7")
        }
        let refusal = ScriptedUpstream.json(
            #"{"error":{"message":"no"}}"#, status: "400 Bad Request", headers: "request-id: req-2\r\n")
        try await run([refusal]) { gateway, _, _ in
            _ = try await gateway.chat()
            let attempt = try #require(try await gateway.records().first?.attempts.first)
            #expect(attempt.upstream == "req-2")
            #expect(attempt.cost == .none)
        }
        let events = #"data: {"id":"s-1","choices":[{"delta":{"content":"a"}}]}"# + "\n\n" + JournalOrderTests.done
        try await run([ScriptedUpstream.streamHead, ScriptedUpstream.chunk(events), ScriptedUpstream.lastChunk]) {
            gateway, _, _ in
            _ = try await gateway.chat(#","stream":true"#)
            #expect(try await gateway.records().first?.attempts.first?.upstream == "s-1")
        }
    }

    @Test("a refused connection cost nothing, and a server that failed may have cost something")
    func costs() async throws {
        let admission = ScriptedAdmission()
        try await GatewayFixture.run(upstream: 1, admission: admission) { gateway in
            let answer = try await gateway.chat()
            #expect(answer.status == 502)
            #expect(gateway.journal.records.first?.attempts.map(\.cost) == [.none, .none, .none])
            #expect(admission.ends.map(\.count) == [1])
        }
        try await run([ScriptedUpstream.json("{}", status: "500 Internal Server Error")]) { gateway, _, _ in
            let answer = try await gateway.chat()
            #expect(answer.status == 502)
            #expect(gateway.journal.records.first?.attempts.map(\.cost) == [.unknown, .unknown, .unknown])
        }
    }

    // MARK: What a client is told

    @Test("a whole answer says what it cost, what is left, and how its limits stand")
    func headers() async throws {
        try await run([JournalOrderTests.whole]) { gateway, admission, _ in
            let rates = [(RateLimit.Quantity.requestsPerMinute, 60), (.tokensPerMinute, 1000), (.concurrency, 5)].map {
                RateState(
                    limit: RateLimit(
                        id: LimitID(ULID(high: 6, low: 1)), subject: .workspace(WorkspaceID(ULID(high: 1, low: 3))),
                        model: nil, quantity: $0.0, amount: Int64($0.1)),
                    remaining: Int64($0.1) - 1, reset: .milliseconds(1200))
            }
            admission.charge(Self.price, remaining: Amount(units: 1_250_000_000, .money(.usd)), rates: rates)
            let answer = try await gateway.chat()
            #expect(answer.headers["volery-cost"] == "0.00012 USD")
            #expect(answer.headers["volery-budget-remaining"] == "1.25 USD")
            #expect(answer.headers["x-ratelimit-limit-requests"] == "60")
            #expect(answer.headers["x-ratelimit-remaining-requests"] == "59")
            #expect(answer.headers["x-ratelimit-reset-requests"] == "2s")
            #expect(answer.headers["x-ratelimit-remaining-tokens"] == "999")
            #expect(answer.headers.keys.count { $0.hasPrefix("x-ratelimit-") } == 6)
        }
    }

    @Test("a stream says what is left in its head; its cost, if usage was asked for, in a comment before its end")
    func streams() async throws {
        try await run(PassThroughTests.stream()) { gateway, _, _ in
            let answer = try await gateway.chat(Self.streamWithUsage)
            #expect(answer.headers["volery-budget-remaining"] == "1.25 USD")
            #expect(answer.headers["volery-cost"] == nil)
            #expect(answer.body.hasSuffix(": volery-cost 0.00012 USD\n\ndata: [DONE]\n\n"))
        }
    }

    @Test(
        "a stream whose caller did not ask for usage has no comment",
        arguments: [#","stream":true"#, #","stream":true,"stream_options":{"include_usage":false}"#])
    func streamsWithoutUsage(members: String) async throws {
        try await run(PassThroughTests.stream()) { gateway, _, _ in
            let answer = try await gateway.chat(members)
            #expect(answer.headers["volery-budget-remaining"] == "1.25 USD")
            #expect(answer.body.hasSuffix("data: [DONE]\n\n") && !answer.body.contains("volery-cost"))
        }
    }

    private static let streamWithUsage = #","stream":true,"stream_options":{"include_usage":true}"#

    @Test("a stream that breaks says its cost before the error")
    func brokenStream() async throws {
        let script = [
            ScriptedUpstream.streamHead, ScriptedUpstream.chunk(Self.words), .wait(.milliseconds(20)), .close,
        ]
        try await run(script) { gateway, _, _ in
            let answer = try await gateway.chat(Self.streamWithUsage)
            let cost = try #require(answer.body.firstRange(of: ": volery-cost"))
            let error = try #require(answer.body.firstRange(of: "UPSTREAM_TRUNCATED"))
            #expect(cost.lowerBound < error.lowerBound)
        }
    }

    @Test("without prices and limits an answer says nothing of them")
    func silent() async throws {
        let upstream = try await ScriptedUpstream.start(PassThroughTests.stream())
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.chat(Self.streamWithUsage)
            let told = answer.headers.keys.filter { $0.hasPrefix("volery-") || $0.hasPrefix("x-ratelimit") }
            #expect(told == ["volery-route"])
            #expect(!answer.body.contains("volery-cost"))
        }
        try await upstream.stop()
    }
}
