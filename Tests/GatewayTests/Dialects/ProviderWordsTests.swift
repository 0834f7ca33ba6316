import Gateway
import Inference
import Kernel
import NIOCore
import NIOHTTP1
import Testing

/// What single providers say in their own words.
@Suite struct ProviderWordsTests {
    // 2026-11-22T08:00:00Z
    private static let now = Instant(microseconds: 1_795_334_400_000_000)

    private func problem(_ status: Int, _ body: String = "", retryAfter: String? = nil) -> Problem {
        UpstreamRefusal.problem(
            status: status, headers: retryAfter.map { ["retry-after": $0] } ?? HTTPHeaders(),
            body: ByteBuffer(string: body), at: Self.now)
    }

    // MARK: Waiting

    static let waits: [(String, Int)] = [
        ("7", 7), ("0", 1), ("-3", 1), ("99999", 3600), ("Sun, 22 Nov 2026 08:00:40 GMT", 40),
        ("Sun, 22 Nov 2026 07:59:00 GMT", 1), ("Fri, 31 Dec 2049 23:59:59 GMT", 3600),
    ]

    @Test("when to ask again is told in seconds, whichever form it came in", arguments: waits)
    func retryAfter(text: String, seconds: Int) {
        #expect(problem(429, retryAfter: text).retryAfter == seconds)
    }

    @Test(
        "what is neither seconds nor a date is passed over",
        arguments: ["soon", "", "Sun, 99 Foo 2026 08:00:40 GMT", "Sun, 22 Nov 2026 08:00:40 CET", "1.5"])
    func noRetryAfter(text: String) {
        #expect(problem(429, retryAfter: text).retryAfter == 1)
        let failure = UpstreamRefusal.failure(status: 429, headers: ["retry-after": text] as HTTPHeaders, at: Self.now)
        #expect(failure == .overloaded(retryAfter: nil))
    }

    @Test("a model that broke off with 424 is the upstream's failure, and another one is asked")
    func brokeOff() {
        #expect(problem(424, #"{"error":"Request failed during generation"}"#).code == .upstreamError)
        let failure = UpstreamRefusal.failure(status: 424, headers: HTTPHeaders(), at: Self.now)
        #expect(failure == .failing)
    }

    // MARK: Too long

    static let tooLong: [(String, [Problem.Figure])] = [
        (
            #"{"error":{"code":400,"n_prompt_tokens":9001,"n_ctx":8192,"message":"x"}}"#,
            [.init("prompt_tokens", 9001), .init("context_limit", 8192)]
        ),
        (
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
            [.init("prompt_tokens", 9001), .init("context_limit", 8192)]
        ),
        (
            "This endpoint's maximum context length is 8192 tokens. However, you requested about 8292 tokens "
                + "(8000 of text input, 292 in the output).",
            [.init("prompt_tokens", 8000), .init("context_limit", 8192), .init("answer_tokens", 292)]
        ),
        (
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192. Given: 8901 `inputs` tokens "
                + "and 100 `max_new_tokens`",
            [.init("prompt_tokens", 8901), .init("context_limit", 8192)]
        ),
    ]

    @Test("a prompt that is too long is told with its counts, however the runtime says them", arguments: tooLong)
    func contexts(words: String, figures: [Problem.Figure]) {
        let bodies =
            words.hasPrefix("{") ? [words] : [#"{"error":{"message":"\#(words)"}}"#, #"{"error":"\#(words)"}"#]
        for body in bodies {
            let problem = problem(422, body)
            #expect(problem.code == .contextLengthExceeded)
            #expect(problem.figures == figures)
        }
    }

    @Test(
        "words that only look like it are the request's own fault",
        arguments: [
            "maximum context length is 8192 tokens and you used 12", "prompt is too long", "must be <= 12",
            "maximum context length is 99999999999999999999 tokens, 9 were used",
        ])
    func otherWords(words: String) {
        let problem = problem(400, #"{"error":{"message":"\#(words)"}}"#)
        #expect(problem.code == .upstreamRejected && problem.figures.isEmpty)
    }

    // MARK: Costs

    static let costs: [(String, Int64?)] = [
        ("0.00014", 140_000), ("1.4e-4", 140_000), ("1.4E-4", 140_000), ("0", 0), ("2", 2_000_000_000),
        ("12e3", 12_000_000_000_000), ("0.0000000001", 1), ("0.00000000100001", 2), ("1e-30", 1),
        ("0.12345678901234567890", 123_456_790), ("-0.5", nil), ("1e99", nil), ("1e9", 1_000_000_000_000_000_000),
        ("99999999999999999999", nil), (#""0.5""#, nil), ("null", nil),
    ]

    @Test("what a call cost is read in billionths, rounded up", arguments: costs)
    func told(number: String, billionths: Int64?) throws {
        let answer = #"{"usage":{"prompt_tokens":1,"completion_tokens":2,"cost":\#(number)},"choices":[]}"#
        let facts = try #require(ByteBuffer(string: answer).withUnsafeReadableBytes { AnswerReader.read($0) })
        #expect(facts.toldCost == billionths)
        #expect(facts.usage?.outputTokens == 2)
    }

    @Test("an error inside a choice is an error")
    func errorInChoice() throws {
        let choice = #"{"index":0,"delta":{"content":""},"finish_reason":"error","error":{"code":502,"message":"x"}}"#
        let facts = try #require(
            ByteBuffer(string: #"{"choices":[\#(choice)]}"#).withUnsafeReadableBytes { AnswerReader.read($0) })
        #expect(facts.hasError)
    }
}
