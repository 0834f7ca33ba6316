import Gateway
import Inference
import NIOCore
import Testing

/// Each record comes before the bytes that it must cover.
@Suite struct JournalOrderTests {
    static func content(_ text: String) -> String { "data: {\"choices\":[{\"delta\":{\"content\":\"\(text)\"}}]}\n\n" }

    static let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
    static let done = "data: [DONE]\n\n"
    static let whole = ScriptedUpstream.json(
        #"{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#)

    /// On a busy machine an idle close is seen late.
    static var patient: GatewayLimits {
        var limits = GatewayLimits()
        limits.idleCloseWindow = .seconds(60)
        limits.idleConnectionTimeout = .seconds(60)
        return limits
    }

    @Test("a stream is opened before its upstream hears of it, noted before its content, closed before its end")
    func stream() async throws {
        let (content, rest) = (ScriptedUpstream.Hold(), ScriptedUpstream.Hold())
        let upstream = try await ScriptedUpstream.start([
            ScriptedUpstream.streamHead, ScriptedUpstream.chunk(Self.role), .hold(content),
            ScriptedUpstream.chunk(Self.content("first")), .hold(rest),
            ScriptedUpstream.chunk(Self.content("second") + Self.done), ScriptedUpstream.lastChunk,
        ])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let tape = gateway.journal.tape
            async let whole = gateway.chat(#","stream":true"#)
            // Each read of its own.
            try await eventually { tape.index(toClient: "assistant") != nil }
            content.open()
            try await eventually { tape.index(toClient: "first") != nil }
            rest.open()
            let answer = try await whole
            #expect(answer.events.last == "[DONE]")
            let sent = try #require(tape.index { if case .toUpstream = $0 { true } else { false } })
            let progress = try #require(tape.index { $0 == .progress })
            let closed = try #require(tape.index { $0 == .close })
            let content = try #require(tape.index(toClient: "first"))
            let end = try #require(tape.index(toClient: "[DONE]"))
            #expect(tape.all.first == .open(attempt: 1))
            #expect(sent < progress)
            #expect(progress < content)
            // A role is no content.
            let role = try #require(tape.index(toClient: "assistant"))
            #expect(role < progress)
            #expect(content < closed)
            #expect(closed < end)
            let open = try #require(gateway.journal.opens.first)
            let record = try #require(gateway.journal.records.first)
            let noted = try #require(gateway.journal.progress.first)
            #expect(gateway.journal.opens.count == 1)
            #expect(gateway.journal.records.count == 1)
            #expect(open.request == record.request)
            #expect(open.key == record.key)
            #expect(open.workspace == record.workspace)
            #expect(open.deployment == record.deployment)
            #expect(open.model == record.model)
            #expect(open.started == record.started)
            #expect(open.isStream)
            #expect(noted.request == record.request)
            #expect(noted.usage.outputTokens == 1)
            #expect(noted.usage.inputTokens == record.usage.inputTokens)
            #expect(noted.usage.source == .estimated)
            #expect(noted.firstToken == record.firstToken)
            #expect(noted.elapsed <= record.latency)
            // The disk is waited for in strict mode only.
            #expect(gateway.journal.asked == 0)
        }
        try await upstream.stop()
    }

    @Test("a whole answer is opened before its upstream hears of it, and closed before its first byte")
    func wholeAnswer() async throws {
        let upstream = try await ScriptedUpstream.start([Self.whole])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.chat()
            #expect(answer.status == 200)
            let kinds = gateway.journal.tape.all.map { entry in
                switch entry {
                case .open: "open"
                case .progress: "progress"
                case .endNoted: "end"
                case .close: "close"
                case .ticketEnd: "ticket"
                case .ticketClose: "over"
                case .toClient: "client"
                case .toUpstream: "upstream"
                }
            }
            var steps: [String] = []
            for kind in kinds where steps.last != kind { steps.append(kind) }
            #expect(steps == ["open", "upstream", "ticket", "end", "over", "close", "client"])
        }
        try await upstream.stop()
    }

