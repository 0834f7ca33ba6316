import Gateway
import Inference
import NIOCore
import Testing

@Suite struct BadInputTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let request: String
        let status: Int
        let code: String
        var parameter: String?

        var testDescription: String { name }
    }

    static func body(_ name: String, _ body: String, _ parameter: String?, path: String = "/v1/chat/completions")
        -> Case
    {
        Case(
            name: name, request: GatewayFixture.request("POST", path, body: body), status: 400,
            code: "VALIDATION_ERROR", parameter: parameter)
    }

    static let message = #"[{"role":"user","content":"x"}]"#
    static let cases: [Case] = [
        body("no body", "", nil), body("no JSON", "hello", nil), body("half JSON", #"{"model":"#, nil),
        body("an array", "[]", nil), body("bytes after the end", GatewayFixture.chat() + "x", nil),
        body("no model", #"{"messages":\#(message)}"#, "model"),
        body("a number as model", #"{"model":1,"messages":\#(message)}"#, "model"),
        body("an empty model", #"{"model":"","messages":\#(message)}"#, "model"),
        body("no messages", #"{"model":"test-model"}"#, "messages"),
        body("empty messages", #"{"model":"test-model","messages":[]}"#, "messages"),
        body("messages as text", #"{"model":"test-model","messages":"x"}"#, "messages"),
        body("a message without a role", #"{"model":"test-model","messages":[{"content":"x"}]}"#, "messages[0].role"),
        body("a message that is none", #"{"model":"test-model","messages":[7]}"#, "messages[0]"),
        body("stream as text", GatewayFixture.chat(#","stream":"yes""#), "stream"),
        body("temperature as text", GatewayFixture.chat(#","temperature":"hot""#), "temperature"),
        body("a negative cap", GatewayFixture.chat(#","max_tokens":-3"#), "max_tokens"),
        body("a cap of nothing", GatewayFixture.chat(#","max_tokens":0"#), "max_tokens"),
        body("a negative newer cap", GatewayFixture.chat(#","max_completion_tokens":-1"#), "max_completion_tokens"),
        body(
            "a completion's negative cap", #"{"model":"test-model","prompt":"x","max_tokens":-1}"#, "max_tokens",
            path: "/v1/completions"),
        body("a member twice", GatewayFixture.chat(#","model":"other""#), "model"),
        body("stop as number", GatewayFixture.chat(#","stop":5"#), "stop"),
        body(
            "include_usage as text", GatewayFixture.chat(#","stream_options":{"include_usage":"x"}"#),
            "stream_options.include_usage"),
        body("empty input", #"{"model":"test-model","input":[]}"#, "input", path: "/v1/embeddings"),
        body("no prompt", #"{"model":"test-model"}"#, "prompt", path: "/v1/completions"),
        body(
            "too deep",
            GatewayFixture.chat(",\"x\":" + String(repeating: "[", count: 100) + String(repeating: "]", count: 100)),
            nil),
        Case(
            name: "unknown model", request: GatewayFixture.request(body: GatewayFixture.chat(model: "nope")),
            status: 404,
            code: "MODEL_NOT_FOUND", parameter: "model"),
        Case(
            name: "no key", request: GatewayFixture.request(body: GatewayFixture.chat(), token: nil), status: 401,
            code: "AUTHENTICATION_REQUIRED"),
        Case(
            name: "a wrong key", request: GatewayFixture.request(body: GatewayFixture.chat(), token: "vk_no"),
            status: 401,
            code: "INVALID_API_KEY"),
        Case(
            name: "two keys",
            request: GatewayFixture.request(body: GatewayFixture.chat(), headers: "authorization: Bearer x\r\n"),
            status: 400, code: "VALIDATION_ERROR", parameter: "authorization"),
        Case(
            name: "wrong method", request: GatewayFixture.request("GET"), status: 405, code: "METHOD_NOT_ALLOWED"),
        Case(
            name: "a form", status: 415, code: "UNSUPPORTED_MEDIA_TYPE", parameter: "Content-Type",
            headers: "content-type: multipart/form-data; boundary=x\r\n"),
        Case(
            name: "gzip", status: 415, code: "UNSUPPORTED_MEDIA_TYPE", parameter: "Content-Encoding",
            headers: "content-encoding: gzip\r\n"),
        Case(
            name: "unknown transfer coding",
            request: "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n{}",
            status: 400, code: "VALIDATION_ERROR", parameter: "transfer-encoding"),
        Case(
            name: "unknown transfer coding, for the control plane",
            request: "POST /v1/admin/keys HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n{}",
            status: 400, code: "VALIDATION_ERROR", parameter: "transfer-encoding"),
        Case(name: "no HTTP", request: "hello world\r\n\r\n", status: 400, code: "VALIDATION_ERROR"),
    ]

    @Test("bad input is refused with code, parameter and hint", arguments: cases)
    func refused(_ bad: Case) async throws {
        try await GatewayFixture.run(scheme: .builtIn) { gateway in
            let answer = try await gateway.send(bad.request)
            #expect(answer.status == bad.status)
            #expect(answer.body.contains(#""code":"\#(bad.code)""#))
            #expect(answer.body.contains(#""hint":""#))
            if let parameter = bad.parameter { #expect(answer.body.contains(#""param":"\#(parameter)""#)) }
            #expect(answer.headers["x-request-id"]?.hasPrefix("req_") == true)
            if bad.status == 405 { #expect(answer.headers["allow"] == "POST") }
            if bad.code == "MODEL_NOT_FOUND" { #expect(answer.body.contains("test-model")) }
            #expect(gateway.journal.records.isEmpty)
        }
    }

    @Test("bytes that are not UTF-8 are refused")
    func badUTF8() async throws {
        try await GatewayFixture.run(scheme: .builtIn) { gateway in
            var bytes = ByteBuffer(string: GatewayFixture.request(body: GatewayFixture.chat()))
            bytes.setInteger(UInt8(0xFF), at: bytes.writerIndex - 6)
            let answer = RawAnswer(try await RawClient.connect(to: gateway.port).send(bytes))
            #expect(answer.status == 400)
            #expect(answer.body.contains("UTF-8"))
        }
    }

    @Test("a body that is too large is refused, also when its length is not said", arguments: [true, false])
    func tooLarge(isLengthKnown: Bool) async throws {
        var limits = GatewayLimits()
        limits.maximumBody = 100_000
        try await GatewayFixture.run(scheme: .builtIn, limits: limits) { gateway in
            let body = String(repeating: "x", count: 5_000_000)
            let chunked =
                "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \(OneKeyStore.token)\r\n"
                + "transfer-encoding: chunked\r\n\r\n4c4b40\r\n\(body)\r\n0\r\n\r\n"
            let answer = try await gateway.send(isLengthKnown ? GatewayFixture.request(body: body) : chunked)
            #expect(answer.status == 413)
            #expect(answer.body.contains("PAYLOAD_TOO_LARGE"))
            #expect(gateway.core.bodyBytesHeld == 0)
        }
    }

    @Test("headers that are too large are refused with 431")
    func largeHeaders() async throws {
        try await GatewayFixture.run(scheme: .builtIn) { gateway in
            let header = "x-long: \(String(repeating: "h", count: 100_000))\r\n"
            let answer = try await gateway.send(GatewayFixture.request(body: GatewayFixture.chat(), headers: header))
            #expect(answer.status == 431)
            #expect(answer.body.contains("HEADERS_TOO_LARGE"))
        }
    }

    @Test("models are listed and found by name and alias")
    func models() async throws {
        try await GatewayFixture.run(scheme: .builtIn) { gateway in
            let list = try await gateway.send(GatewayFixture.request("GET", "/v1/models"))
            #expect(list.status == 200)
            #expect(list.body.contains(#""id":"test-model""#))
            let one = try await gateway.send(GatewayFixture.request("GET", "/v1/models/alias"))
            #expect(one.body.contains(#""id":"test-model""#))
            let none = try await gateway.send(GatewayFixture.request("GET", "/v1/models/nope"))
            #expect(none.status == 404)
        }
    }
}

extension BadInputTests.Case {
    init(name: String, status: Int, code: String, parameter: String, headers: String) {
        self.init(
            name: name, request: GatewayFixture.request(body: GatewayFixture.chat(), headers: headers), status: status,
            code: code, parameter: parameter)
    }
}
