import Inference

extension Usage {
    /// A count beyond any context is a fault of the upstream's, and would spoil every sum that it is part of.
    private static let plausible = 0...(1 << 40)

    /// What an upstream reported.
    /// - Parameters:
    ///   - input: with what came from the cache.
    ///   - output: embeddings produce no tokens, and say so by leaving the count out.
    init?(reportedInput input: Int?, output: Int?, total: Int? = nil, cached: Int?, reasoning: Int?) {
        guard let input, Self.plausible.contains(input), var output = Optional(output ?? 0),
            Self.plausible.contains(output)
        else { return nil }
        let thought = min(max(reasoning ?? 0, 0), Self.plausible.upperBound)
        // Some count what was thought beside the answer, and not as a part of it; only their total shows it.
        if thought > 0, total == input + output + thought { output += thought }
        self.init(
            inputTokens: input, outputTokens: output, cachedTokens: min(max(cached ?? 0, 0), input),
            reasoningTokens: min(thought, output), source: .provider)
    }

    /// From the object `usage` of OpenAI's chat or responses.
    init?(openAI node: JSONNode) {
        let input = node["prompt_tokens_details"] ?? node["input_tokens_details"]
        let output = node["completion_tokens_details"] ?? node["output_tokens_details"]
        self.init(
            reportedInput: (node["prompt_tokens"] ?? node["input_tokens"])?.integer,
            output: (node["completion_tokens"] ?? node["output_tokens"])?.integer,
            total: node["total_tokens"]?.integer,
            // The second is DeepSeek's.
            cached: input?["cached_tokens"]?.integer ?? node["prompt_cache_hit_tokens"]?.integer,
            reasoning: output?["reasoning_tokens"]?.integer)
    }
}

extension AnswerTally {
    /// From the object `usage` of OpenAI's chat.
    mutating func take(_ usage: JSONNode) {
        if let counts = Usage(openAI: usage) { self.usage = counts }
        if let cost = usage["cost"], cost.kind == .number { toldCost = ToldCost.billionths(cost.raw) }
    }
}

/// Anthropic's counts, which come in several events of a stream; each one told later stands for the whole.
struct MessagesCounts: Sendable {
    /// Without what was read from or written to the cache.
    private var input: Int?
    private var cacheWritten: Int?
    private var cacheRead: Int?
    private var output: Int?
    private var thinking: Int?

    mutating func take(_ usage: JSONNode) {
        if let count = usage["input_tokens"]?.integer { input = count }
        if let count = usage["cache_creation_input_tokens"]?.integer { cacheWritten = count }
        if let count = usage["cache_read_input_tokens"]?.integer { cacheRead = count }
        if let count = usage["output_tokens"]?.integer { output = count }
        let details = usage["output_tokens_details"]
        if let count = details?["thinking_tokens"]?.integer { thinking = count }
    }

    /// Nil without the counts that every answer has.
    var usage: Usage? {
        guard let input, output != nil else { return nil }
        var sum = input
        for part in [cacheWritten, cacheRead] {
            let (next, overflow) = sum.addingReportingOverflow(max(0, part ?? 0))
            if overflow { return nil }
            sum = next
        }
        return Usage(reportedInput: sum, output: output, cached: cacheRead, reasoning: thinking)
    }
}

extension Usage {
    /// Members of Anthropic's `usage`, without the braces around them.
    func writeMessagesCounts(to writer: inout JSONWriter) {
        writer.member("input_tokens", integer: inputTokens - cachedTokens)
        writer.member("cache_creation_input_tokens", integer: 0)
        writer.member("cache_read_input_tokens", integer: cachedTokens)
        writer.member("output_tokens", integer: outputTokens)
        if reasoningTokens > 0 {
            writer.name("output_tokens_details")
            writer.beginObject()
            writer.member("thinking_tokens", integer: reasoningTokens)
            writer.endObject()
        }
    }

    /// Members of chat's `usage`, without the braces around them.
    func writeChatCounts(to writer: inout JSONWriter) {
        writer.member("prompt_tokens", integer: inputTokens)
        writer.member("completion_tokens", integer: outputTokens)
        writer.member("total_tokens", integer: inputTokens + outputTokens)
        writer.name("prompt_tokens_details")
        writer.beginObject()
        writer.member("cached_tokens", integer: cachedTokens)
        writer.endObject()
        writer.name("completion_tokens_details")
        writer.beginObject()
        writer.member("reasoning_tokens", integer: reasoningTokens)
        writer.endObject()
    }
}
