package import Kernel

/// Sets what a model costs; other prices of the book stay as they are.
package struct NewPrice: Sendable, Codable, Equatable {
    /// A name, the beginning of names and a `*`, or `*`.
    package var model: String
    /// `price`: what tenants pay. `cost`: what it costs the platform. Nil for price.
    package var kind: String?
    package var provider: String?
    package var operation: String?
    package var currency: String
    /// How many tokens or characters a price is for: 1, 1000 or 1000000. Nil for 1000000. All else is priced singly.
    package var per: Int?
    /// For requests whose prompt has more tokens than this.
    package var above: Int?
    package var input: DecimalInput?
    package var cachedInput: DecimalInput?
    package var output: DecimalInput?
    package var reasoning: DecimalInput?
    package var characters: DecimalInput?
    package var image: DecimalInput?
    /// An image's size as `1024x1024`, and its most steps.
    package var size: String?
    package var steps: Int?
    package var audioSecond: DecimalInput?
    package var gpuSecond: DecimalInput?
    package var request: DecimalInput?
    /// Nil for at once.
    package var effective: Instant?

    package init(model: String, currency: String) {
        self.model = model
        self.currency = currency
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case model, kind, provider, operation, currency, per, above, input, cachedInput = "cached_input", output
        case reasoning, characters, image, size, steps, audioSecond = "audio_second", gpuSecond = "gpu_second", request
        case effective
    }
}

/// A whole book as people write it. What `PriceBookView` shows can be imported again.
package struct NewPriceBook: Sendable, Codable, Equatable {
    /// `price` or `cost`; nil for price.
    package var kind: String?
    /// Nil for at once.
    package var effective: Instant?
    /// The version that its author saw as the last; nil for whatever is the last now.
    package var after: Int?
    package var prices: [PriceEntryView]?
    package var umu: [UMUConversionView]?
    package var umuPrice: [UnitPriceView]?
    package var rates: [ExchangeRateView]?

    package init(
        kind: String? = nil, effective: Instant? = nil, after: Int? = nil, prices: [PriceEntryView]? = nil,
        umu: [UMUConversionView]? = nil, umuPrice: [UnitPriceView]? = nil, rates: [ExchangeRateView]? = nil
    ) {
        self.kind = kind
        self.effective = effective
        self.after = after
        self.prices = prices
        self.umu = umu
        self.umuPrice = umuPrice
        self.rates = rates
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case kind, effective, after, prices, umu, umuPrice = "umu_price", rates
    }
}

/// Asks what a request would cost, before it runs.
package struct NewQuote: Sendable, Codable, Equatable {
    package var model: String
    /// Nil for chat.
    package var operation: String?
    package var inputTokens: Int?
    package var cachedInputTokens: Int?
    package var outputTokens: Int?
    package var reasoningTokens: Int?
    package var tags: [String]?
    /// A chat request's messages, in the place of `input_tokens`: they are bounded by their bytes.
    package var messages: [QuotedValue]?
    /// The most that is answered, in the place of `output_tokens`.
    package var maxTokens: Int?
    /// The same in the words of OpenAI's newer models; not both.
    package var maxCompletionTokens: Int?
    package var n: Int?
    /// By identifier, or by name in the caller's tenant; nil for the caller's own.
    package var workspace: String?

    package init(model: String, inputTokens: Int? = nil, outputTokens: Int? = nil) {
        self.model = model
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case model, operation, inputTokens = "input_tokens", cachedInputTokens = "cached_input_tokens"
        case outputTokens = "output_tokens", reasoningTokens = "reasoning_tokens", tags, messages
        case maxTokens = "max_tokens", maxCompletionTokens = "max_completion_tokens", n, workspace
    }
}
