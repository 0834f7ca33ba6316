import FoundationEssentials
import Gateway
import Inference
import Kernel
import NIOCore
import Testing

/// A prompt that may be too long is counted before its call. `PromptCountTests` has what is asked.
@Suite struct CountingTests {
    /// 5,000 bytes for a context of 2,048 tokens.
    private static let body: String = {
        let text = String(repeating: "word ", count: 1000)
        return #"{"model":"\#(GatewayFixture.model)","messages":[{"role":"user","content":"\#(text)"}]}"#
    }()
    private static let request = GatewayFixture.request(body: body)

    private func paths(of upstream: ScriptedUpstream) -> [String] {
        upstream.seen.requests.map { String($0.split(separator: " ")[1]) }
    }

    @Test("what is counted to be too long is refused with its count, and not called")
    func tooLong() async throws {
        let upstream = try await ScriptedUpstream.start([ScriptedUpstream.json(#"{"count":2048}"#)])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.send(Self.request)
            #expect(answer.status == 400)
            #expect(answer.body.contains(#""code":"CONTEXT_LENGTH_EXCEEDED""#))
            #expect(answer.body.contains("The prompt has 2048 tokens, and the model's context holds 2048."))
            #expect(gateway.journal.records.isEmpty)
        }
        #expect(paths(of: upstream) == ["/tokenize"])
        try await upstream.stop()
    }

    @Test("what is counted and fits is called")
    func fits() async throws {
        let upstream = try await ScriptedUpstream.start([ScriptedUpstream.json(#"{"count":2047,"choices":[]}"#)])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.send(Self.request)
            #expect(answer.status == 200)
            #expect(try await gateway.records().count == 1)
        }
        #expect(paths(of: upstream) == ["/tokenize", "/v1/chat/completions"])
        try await upstream.stop()
    }

    @Test("who cannot count is asked once, and what surely fits is not counted")
    func cannot() async throws {
        let upstream = try await ScriptedUpstream.start([ScriptedUpstream.json("{}", status: "404 Not Found")])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            _ = try await gateway.chat()
            #expect(paths(of: upstream) == ["/v1/chat/completions"])
            let both = GatewayFixture.request(body: Self.body, closes: false) + Self.request
            _ = try await gateway.send(both)
        }
        let chat = "/v1/chat/completions"
        #expect(paths(of: upstream) == [chat, "/tokenize", chat, chat])
        try await upstream.stop()
    }

    @Test("who is silent, or closes, is called without a count", arguments: [true, false])
    func silent(isSilent: Bool) async throws {
        let upstream = try await ScriptedUpstream.start([isSilent ? .silence : .close])
        var limits = GatewayLimits()
        if isSilent { (limits.countTimeout, limits.firstByteTimeout) = (.seconds(1), .seconds(1)) }
        try await GatewayFixture.run(upstream: upstream.port, limits: limits) { gateway in
            let answer = try await gateway.send(Self.request)
            #expect(answer.status == (isSilent ? 504 : 502))
            #expect(try await gateway.records().count == 1)
        }
        #expect(paths(of: upstream).prefix(2) == ["/tokenize", "/v1/chat/completions"])
        try await upstream.stop()
    }

    @Test("who cannot be reached to count is called, and the call says so")
    func unreachable() async throws {
        try await GatewayFixture.run(upstream: 1) { gateway in
            let answer = try await gateway.send(Self.request)
            #expect(answer.status == 502 && answer.body.contains("UPSTREAM_UNREACHABLE"))
            let count = try await gateway.send(Self.question())
            #expect(count.status == 502 && count.body.contains("api_error") && count.headers["retry-after"] == "1")
        }
    }

    @Test("a client's question takes a place among the requests in work, and gives it back")
    func places() async throws {
        let hold = ScriptedUpstream.Hold()
        let upstream = try await ScriptedUpstream.start([.hold(hold), ScriptedUpstream.json(#"{"count":7}"#)])
        var limits = GatewayLimits()
        limits.maximumRequests = 1
        limits.countTimeout = .seconds(60)
        try await GatewayFixture.run(upstream: upstream.port, limits: limits) { gateway in
            async let first = gateway.send(Self.question())
            try await eventually { hold.waiting == 1 }
            let second = try await gateway.send(Self.question())
            #expect(second.status >= 429 && second.headers["retry-after"] == "1", "\(second)")
            hold.open()
            let answered = try await first
            #expect(answered.body == #"{"input_tokens":7}"#)
            let third = try await gateway.send(Self.question())
            #expect(third.body == #"{"input_tokens":7}"#)
        }
        #expect(paths(of: upstream) == ["/tokenize", "/tokenize"])
        try await upstream.stop()
    }

    @Test("a client that leaves ends the count, and leaves no row")
    func leaves() async throws {
        let upstream = try await ScriptedUpstream.start([.silence])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            try await RawClient.connect(to: gateway.port).leave(after: Self.request) {
                try await eventually { upstream.seen.requests.count == 1 }
            }
            try await eventually { upstream.seen.closed.count == 1 }
            #expect(gateway.journal.records.isEmpty)
        }
        #expect(paths(of: upstream) == ["/tokenize"])
        try await upstream.stop()
    }

    private static func question(words: Int = 1) -> String {
        let text = String(repeating: "word ", count: words)
        let body = #"{"model":"\#(GatewayFixture.model)","messages":[{"role":"user","content":"\#(text)"}]}"#
        return GatewayFixture.request("POST", "/v1/messages/count_tokens", body: body)
    }

    @Test("a client is told the count of what is far too long for an answer")
    func longQuestion() async throws {
        let upstream = try await ScriptedUpstream.start([ScriptedUpstream.json(#"{"count":20000}"#)])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.send(Self.question(words: 20_000))
            #expect(answer.status == 200 && answer.body == #"{"input_tokens":20000}"#)
        }
        try await upstream.stop()
    }

    @Test("a client's mistake is told in the words of who was asked, and keeps nobody else from asking")
    func mistake() async throws {
        let fault = ScriptedUpstream.json(#"{"error":{"message":"tools.0: bad"}}"#, status: "400 Bad Request")
        let upstream = try await ScriptedUpstream.start([fault])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            for _ in 0..<2 {
                let answer = try await gateway.send(Self.question())
                #expect(answer.status == 400 && answer.body.contains("tools.0: bad"))
            }
        }
        #expect(paths(of: upstream) == ["/tokenize", "/tokenize"])
        try await upstream.stop()
    }

    @Test("a failure is told as one, so that a client tries again")
    func failure() async throws {
        let upstream = try await ScriptedUpstream.start([
            ScriptedUpstream.json("{}", status: "503 Service Unavailable")
        ])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            for _ in 0..<2 {
                let answer = try await gateway.send(Self.question())
                #expect(answer.status >= 500 && answer.headers["retry-after"] != nil, "\(answer)")
            }
        }
        #expect(paths(of: upstream) == ["/tokenize", "/tokenize"])
        try await upstream.stop()
    }

    @Test("a connection that was closed while it was idle is no failure")
    func idleClose() async throws {
        let upstream = try await ScriptedUpstream.start([.closeIfReused, ScriptedUpstream.json(#"{"count":7}"#)])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let client = try await RawClient.connect(to: gateway.port)
            let first = GatewayFixture.request(
                "POST", "/v1/messages/count_tokens", body: GatewayFixture.chat(), closes: false)
            // The second one finds the first one's connection, which is about to be closed.
            let both = try await client.send(first + Self.question())
            #expect(both.components(separatedBy: #"{"input_tokens":7}"#).count == 3, "\(both)")
        }
        try await upstream.stop()
    }

    @Test("a client's own question is answered with the count alone")
    func question() async throws {
        let upstream = try await ScriptedUpstream.start([ScriptedUpstream.json(#"{"count":7}"#)])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let body = #"{"model":"\#(GatewayFixture.model)","messages":[{"role":"user","content":"hello"}]}"#
            let answer = try await gateway.send(
                GatewayFixture.request("POST", "/v1/messages/count_tokens", body: body))
            #expect(answer.status == 200 && answer.body == #"{"input_tokens":7}"#)
            let wrong = try await gateway.send(GatewayFixture.request("GET", "/v1/messages/count_tokens"))
            #expect(wrong.status == 405)
            #expect(gateway.journal.records.isEmpty)
        }
        #expect(paths(of: upstream) == ["/tokenize"])
        try await upstream.stop()
    }
}
