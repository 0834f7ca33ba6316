package import Inference
package import Kernel

/// An outside provider whose address need not be looked up.
package struct KnownProvider: Sendable, Hashable {
    package let name: String
    /// As people write it.
    package let title: String
    /// Without `/v1`. Nil where only an API is spoken that this version does not.
    package let endpoint: String?
    /// What is spoken there.
    package let wire: WireProtocol
    /// Where its users keep its key, by the provider's own documentation.
    package let variable: String
}

/// Taken from the providers' own documentation of their OpenAI-compatible addresses.
package enum KnownProviders {
    /// By name, sorted.
    package static let all: [KnownProvider] = [
        known("anthropic", "Anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", .anthropic),
        known("cerebras", "Cerebras", "https://api.cerebras.ai", "CEREBRAS_API_KEY"),
        known("deepseek", "DeepSeek", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
        known("fal", "fal", nil, "FAL_KEY"),
        known("fireworks", "Fireworks AI", "https://api.fireworks.ai/inference", "FIREWORKS_API_KEY"),
        known("groq", "Groq", "https://api.groq.com/openai", "GROQ_API_KEY"),
        known("huggingface", "Hugging Face", "https://router.huggingface.co", "HF_TOKEN"),
        known("mistral", "Mistral", "https://api.mistral.ai", "MISTRAL_API_KEY"),
        known("nvidia", "NVIDIA", "https://integrate.api.nvidia.com", "NVIDIA_API_KEY"),
        known("openai", "OpenAI", "https://api.openai.com", "OPENAI_API_KEY"),
        known("openrouter", "OpenRouter", "https://openrouter.ai/api", "OPENROUTER_API_KEY"),
        known("replicate", "Replicate", nil, "REPLICATE_API_TOKEN"),
        known("sambanova", "SambaNova", "https://api.sambanova.ai", "SAMBANOVA_API_KEY"),
        known("stability", "Stability AI", nil, "STABILITY_API_KEY"),
        known("together", "Together AI", "https://api.together.xyz", "TOGETHER_API_KEY"),
        known("xai", "xAI", "https://api.x.ai", "XAI_API_KEY"),
    ]

    /// What a provider speaks that is not said otherwise.
    package static func wire(of name: String) -> WireProtocol { all.first { $0.name == name }?.wire ?? .openAI }

    /// What a provider of this name asks and tells beyond its protocol.
    package static func terms(of name: String) -> ProviderTerms {
        guard name == "openrouter" else { return .none }
        // https://openrouter.ai/docs/app-attribution and /docs/use-cases/usage-accounting: one credit is a dollar.
        return ProviderTerms(
            attribution: [.init("http-referer", "http://localhost"), .init("x-title", "Volery")], costCurrency: .usd)
    }

    /// - Throws: `VALIDATION_ERROR` with the names that are known.
    package static func endpoint(of name: String) throws(Problem) -> Endpoint {
        let known = all.first { $0.name == name }
        if let endpoint = known?.endpoint { return try Endpoint(checking: endpoint) }
        if let known {
            throw Problem(
                .validationError, "\(known.title)'s own API is not spoken yet.", parameter: "name",
                hint: "Reach its models through openrouter, or through a gateway with OpenAI's API and `endpoint`.")
        }
        let names = all.filter { $0.endpoint != nil }.map(\.name).joined(separator: ", ")
        throw Problem(
            .validationError, "`endpoint` is missing, and no known provider is called `\(name)`.",
            parameter: "endpoint", hint: "Known: \(names). For another one give its `endpoint`.")
    }

    private static func known(
        _ name: String, _ title: String, _ endpoint: String?, _ variable: String, _ wire: WireProtocol = .openAI
    ) -> KnownProvider {
        KnownProvider(name: name, title: title, endpoint: endpoint, wire: wire, variable: variable)
    }
}