    @Test("what a client was shown is never further ahead of the records than an interval")
    func cadence() async throws {
        let events = 1000
        let upstream = try await ScriptedUpstream.start(
            [ScriptedUpstream.streamHead]
                + (0..<events).map { ScriptedUpstream.chunk(Self.content("\($0)")) }
                + [ScriptedUpstream.chunk(Self.done), ScriptedUpstream.lastChunk])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.chat(#","stream":true"#)
            #expect(answer.events.last == "[DONE]")
            let counts = gateway.journal.progress.map(\.usage.outputTokens)
            #expect(counts.count > 1)
            #expect(counts == counts.sorted())
            #expect(gateway.journal.records.first?.usage.outputTokens == events)
            #expect(events - (counts.last ?? 0) < GatewayLimits.progressEvents)
            // Nothing beyond what is noted, and less than an interval more, had gone out at any time.
            var shown = 0
            var noted = 0
            for entry in gateway.journal.tape.all {
                if entry == .progress {
                    noted += 1
                } else if case .toClient(let bytes) = entry {
                    shown += bytes.ranges(of: "\"content\"").count
                }
                let counted = noted == 0 ? 0 : counts[noted - 1] + GatewayLimits.progressEvents - 1
                #expect(shown <= counted)
            }
            #expect(shown == events)
        }
        try await upstream.stop()
    }

    @Test("the runtime's own count stands in the record as soon as it is known")
    func ownCount() async throws {
        let event =
            "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],"
            + "\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7}}\n\n"
        let upstream = try await ScriptedUpstream.start([
            ScriptedUpstream.streamHead, ScriptedUpstream.chunk(event), .wait(.milliseconds(200)), .close,
        ])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            _ = try await gateway.chat(#","stream":true"#)
            let noted = try #require(gateway.journal.progress.first)
            #expect(noted.usage == Usage(inputTokens: 11, outputTokens: 7, source: .provider))
        }
        try await upstream.stop()
    }

    @Test("a request that goes out again after an idle close is opened twice and closed once")
    func retry() async throws {
        let upstream = try await ScriptedUpstream.start([.closeIfReused, Self.whole])
        try await GatewayFixture.run(upstream: upstream.port, limits: Self.patient) { gateway in
            let first = GatewayFixture.request(body: GatewayFixture.chat(), closes: false)
            let second = GatewayFixture.request(body: GatewayFixture.chat())
            let text = try await RawClient.connect(to: gateway.port).send(first + second)
            #expect(text.ranges(of: "HTTP/1.1 200").count == 2)
            #expect(upstream.seen.requests.count == 3)
            #expect(gateway.journal.tape.attempts == [1, 1, 2])
            let opens = gateway.journal.opens
            try #require(opens.count == 3)
            #expect(opens[1].request == opens[2].request)
            #expect(gateway.journal.records.map(\.request) == [opens[0].request, opens[1].request])
            let last = try #require(gateway.journal.tape.all.lastIndex(of: .open(attempt: 2)))
            let sent = gateway.journal.tape.all.indices.filter {
                if case .toUpstream(let bytes) = gateway.journal.tape.all[$0] { bytes.hasPrefix("POST") } else { false }
            }
            try #require(sent.count == 3)
            #expect(sent[1] < last)
            #expect(last < sent[2])
        }
        try await upstream.stop()
    }

    @Test("a request that never reached its upstream is closed too")
    func refused() async throws {
        try await GatewayFixture.run(upstream: 1) { gateway in
            let answer = try await gateway.chat()
            #expect(answer.status == 502)
            #expect(gateway.journal.tape.attempts == [1, 2, 3])
            #expect(gateway.journal.records.map(\.request) == [gateway.journal.opens.first?.request])
            #expect(Set(gateway.journal.opens.map(\.request)).count == 1)
        }
    }

    @Test("a request that is refused before a model is chosen leaves no record")
    func noRecord() async throws {
        try await GatewayFixture.run(scheme: .builtIn) { gateway in
            let answer = try await gateway.chat(model: "unknown")
            #expect(answer.status == 404)
            #expect(gateway.journal.opens.isEmpty)
            #expect(gateway.journal.records.isEmpty)
        }
    }
}
