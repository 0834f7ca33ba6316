/// What a request consumed.
package struct Usage: Sendable, Hashable {
    package var inputTokens: Int
    package var outputTokens: Int
    /// Of the input: those that the model had in its cache.
    package var cachedTokens: Int
    /// Of the output: those that the model thought and did not say.
    package var reasoningTokens: Int
    package var source: CountSource

    package init(
        inputTokens: Int, outputTokens: Int, cachedTokens: Int = 0, reasoningTokens: Int = 0, source: CountSource
    ) {
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.cachedTokens = cachedTokens
        self.reasoningTokens = reasoningTokens
        self.source = source
    }

    package static let none = Usage(inputTokens: 0, outputTokens: 0, source: .provider)
}

/// Where the counts come from, best first.
package enum CountSource: String, Sendable, Codable, CaseIterable {
    /// Reported by the runtime or provider in its answer.
    case provider
    /// Counted here with the model's own rule.
    case counted
    /// Derived here from bytes or chunks, because the answer broke off before the runtime reported.
    case estimated
}
