import Gateway
import Inference
import Kernel
import NIOCore
import Testing

@Suite struct RequestRewriteTests {
    struct Case: Sendable {
        let before: String
        let after: String
    }

    static let messages = #""messages":[{"role":"user","content":"model"}]"#
    static let cases = [
        Case(before: #"{"model":"m",\#(messages)}"#, after: #"{"model":"up\"x",\#(messages)}"#),
        Case(
            before: #"{ "model" : "m", "stream":true, \#(messages)}"#,
            after: #"{"stream_options":{"include_usage":true}, "model" : "up\"x", "stream":true, \#(messages)}"#),
        Case(
            before: #"{"stream_options":{},"stream":true,"model":"m",\#(messages)}"#,
            after: #"{"stream_options":{"include_usage":true},"stream":true,"model":"up\"x",\#(messages)}"#),
        Case(
            before: #"{"stream_options":{"a":1},"stream":true,"model":"m",\#(messages)}"#,
            after: #"{"stream_options":{"include_usage":true,"a":1},"stream":true,"model":"up\"x",\#(messages)}"#),
        Case(
            before: #"{"stream_options":{"include_usage":false},"stream":true,"model":"m",\#(messages)}"#,
            after: #"{"stream_options":{"include_usage":true},"stream":true,"model":"up\"x",\#(messages)}"#),
        Case(
            before: #"{"stream_options":null,"stream":true,"model":"m",\#(messages)}"#,
            after: #"{"stream_options":{"include_usage":true},"stream":true,"model":"up\"x",\#(messages)}"#),
        Case(
            before: #"{"model":"m","stream":true,"stream_options":{"include_usage":true},\#(messages)}"#,
            after: #"{"model":"up\"x","stream":true,"stream_options":{"include_usage":true},\#(messages)}"#),
    ]

    @Test("only the name and the wish for usage change", arguments: cases)
    func rewrites(_ example: Case) throws {
        let body = ByteBuffer(string: example.before)
        let facts = try RequestReader.read(body, for: .chat)
        let after = RequestRewrite.rewrite(
            body, facts: facts, upstreamModel: "up\"x", allocator: ByteBufferAllocator())
        #expect(String(buffer: after) == example.after)
    }

    @Test("a body that ends too early is told in a sentence")
    func shortBody() {
        let problem = #expect(throws: Problem.self) { try RequestReader.read(ByteBuffer(string: "{"), for: .chat) }
        #expect(
            problem?.message == "The body is not valid JSON: at byte 1 there is its end, where more must follow.")
    }

    @Test("an escaped spelling of a member's name is seen as that member")
    func escapedNames() throws {
        let body = ByteBuffer(string: #"{"\u006dodel":"m",\#(Self.messages)}"#)
        #expect(try RequestReader.read(body, for: .chat).model == "m")
    }
}
