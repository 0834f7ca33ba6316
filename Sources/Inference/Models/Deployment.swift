package import Kernel

/// What a caller may ask of a model.
package enum Capability: String, Sendable, Codable, CaseIterable {
    case chat, completions, embeddings, tools, logprobs, images
    /// OpenAI's `/v1/responses`, passed through to who speaks it.
    case responses
    case jsonObject = "json_object"
    case jsonSchema = "json_schema"
    /// More than one choice in an answer (`n`), with usage that counts them all.
    case multipleChoices = "multiple_choices"
}

/// How a deployment is spoken to.
package enum WireProtocol: String, Sendable, Codable, CaseIterable {
    /// OpenAI's HTTP API, as llama.cpp, vLLM, Ollama and most providers speak it.
    case openAI = "openai"
    /// Anthropic's Messages API.
    case anthropic
    /// The demonstration model inside the binary.
    case echo
}

/// One endpoint that serves a model.
package struct Deployment: Sendable, Hashable {
    package let id: DeploymentID
    package let model: ModelName
    package let environment: ModelEnvironment
    /// Other names under which callers reach the same model.
    package let aliases: [ModelName]
    /// Both as texts, made once for all requests.
    package let names: ModelNames
    package let wire: WireProtocol
    package let endpoint: Endpoint
    /// What the endpoint itself calls the model.
    package let upstreamModel: String
    /// Whose endpoint it is; nil for a runtime or a server of our own, which gets no credential.
    package let provider: ProviderID?
    package let capabilities: Set<Capability>
    /// What it is chosen by.
    package let terms: DeploymentTerms
    /// The most tokens that prompt and answer may have together; nil when it is not known.
    package let contextLimit: Int?
    package let origin: Origin
    package let registered: Instant
    /// Grows with each change: who changes what somebody else has changed meanwhile can be told so.
    package let revision: Int64

    package enum Origin: String, Sendable, Codable {
        /// Inside the binary.
        case builtIn = "built-in"
        /// A runtime that this platform started.
        case runtime
        /// Entered by an operator.
        case registered
    }

    package init(
        id: DeploymentID, model: ModelName, environment: ModelEnvironment = .production, aliases: [ModelName] = [],
        wire: WireProtocol, endpoint: Endpoint, upstreamModel: String, capabilities: Set<Capability>,
        contextLimit: Int? = nil, provider: ProviderID? = nil, terms: DeploymentTerms = DeploymentTerms(),
        origin: Origin, registered: Instant, revision: Int64 = 1
    ) {
        self.id = id
        self.model = model
        self.environment = environment
        self.aliases = aliases
        names = ModelNames(model.text, aliases: aliases.map(\.text))
        self.wire = wire
        self.endpoint = endpoint
        self.upstreamModel = upstreamModel
        self.provider = provider
        self.terms = terms
        self.capabilities = capabilities
        self.contextLimit = contextLimit
        self.origin = origin
        self.registered = registered
        self.revision = revision
    }

    /// The same without some of its other names.
    func without(aliases isTaken: (ModelName) -> Bool) -> Deployment {
        guard aliases.contains(where: isTaken) else { return self }
        return Deployment(
            id: id, model: model, environment: environment, aliases: aliases.filter { !isTaken($0) }, wire: wire,
            endpoint: endpoint, upstreamModel: upstreamModel, capabilities: capabilities, contextLimit: contextLimit,
            provider: provider, terms: terms, origin: origin, registered: registered, revision: revision)
    }
}
