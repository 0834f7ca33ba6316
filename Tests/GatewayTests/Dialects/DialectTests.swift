import Gateway
import Inference
import Kernel
import NIOCore
import NIOHTTP1
import Testing

@Suite struct DialectTests {
    let request = RequestID(ULID(high: 3, low: 9))

    @Test("each dialect has its own event for a stream that broke off")
    func errorEvents() throws {
        let problem = Problem(.upstreamTruncated)
        let openAI = String(buffer: Dialect.openAI.errorEvent(problem, request: request))
        let anthropic = String(buffer: Dialect.anthropic.errorEvent(problem, request: request))
        let responses = String(buffer: Dialect.responses.errorEvent(problem, request: request))
        #expect(openAI.hasPrefix(#"data: {"error":{"#))
        #expect(anthropic.hasPrefix("event: error\ndata: {"))
        #expect(responses.hasPrefix("event: error\ndata: {"))
        for event in [openAI, anthropic, responses] {
            #expect(event.contains(#""code":"UPSTREAM_TRUNCATED""#))
            #expect(event.contains(request.description))
            #expect(event.hasSuffix("}\n\n"))
        }
        let data = try DialectFixture.object(try #require(DialectFixture.data(of: responses).first))
        #expect(data["type"] as? String == "error")
        #expect(data["message"] as? String == problem.message)
    }

    @Test("an operation is asked for in the deployment's dialect", arguments: WireProtocol.allCases)
    func asked(wire: WireProtocol) {
        let isAnthropic = wire == .anthropic
        #expect(Inference.Operation.chat.asked(over: wire) == (isAnthropic ? .messages : .chat))
        #expect(Inference.Operation.messages.asked(over: wire) == (isAnthropic ? .messages : .chat))
        #expect(Inference.Operation.responses.asked(over: wire) == .responses)
    }

    static let refused: [(Int, String, ErrorCode)] = [
        (529, #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, .providerDegraded),
        (429, #"{"type":"error","error":{"type":"rate_limit_error","message":"x"}}"#, .upstreamRateLimited),
        (
            400,
            #"{"type":"error","error":{"type":"invalid_request_error","#
                + #""message":"prompt is too long: 215000 tokens > 200000 maximum"}}"#,
            .contextLengthExceeded
        ),
        (
            400,
            #"{"type":"error","error":{"type":"invalid_request_error","#
                + #""message":"input length and `max_tokens` exceed context limit:"#
                + #" 190000 + 20000 > 200000"}}"#,
            .contextLengthExceeded
        ),
        (
            400,
            #"{"error":{"message":"This model's maximum context length is 8192","#
                + #""code":"context_length_exceeded"}}"#,
            .contextLengthExceeded
        ),
        (400, #"{"error":{"code":400,"message":"bad"}}"#, .upstreamRejected),
        (400, #"{"type":"error","error":{"type":"invalid_request_error","message":"bad"}}"#, .upstreamRejected),
        (401, #"{"type":"error","error":{"type":"authentication_error","message":"x"}}"#, .upstreamError),
        (500, #"{"type":"error","error":{"type":"api_error","message":"x"}}"#, .upstreamError),
    ]

    @Test("a provider's refusal becomes an error of the catalog", arguments: refused)
    func refusals(status: Int, body: String, code: ErrorCode) {
        let problem = UpstreamRefusal.problem(
            status: status, headers: HTTPHeaders(), body: ByteBuffer(string: body), at: Instant(microseconds: 0))
        #expect(problem.code == code)
    }

    @Test("a prompt that is too long is told with its counts")
    func counts() {
        let body = #"{"type":"error","error":{"message":"prompt is too long: 215000 tokens > 200000 maximum"}}"#
        let problem = UpstreamRefusal.problem(
            status: 400, headers: HTTPHeaders(), body: ByteBuffer(string: body), at: Instant(microseconds: 0))
        #expect(problem.figures == [.init("prompt_tokens", 215_000), .init("context_limit", 200_000)])
    }
}
