import Gateway
import Inference
import NIOCore
import Testing

/// Each fault gives a clear answer from the catalog, and a usage row that says so.
@Suite struct UpstreamFaultTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let script: [ScriptedUpstream.Step]
        let status: Int
        let code: String
        let row: RequestStatus
        var isStream = false

        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(name: "reset before the head", script: [.reset], status: 502, code: "UPSTREAM_UNREACHABLE", row: .failed),
        Case(name: "closed before the head", script: [.close], status: 502, code: "UPSTREAM_UNREACHABLE", row: .failed),
        Case(name: "silence", script: [.silence], status: 504, code: "UPSTREAM_TIMEOUT", row: .timedOut),
        Case(
            name: "429 with Retry-After",
            script: [ScriptedUpstream.json(#"{"error":{}}"#, status: "429 Too Many", headers: "retry-after: 7\r\n")],
            status: 429, code: "UPSTREAM_RATE_LIMITED", row: .failed),
        Case(
            name: "500 with HTML",
            script: [
                .send(
                    "HTTP/1.1 500 No\r\ncontent-type: text/html\r\ncontent-length: 25\r\n\r\n<html>secret-path</html>\n"
                )
            ],
            status: 502, code: "UPSTREAM_ERROR", row: .failed),
        Case(
            name: "broken JSON", script: [ScriptedUpstream.json(#"{"choices":[{"#)], status: 502,
            code: "UPSTREAM_INVALID_RESPONSE", row: .failed),
        Case(
            name: "a body of 100 MB",
            script: [
                .send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000000\r\n\r\n"),
                .flood(100_000_000),
            ], status: 502, code: "UPSTREAM_INVALID_RESPONSE", row: .failed),
        Case(
            name: "a content length that is too large",
            script: [
                .send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"a\":1}"),
                .close,
            ], status: 502, code: "UPSTREAM_TRUNCATED", row: .failed),
        Case(
            name: "a content length that is too small",
            script: [
                .send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n{\"a\":1}"),
                .close,
            ], status: 502, code: "UPSTREAM_INVALID_RESPONSE", row: .failed),
        Case(
            name: "no HTTP", script: [.send("SSH-2.0-x\r\n\r\n")], status: 502, code: "UPSTREAM_INVALID_RESPONSE",
            row: .failed),
        Case(
            name: "JSON where a stream was asked", script: [ScriptedUpstream.json("{}")], status: 502,
            code: "UPSTREAM_INVALID_RESPONSE", row: .failed, isStream: true),
        Case(
            name: "an error as the first event",
            script: [
                ScriptedUpstream.streamHead,
                ScriptedUpstream.chunk("data: {\"error\":{\"message\":\"internal detail\"}}\n\n"),
            ], status: 502, code: "UPSTREAM_ERROR", row: .failed, isStream: true),
    ]

    @Test("a fault before the first byte is an error answer and a row", arguments: cases)
    func beforeTheFirstByte(_ fault: Case) async throws {
        let upstream = try await ScriptedUpstream.start(fault.script)
        var limits = GatewayLimits()
        if fault.row == .timedOut { limits.firstByteTimeout = .milliseconds(300) }
        try await GatewayFixture.run(upstream: upstream.port, limits: limits) { gateway in
            let answer = try await gateway.chat(fault.isStream ? #","stream":true"# : "")
            #expect(answer.status == fault.status)
            #expect(answer.body.contains(#""code":"\#(fault.code)""#))
            #expect(answer.headers["x-request-id"]?.hasPrefix("req_") == true)
            for leak in ["secret-path", "internal detail", "127.0.0.1"] { #expect(!answer.body.contains(leak)) }
            if fault.code == "UPSTREAM_RATE_LIMITED" { #expect(answer.headers["retry-after"] == "7") }
            let record = try #require(try await gateway.records().first)
            #expect(record.status == fault.row)
            #expect(record.errorCode == fault.code)
            #expect(record.httpStatus == fault.status)
            #expect(record.usage == .none)
        }
        try await upstream.stop()
    }

    @Test("a refused connection is an error answer and a row")
    func refusedConnection() async throws {
        // Nothing listens on port 1, and no test beside this one is ever given it.
        try await GatewayFixture.run(upstream: 1) { gateway in
            let answer = try await gateway.chat()
            #expect(answer.status == 502)
            #expect(answer.body.contains("UPSTREAM_UNREACHABLE"))
            #expect(try await gateway.records().first?.status == .failed)
        }
    }

    struct Cut: Sendable, CustomTestStringConvertible {
        let name: String
        let end: [ScriptedUpstream.Step]
        let code: String
        let row: RequestStatus

        var testDescription: String { name }
    }

    static let cuts: [Cut] = [
        Cut(name: "closed", end: [.close], code: "UPSTREAM_TRUNCATED", row: .truncated),
        Cut(name: "reset", end: [.reset], code: "UPSTREAM_TRUNCATED", row: .truncated),
        Cut(
            name: "ended without a terminal event", end: [ScriptedUpstream.lastChunk], code: "UPSTREAM_TRUNCATED",
            row: .truncated),
        Cut(name: "silent", end: [.silence], code: "UPSTREAM_TIMEOUT", row: .timedOut),
        Cut(
            name: "broken JSON", end: [ScriptedUpstream.chunk("data: {\"choices\n\n")],
            code: "UPSTREAM_INVALID_RESPONSE", row: .truncated),
        Cut(
            name: "an error event", end: [ScriptedUpstream.chunk("data: {\"error\":{\"message\":\"x\"}}\n\n")],
            code: "UPSTREAM_ERROR", row: .truncated),
    ]

    @Test("a stream that breaks ends with an explicit error event, never with [DONE]", arguments: cuts)
    func inTheMiddle(_ cut: Cut) async throws {
        let event = #"{"model":"upstream-name","choices":[{"delta":{"content":"hi"}}]}"#
        let upstream = try await ScriptedUpstream.start(
            [ScriptedUpstream.streamHead, ScriptedUpstream.chunk("data: \(event)\n\n"), .wait(.milliseconds(30))]
                + cut.end)
        var limits = GatewayLimits()
        if cut.row == .timedOut { limits.idleTimeout = .seconds(2) }
        try await GatewayFixture.run(upstream: upstream.port, limits: limits) { gateway in
            let answer = try await gateway.chat(#","stream":true"#)
            #expect(answer.status == 200)
            #expect(answer.events.first?.contains(#""content":"hi""#) == true)
            #expect(answer.events.first?.contains(#""model":"test-model""#) == true)
            let last = try #require(answer.events.last)
            #expect(last.contains(#""code":"\#(cut.code)""#))
            #expect(!answer.body.contains("[DONE]"))
            let record = try #require(try await gateway.records().first)
            #expect(record.status == cut.row)
            #expect(record.errorCode == cut.code)
            #expect(record.usage.outputTokens == 1)
            #expect(record.usage.source == .estimated)
            #expect(record.firstToken != nil)
        }
        try await upstream.stop()
    }
}
