import Gateway
import Inference
import NIOCore
import Testing

@Suite struct PassThroughTests {
    static let usage = #""usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}"#

    static func stream() -> [ScriptedUpstream.Step] {
        [
            ScriptedUpstream.streamHead,
            ScriptedUpstream.chunk(
                "data: {\"model\":\"upstream-name\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"),
            ScriptedUpstream.chunk("data: {\"model\":\"upstream-name\",\"choices\":[],\(usage)}\n\n"),
            ScriptedUpstream.chunk("data: [DONE]\n\n"), ScriptedUpstream.lastChunk,
        ]
    }

    @Test("the model's name is rewritten on the way up and on the way back")
    func rewritesTheName() async throws {
        let body = #"{"id":"1","model":"upstream-name","choices":[{"message":{"content":"yes"}}],\#(Self.usage)}"#
        let upstream = try await ScriptedUpstream.start([ScriptedUpstream.json(body)])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.chat(#","temperature":0"#, model: "alias")
            #expect(answer.status == 200)
            #expect(answer.body == body.replacing("upstream-name", with: "test-model"))
            let sent = try #require(upstream.seen.requests.first)
            #expect(sent.contains(#""model":"upstream-name""#))
            #expect(sent.contains(#""temperature":0"#))
            #expect(!sent.contains(OneKeyStore.token))
            let record = try #require(try await gateway.records().first)
            #expect(record.usage == Usage(inputTokens: 5, outputTokens: 2, source: .provider))
            #expect(record.status == .succeeded)
            #expect(record.model == "test-model")
        }
        try await upstream.stop()
    }

    @Test("usage is asked for upstream, counted, and kept from a client that did not ask")
    func stripsUsage() async throws {
        let upstream = try await ScriptedUpstream.start(Self.stream())
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.chat(#","stream":true"#)
            #expect(upstream.seen.requests.first?.contains(#""stream_options":{"include_usage":true}"#) == true)
            #expect(answer.events.count == 2)
            #expect(!answer.body.contains("usage"))
            #expect(answer.events.last == "[DONE]")
            #expect(try await gateway.records().first?.usage.inputTokens == 5)
        }
        try await upstream.stop()
    }

    @Test("a complete stream whose upstream does not hang up is complete for its client, and is closed behind it")
    func hangingUpstream() async throws {
        let upstream = try await ScriptedUpstream.start(Array(Self.stream().dropLast()) + [.silence])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.chat(#","stream":true"#)
            #expect(answer.events.last == "[DONE]")
            #expect(try await gateway.records().first?.status == .succeeded)
            try await eventually { !upstream.seen.closed.isEmpty }
            #expect(upstream.seen.closed.count == 1)
        }
        try await upstream.stop()
    }

    @Test("usage reaches a client that asked")
    func keepsUsage() async throws {
        let upstream = try await ScriptedUpstream.start(Self.stream())
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.chat(#","stream":true,"stream_options":{"include_usage":true}"#)
            #expect(answer.events.count == 3)
            #expect(answer.events[1].contains(Self.usage))
        }
        try await upstream.stop()
    }

    @Test("an over-long prompt is refused with the runtime's numbers")
    func overLongPrompt() async throws {
        let fault =
            #"{"error":{"code":400,"message":"request (3000 tokens) exceeds","type":"exceed_context_size_error","#
            + #""n_prompt_tokens":3000,"n_ctx":2048}}"#
        let upstream = try await ScriptedUpstream.start([ScriptedUpstream.json(fault, status: "400 Bad Request")])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.chat()
            #expect(answer.status == 400)
            #expect(answer.body.contains("CONTEXT_LENGTH_EXCEEDED"))
            #expect(answer.body.contains("3000"))
            #expect(answer.body.contains("2048"))
            #expect(try await gateway.records().first?.status == .rejected)
        }
        try await upstream.stop()
    }

    @Test("tools are passed on with a warning, and refused where the caller insists on them")
    func toolsHonestly() async throws {
        let upstream = try await ScriptedUpstream.start([ScriptedUpstream.json(#"{"choices":[]}"#)])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let tools = #","tools":[{"type":"function","function":{"name":"f"}}]"#
            let offered = try await gateway.chat(tools)
            #expect(offered.status == 200)
            #expect(offered.headers["volery-warning"]?.contains("tools") == true)
            #expect(upstream.seen.requests.first?.contains(#""tools":[{"#) == true)
            let required = try await gateway.chat(tools + #","tool_choice":"required""#)
            #expect(required.status == 400)
            #expect(required.body.contains("CAPABILITY_UNSUPPORTED"))
        }
        try await upstream.stop()
    }

    @Test("demo-echo answers a stream and a whole answer, and counts for itself")
    func echo() async throws {
        try await GatewayFixture.run(scheme: .builtIn) { gateway in
            let whole = try await gateway.chat()
            #expect(whole.status == 200)
            #expect(whole.body.contains("not a language model"))
            #expect(whole.body.contains("hello"))
            let stream = try await gateway.chat(#","stream":true"#)
            #expect(stream.events.last == "[DONE]")
            let records = try await gateway.records(2)
            #expect(records.allSatisfy { $0.usage.source == .counted && $0.usage.outputTokens > 5 })
        }
    }

    @Test("an idle connection that its server closed is replaced without the caller noticing")
    func survivesIdleClose() async throws {
        let upstream = try await ScriptedUpstream.start([
            ScriptedUpstream.json(#"{"choices":[]}"#), .wait(.milliseconds(20)), .close,
        ])
        try await GatewayFixture.run(upstream: upstream.port, limits: JournalOrderTests.patient) { gateway in
            for _ in 0..<4 {
                let answer = try await gateway.chat()
                #expect(answer.status == 200)
            }
        }
        try await upstream.stop()
    }
}
