import Inference
import Kernel
import NIOCore
import Testing

@testable import Gateway

/// What providers and runtimes say of their usage, each in its own way.
@Suite struct UsageReadingTests {
    struct Example: Sendable {
        let usage: String
        let read: Usage?
    }

    static let examples = [
        Example(
            usage: """
                {"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,\
                "prompt_tokens_details":{"audio_tokens":1,"cached_tokens":60},\
                "completion_tokens_details":{"reasoning_tokens":20}}
                """,
            read: Usage(
                inputTokens: 100, outputTokens: 50, cachedTokens: 60, reasoningTokens: 20, source: .provider)),
        // xAI counts what was thought beside the answer.
        Example(
            usage: """
                {"prompt_tokens":10,"completion_tokens":5,"total_tokens":45,\
                "completion_tokens_details":{"reasoning_tokens":30}}
                """,
            read: Usage(inputTokens: 10, outputTokens: 35, reasoningTokens: 30, source: .provider)),
        // DeepSeek.
        Example(
            usage: #"{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":8}"#,
            read: Usage(inputTokens: 10, outputTokens: 5, cachedTokens: 8, source: .provider)),
        Example(
            usage: #"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":null}"#,
            read: Usage(inputTokens: 10, outputTokens: 5, source: .provider)),
        // Never more of a part than there is of the whole, and never less than none.
        Example(
            usage: """
                {"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":99},\
                "completion_tokens_details":{"reasoning_tokens":-3}}
                """,
            read: Usage(inputTokens: 10, outputTokens: 5, cachedTokens: 10, source: .provider)),
        Example(
            usage: """
                {"prompt_tokens":10,"completion_tokens":5,"total_tokens":-9223372036854775808,\
                "completion_tokens_details":{"reasoning_tokens":9223372036854775807}}
                """,
            read: Usage(inputTokens: 10, outputTokens: 5, reasoningTokens: 5, source: .provider)),
        Example(usage: #"{"prompt_tokens":9223372036854775807,"completion_tokens":1}"#, read: nil),
        Example(usage: "null", read: nil),
    ]

    @Test("cached and thought tokens are read, and counts that cannot be are not believed", arguments: examples)
    func reads(_ example: Example) throws {
        let text = Array(#"{"id":"x","choices":[],"usage":\#(example.usage)}"#.utf8)
        let facts = try #require(text.withUnsafeBytes { AnswerReader.read($0) })
        #expect(facts.usage == example.read)
    }

    @Test("amounts and times are written as clients know them")
    func words() {
        func remaining(_ units: Int64, _ asset: Asset) -> String? {
            var lines = FieldLines()
            AnswerTerms.add(price: nil, remaining: Amount(units: units, asset), rates: [], to: &lines)
            let text = String(buffer: lines.bytes)
            return text.wholeMatch(of: /volery-budget-remaining: (.+)\r\n/).map { String($0.output.1) }
        }
        #expect(remaining(1200, .tokens) == "1200 tokens")
        #expect(remaining(1500, .audio) == "1.5 audio_seconds")
        #expect(remaining(-5, .gpu) == "-0.005 gpu_seconds")
        #expect(remaining(1_250_000_000, .money(.usd)) == "1.25 USD")
        #expect(AnswerTerms.text(of: .zero) == "0s")
        #expect(AnswerTerms.text(of: .milliseconds(120)) == "120ms")
        #expect(AnswerTerms.text(of: .microseconds(999_001)) == "1s")
        #expect(AnswerTerms.text(of: .milliseconds(8640)) == "9s")
        #expect(AnswerTerms.text(of: .seconds(360)) == "6m0s")
        #expect(AnswerTerms.text(of: .seconds(86_400)) == "24h0m0s")
    }
}
