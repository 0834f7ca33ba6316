package import Billing
package import Inference

/// What an answer is capped at that would else have no bound that can be relied on.
package struct OutputCap: Sendable, Equatable {
    /// Stands in for every cap of the caller's that caps nothing.
    package let tokens: Int
    /// The member that is added; nil where the caller's own will do.
    package let added: RequestFacts.CapName?
}

/// What a request can consume at most, and what it will likely.
package struct RequestBounds: Sendable {
    /// What a provider counts for a picture at most.
    static let tokensOfImage = 6000
    /// What it likely counts.
    static let likelyTokensOfImage = 1000
    /// What a model's template may say of itself where tools are offered. Without them it says less than the JSON
    /// around the messages has bytes.
    static let template = 256
    /// Of an answer that nothing bounds, and that no wall is to bound.
    static let unbounded = 1 << 20
    /// No product passes it, whatever a caller writes.
    private static let most = 1 << 40
    /// What an answer without a cap likely has, for limits of tokens per minute.
    private static let likelyOutput = 512

    private let operation: Operation
    private let deployment: Deployment?
    private let contextLimit: Int?
    /// Bytes of the body without its images.
    private let textBytes: Int
    // Of the facts what is asked for, since each text and set among them would be one more thing to hold.
    private let caps: [RequestFacts.Cap]
    private let outputCap: Int?
    private let countedInput: Int?
    private let choices: Int
    private let prompts: Int
    private let images: Int
    private let offersTools: Bool
    private let hasUnseenParts: Bool

    /// - Parameter deployment: nil while none is chosen; what it bounds is not bounded then.
    package init(_ facts: RequestFacts, bytes: Int, operation: Operation, deployment: Deployment?) {
        caps = facts.caps
        outputCap = facts.outputCap
        countedInput = facts.countedInput
        choices = facts.choices
        prompts = facts.prompts
        images = facts.images
        offersTools = facts.offersTools
        hasUnseenParts = facts.hasUnseenParts
        self.operation = operation
        self.deployment = deployment
        contextLimit = deployment?.contextLimit
        textBytes = max(0, bytes - facts.imageBytes)
    }

    /// No token has less than a byte, so that bytes bound the prompt; a known context does too.
    private var input: Int {
        let frame = offersTools ? Self.template : 0
        let byBytes = hasUnseenParts ? Self.unbounded : textBytes + frame
        let byContext = contextLimit.map { Self.product($0, prompts) } ?? byBytes
        return min(byBytes, byContext) + Self.product(images, Self.tokensOfImage)
    }

    /// No tokenizer has fewer for a text that somebody wrote: it would need words of eight bytes throughout.
    package var leastInput: Int { countedInput ?? textBytes / 8 }

    /// Whether it is open if the prompt fits into a context. Few texts have more tokens than half their bytes.
    package func mayExceed(_ limit: Int) -> Bool {
        let most = textBytes / 2 + Self.product(images, Self.likelyTokensOfImage)
        return countedInput == nil && most > limit && leastInput <= limit
    }

    /// What an answer likely has.
    package var expectedOutput: Int {
        output(each: min(outputCap ?? Self.likelyOutput, Self.likelyOutput))
    }

    /// About four bytes a token in the languages that models are trained on most.
    package var likelyInput: Int {
        if let counted = countedInput { return counted }
        let likely = textBytes / 4 + Self.product(images, Self.likelyTokensOfImage)
        return contextLimit.map { min(likely, Self.product($0, prompts)) } ?? likely
    }

    /// What a request must be given so that its answer has an upper bound; nil where its caller's own cap is one.
    /// - Parameter fallback: the cap where the caller named none: `GatewayLimits.defaultOutputCap`.
    package func cap(_ fallback: Int) -> OutputCap? {
        if operation == .embeddings { return nil }
        let isKept = caps.contains { $0.tokens != nil && obeyed.contains($0.name) }
        if isKept, !caps.contains(where: { $0.tokens == nil }) { return nil }
        // An idle one of that name is filled in.
        let isThere = caps.contains { obeyed.contains($0.name) }
        return OutputCap(tokens: outputCap ?? room(for: fallback), added: isThere ? nil : obeyed[0])
    }

    /// What an answer is capped at where its request goes out in another dialect, which may not go without a cap.
    /// - Parameter fallback: as for `cap`.
    package func translatedCap(_ fallback: Int) -> Int { outputCap ?? room(for: fallback) }

    /// The member by which the deployment takes its cap.
    package var capName: RequestFacts.CapName { obeyed[0] }

    /// Some runtimes refuse a cap for which the context has no room beside the prompt.
    private func room(for fallback: Int) -> Int {
        guard let context = contextLimit else { return fallback }
        let room = context - textBytes / 2 - Self.template - Self.product(images, Self.likelyTokensOfImage)
        return max(min(Self.template, context), min(fallback, room))
    }

    /// The caps that the upstream is known to go by, the one to add first. OpenAI's newer models refuse `max_tokens`,
    /// and some runtimes do not know `max_completion_tokens`: a provider documents what it takes, a runtime ignores.
    private var obeyed: [RequestFacts.CapName] {
        guard let deployment else { return [.maxTokens] }
        switch operation.asked(over: deployment.wire) {
        case .completions, .embeddings, .messages: return [.maxTokens]
        case .responses: return [.maxOutputTokens]
        case .chat: break
        }
        let host = deployment.endpoint.host
        if host.hasSuffix(".openai.com") || host.hasSuffix(".openai.azure.com") {
            return [.maxCompletionTokens, .maxTokens]
        }
        return deployment.provider == nil ? [.maxTokens] : [.maxTokens, .maxCompletionTokens]
    }

    /// - Parameter cap: what the request is sent with, beside what its caller gave.
    package func ceiling(cap: OutputCap?) -> Quantities {
        var ceiling = Quantities()
        ceiling.requests = 1
        ceiling.input = Int64(input)
        ceiling.output = Int64(output(each: outputCap ?? cap?.tokens ?? Self.unbounded))
        return ceiling
    }

    /// What it takes from a limit of tokens per minute until the actual is known.
    package func estimate(cap: OutputCap?) -> Int64 {
        let each = outputCap ?? min(cap?.tokens ?? Self.likelyOutput, Self.likelyOutput)
        return Int64(likelyInput + output(each: each))
    }

    /// What was seen of an answer, counted: no more than its caller's cap lets a model make.
    package func likelyOutput(seen: Int) -> Int { min(seen, output(each: outputCap ?? Self.unbounded)) }

    private func output(each: Int) -> Int {
        guard operation != .embeddings else { return 0 }
        let bound = min(each, contextLimit ?? each)
        return Self.product(Self.product(bound, choices), prompts)
    }

    private static func product(_ left: Int, _ right: Int) -> Int {
        let (product, overflow) = left.multipliedReportingOverflow(by: right)
        return overflow ? most : min(product, most)
    }
}
