package import Inference
package import Kernel

/// Asks for a deployment to be registered, in an operator's words; `ControlFlow` checks them.
package struct NewDeployment: Sendable, Codable, Equatable {
    package var model: String
    /// Nil for the provider's own.
    package var endpoint: String?
    /// The name of the provider whose key calls carry; nil for a server of one's own.
    package var provider: String?
    package var wire: String
    package var environment: String?
    package var aliases: [String]?
    /// What the endpoint calls the model; the model's own name when nil.
    package var upstreamModel: String?
    /// Tokens of prompt and answer together; nil when it is not known.
    package var contextLimit: Int?
    /// What callers may ask of it; everything when nil, so that the endpoint itself decides.
    package var capabilities: [String]?

    package init(
        model: String, endpoint: String? = nil, provider: String? = nil,
        wire: String = WireProtocol.openAI.rawValue, environment: String? = nil, aliases: [String]? = nil,
        upstreamModel: String? = nil, contextLimit: Int? = nil, capabilities: [String]? = nil
    ) {
        self.model = model
        self.endpoint = endpoint
        self.provider = provider
        self.wire = wire
        self.environment = environment
        self.aliases = aliases
        self.upstreamModel = upstreamModel
        self.contextLimit = contextLimit
        self.capabilities = capabilities
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case model, endpoint, provider, wire = "protocol", environment, aliases, upstreamModel = "upstream_model"
        case contextLimit = "context_limit", capabilities
    }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        model = try members.decode(String.self, forKey: .model)
        endpoint = try members.decodeIfPresent(String.self, forKey: .endpoint)
        provider = try members.decodeIfPresent(String.self, forKey: .provider)
        wire = try members.decodeIfPresent(String.self, forKey: .wire) ?? WireProtocol.openAI.rawValue
        environment = try members.decodeIfPresent(String.self, forKey: .environment)
        aliases = try members.decodeIfPresent([String].self, forKey: .aliases)
        upstreamModel = try members.decodeIfPresent(String.self, forKey: .upstreamModel)
        contextLimit = try members.decodeIfPresent(Int.self, forKey: .contextLimit)
        capabilities = try members.decodeIfPresent([String].self, forKey: .capabilities)
    }
}

/// A deployment as operators see it.
package struct DeploymentView: Sendable, Codable, Equatable {
    package let id: DeploymentID
    package let model: ModelName
    package let environment: ModelEnvironment
    package let aliases: [ModelName]
    package let wire: WireProtocol
    package let endpoint: String
    /// The provider's name; nil for a server of one's own.
    package let provider: String?
    package let upstreamModel: String
    package let capabilities: [Capability]
    package let contextLimit: Int?
    package let origin: Deployment.Origin
    package let registered: Instant

    package init(_ deployment: Deployment, provider: String? = nil) {
        self.provider = provider
        id = deployment.id
        model = deployment.model
        environment = deployment.environment
        aliases = deployment.aliases
        wire = deployment.wire
        endpoint = deployment.endpoint.description
        upstreamModel = deployment.upstreamModel
        capabilities = Capability.allCases.filter(deployment.capabilities.contains)
        contextLimit = deployment.contextLimit
        origin = deployment.origin
        registered = deployment.registered
    }

    private enum CodingKeys: String, CodingKey {
        case id, model, environment, aliases, wire = "protocol", endpoint, provider, upstreamModel = "upstream_model"
        case capabilities, contextLimit = "context_limit", origin, registered
    }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(id, forKey: .id)
        try members.encode(model, forKey: .model)
        try members.encode(environment, forKey: .environment)
        try members.encode(aliases, forKey: .aliases)
        try members.encode(wire, forKey: .wire)
        try members.encode(endpoint, forKey: .endpoint)
        try members.encode(provider, forKey: .provider)
        try members.encode(upstreamModel, forKey: .upstreamModel)
        try members.encode(capabilities, forKey: .capabilities)
        try members.encode(contextLimit, forKey: .contextLimit)
        try members.encode(origin, forKey: .origin)
        try members.encode(registered, forKey: .registered)
    }
}

/// A model that callers may name.
package struct ModelView: Sendable, Codable, Equatable {
    package let model: String
    package let aliases: [String]
    /// `ready`, or the state of the model's runtime in one word.
    package let state: String
    package let detail: String?
    package let origin: Deployment.Origin
    package let capabilities: [Capability]
    package let contextLimit: Int?

    package init(
        model: String, aliases: [String], state: String, detail: String?, origin: Deployment.Origin,
        capabilities: [Capability], contextLimit: Int?
    ) {
        self.model = model
        self.aliases = aliases
        self.state = state
        self.detail = detail
        self.origin = origin
        self.capabilities = capabilities
        self.contextLimit = contextLimit
    }

    package init(ready deployment: Deployment) {
        self.init(
            model: deployment.model.text, aliases: deployment.aliases.map(\.text), state: "ready", detail: nil,
            origin: deployment.origin, capabilities: Capability.allCases.filter(deployment.capabilities.contains),
            contextLimit: deployment.contextLimit)
    }

    private enum CodingKeys: String, CodingKey {
        case model, aliases, state, detail, origin, capabilities, contextLimit = "context_limit"
    }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(model, forKey: .model)
        try members.encode(aliases, forKey: .aliases)
        try members.encode(state, forKey: .state)
        try members.encode(detail, forKey: .detail)
        try members.encode(origin, forKey: .origin)
        try members.encode(capabilities, forKey: .capabilities)
        try members.encode(contextLimit, forKey: .contextLimit)
    }
}
