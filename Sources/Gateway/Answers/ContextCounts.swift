import Kernel

/// How far a request is beyond a model's context, as its runtime counted it.
struct ContextCounts {
    /// Tokens of the prompt.
    let prompt: Int
    /// Tokens that the answer may have, where the runtime counts them in.
    var answer = 0
    let limit: Int

    init(prompt: Int, answer: Int = 0, limit: Int) {
        self.prompt = prompt
        self.answer = answer
        self.limit = limit
    }

    /// From the words of runtimes and providers that have no members for it:
    ///
    /// | who                | says                                                                                    |
    /// |--------------------|-----------------------------------------------------------------------------------------|
    /// | Anthropic          | `prompt is too long: 215000 tokens > 200000 maximum`                                    |
    /// | OpenAI, vLLM       | `maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens` |
    /// | OpenRouter         | the same, `requested about 9001 tokens (8901 of text input, 100 in the output)`         |
    /// | TGI                | `must be <= 8192. Given: 8901 `inputs` tokens and 100 `max_new_tokens``                 |
    ///
    /// - Returns: nil for other words, and where they say that it fits.
    init?(in message: String) {
        let numbers = Self.numbers(in: message)
        if message.hasPrefix("prompt is too long"), numbers.count == 2 {
            self.init(prompt: numbers[0], limit: numbers[1])
        } else if message.contains("maximum context length is"), numbers.count >= 2 {
            // Where the sum is told in its parts, they come last.
            let isSplit = numbers.count == 4 && numbers[2] + numbers[3] == numbers[1]
            self.init(prompt: isSplit ? numbers[2] : numbers[1], answer: isSplit ? numbers[3] : 0, limit: numbers[0])
        } else if message.contains("`inputs` tokens + `max_new_tokens` must be <="), numbers.count == 3 {
            self.init(prompt: numbers[1], answer: numbers[2], limit: numbers[0])
        } else {
            return nil
        }
        guard prompt + answer > limit else { return nil }
    }

    /// In the order of the text; one that is beyond any context is left out.
    private static func numbers(in text: String) -> [Int] {
        text.split { !$0.isASCII || !$0.isNumber }.compactMap { Int($0) }.filter { $0 < 1 << 40 }
    }

    var problem: Problem {
        let figures = [Problem.Figure("prompt_tokens", prompt), .init("context_limit", limit)]
        guard prompt <= limit else {
            return Problem(
                .contextLengthExceeded,
                "The prompt has \(prompt) tokens, and the model's context holds \(limit). Nothing was cut.",
                parameter: "messages",
                hint: "Shorten the prompt by at least \(max(1, prompt - limit + 1)) tokens, "
                    + "or use a model with a larger context.",
                figures: figures)
        }
        return Problem(
            .contextLengthExceeded,
            "The prompt has \(prompt) tokens, the answer may have \(answer), and the model's context holds \(limit). "
                + "Nothing was cut.",
            parameter: "max_tokens",
            hint: "Ask for an answer of at most \(limit - prompt) tokens, or shorten the prompt.",
            figures: figures + [.init("answer_tokens", answer)])
    }
}
