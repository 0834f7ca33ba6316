package import Inference
package import Kernel

/// A deployment as operators see it.
package struct DeploymentView: Sendable, Codable, Equatable {
    package let id: DeploymentID
    package let model: ModelName
    @OrNull package var version: String?
    package let environment: ModelEnvironment
    package let aliases: [ModelName]
    package let wire: WireProtocol
    package let endpoint: String
    /// The provider's name; nil for a server of one's own.
    @OrNull package var provider: String?
    package let upstreamModel: String
    package let capabilities: [Capability]
    @OrNull package var contextLimit: Int?
    package let weight: Int
    package let priority: Int
    @OrNull package var region: String?
    package let dataPolicies: [String]
    @OrNull package var firstTokenMilliseconds: Int?
    @OrNull package var concurrency: ConcurrencyText?
    package let enabled: Bool
    /// As the node that answers last saw it do; nil where it knows nothing of it.
    @OrNull package var health: DeploymentHealthView?
    package let origin: Deployment.Origin
    package let registered: Instant
    /// Grows with each change.
    package let revision: Int64

    package init(_ deployment: Deployment, provider: String? = nil, health: DeploymentHealth? = nil) {
        let terms = deployment.terms
        id = deployment.id
        model = deployment.model
        environment = deployment.environment
        aliases = deployment.aliases
        wire = deployment.wire
        endpoint = deployment.endpoint.description
        upstreamModel = deployment.upstreamModel
        capabilities = Capability.allCases.filter(deployment.capabilities.contains)
        weight = terms.weight
        priority = terms.priority
        dataPolicies = terms.dataPolicies.sorted()
        enabled = terms.isEnabled
        origin = deployment.origin
        registered = deployment.registered
        revision = deployment.revision
        _version = OrNull(wrappedValue: terms.version)
        _provider = OrNull(wrappedValue: provider)
        _contextLimit = OrNull(wrappedValue: deployment.contextLimit)
        _region = OrNull(wrappedValue: terms.region)
        _firstTokenMilliseconds = OrNull(wrappedValue: terms.promisedFirstToken.map { Int($0.microseconds / 1000) })
        _concurrency = OrNull(wrappedValue: terms.concurrency.map(ConcurrencyText.init))
        _health = OrNull(wrappedValue: health.map(DeploymentHealthView.init))
    }

    package enum CodingKeys: String, CodingKey {
        case id, model, version = "model_version", environment, aliases, wire = "protocol", endpoint, provider
        case upstreamModel = "upstream_model", capabilities, contextLimit = "context_limit", weight, priority, region
        case dataPolicies = "data_policies", firstTokenMilliseconds = "first_token_ms", concurrency, enabled, health
        case origin, registered, revision
    }
}

package struct DeploymentHealthView: Sendable, Codable, Equatable {
    package let state: DeploymentHealth.State
    package let seen: Instant

    package init(_ health: DeploymentHealth) {
        state = health.state
        seen = health.seen
    }
}

/// A model that callers may name.
package struct ModelView: Sendable, Codable, Equatable {
    package let model: String
    package let aliases: [String]
    /// `ready`, `disabled`, or the state of the model's runtime in one word.
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

    package init(ready deployment: Deployment) { self.init(deployment, state: "ready", detail: nil) }

    /// A model that nobody reaches, because all its deployments are disabled.
    package init(disabled deployment: Deployment) {
        self.init(deployment, state: "disabled", detail: "an operator has disabled every deployment")
    }

    private init(_ deployment: Deployment, state: String, detail: String?) {
        self.init(
            model: deployment.model.text, aliases: deployment.aliases.map(\.text), state: state, detail: detail,
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
