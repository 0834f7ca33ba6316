import Gateway
import Inference
import NIOCore
import Testing

/// Requests that two readers in a row could understand differently end their connection, on both planes.
@Suite struct SmugglingTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let fields: String
        let body: String
        var parameter: String?

        var testDescription: String { name }
    }

    /// What a reader that is mistaken would take for the next request.
    static let hidden = "GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \(OneKeyStore.token)\r\n\r\n"

    static let cases: [Case] = [
        Case(
            name: "a length and chunks", fields: "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            body: "0\r\n\r\n", parameter: "content-length"),
        Case(
            name: "two lengths", fields: "content-length: 0\r\ncontent-length: 5\r\n", body: "",
            parameter: "content-length"),
        Case(
            name: "two codings", fields: "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
            body: "0\r\n\r\n", parameter: "transfer-encoding"),
        Case(name: "two hosts", fields: "content-length: 0\r\nhost: y\r\n", body: "", parameter: "host"),
        Case(name: "a blank before a colon", fields: "transfer-encoding : chunked\r\n", body: "0\r\n\r\n"),
        Case(name: "a folded line", fields: "x: y\r\n content-length: 9\r\n", body: ""),
        Case(name: "a line feed alone", fields: "x: y\ncontent-length: 9\r\n", body: ""),
        Case(name: "a chunk's size that is none", fields: "transfer-encoding: chunked\r\n", body: "0x0\r\n\r\n"),
    ]

    @Test("a message that could end in two places is refused, and nothing behind it is read", arguments: cases)
    func refused(_ bad: Case) async throws {
        try await GatewayFixture.run(scheme: .builtIn) { gateway in
            for path in ["/v1/chat/completions", "/upload"] {
                let head = "POST \(path) HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \(OneKeyStore.token)\r\n"
                let text = try await RawClient.connect(to: gateway.port).send(
                    ByteBuffer(string: head + bad.fields + "\r\n" + bad.body + Self.hidden),
                    until: { $0.contains(#""hint""#) })
                let answer = RawAnswer(text)
                #expect(!answer.body.contains("test-model"), "\(path)")
                // A request of the control plane has begun there when its body turns out to be none.
                if path == "/upload", bad.body.hasPrefix("0x") { continue }
                #expect(answer.status == 400, "\(path)")
                #expect(answer.body.contains("VALIDATION_ERROR"), "\(path)")
                if let parameter = bad.parameter {
                    #expect(answer.body.contains(#""param":"\#(parameter)""#), "\(path)")
                }
            }
            #expect(gateway.journal.records.isEmpty)
        }
    }
}
