package import Inference

/// How many requests at once: a number in JSON, or `adaptive:8`. Checked where it is used.
package struct ConcurrencyText: Sendable, Codable, Hashable {
    package static let hint = "Write a number such as 8, or adaptive:8."

    package let text: String

    package init(_ text: String) { self.text = text }

    package init(_ limit: DeploymentTerms.Concurrency) { text = limit.description }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Int.self) {
            text = String(number)
        } else {
            text = try container.decode(String.self)
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let number = Int(text) { try container.encode(number) } else { try container.encode(text) }
    }
}

/// Asks for a deployment to be registered, in an operator's words; `ControlFlow` checks them.
package struct NewDeployment: Sendable, Codable, Equatable {
    package var model: String
    /// Nil for the provider's own.
    package var endpoint: String?
    /// The name of the provider whose key calls carry; nil for a server of one's own.
    package var provider: String?
    package var wire: String?
    package var environment: String?
    package var aliases: [String]?
    /// What the endpoint calls the model; the model's own name when nil.
    package var upstreamModel: String?
    /// Tokens of prompt and answer together; nil when it is not known.
    package var contextLimit: Int?
    /// What callers may ask of it; everything when nil, so that the endpoint itself decides.
    package var capabilities: [String]?
    package var version: String?
    package var weight: Int?
    package var priority: Int?
    package var region: String?
    package var dataPolicies: [String]?
    /// What its operator promises.
    package var firstTokenMilliseconds: Int?
    package var concurrency: ConcurrencyText?
    package var enabled: Bool?

    package init(
        model: String, endpoint: String? = nil, provider: String? = nil,
        wire: String? = nil, environment: String? = nil, aliases: [String]? = nil,
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
        case contextLimit = "context_limit", capabilities, version = "model_version", weight, priority, region
        case dataPolicies = "data_policies", firstTokenMilliseconds = "first_token_ms", concurrency, enabled
    }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        self.init(model: try members.decode(String.self, forKey: .model))
        endpoint = try members.decodeIfPresent(String.self, forKey: .endpoint)
        provider = try members.decodeIfPresent(String.self, forKey: .provider)
        wire = try members.decodeIfPresent(String.self, forKey: .wire)
        environment = try members.decodeIfPresent(String.self, forKey: .environment)
        aliases = try members.decodeIfPresent([String].self, forKey: .aliases)
        upstreamModel = try members.decodeIfPresent(String.self, forKey: .upstreamModel)
        contextLimit = try members.decodeIfPresent(Int.self, forKey: .contextLimit)
        capabilities = try members.decodeIfPresent([String].self, forKey: .capabilities)
        version = try members.decodeIfPresent(String.self, forKey: .version)
        weight = try members.decodeIfPresent(Int.self, forKey: .weight)
        priority = try members.decodeIfPresent(Int.self, forKey: .priority)
        region = try members.decodeIfPresent(String.self, forKey: .region)
        dataPolicies = try members.decodeIfPresent([String].self, forKey: .dataPolicies)
        firstTokenMilliseconds = try members.decodeIfPresent(Int.self, forKey: .firstTokenMilliseconds)
        concurrency = try members.decodeIfPresent(ConcurrencyText.self, forKey: .concurrency)
        enabled = try members.decodeIfPresent(Bool.self, forKey: .enabled)
    }
}

/// What is to become different about a deployment. What is left out stays; null takes away what need not be there.
package struct DeploymentChangeRequest: Sendable, Codable, Equatable {
    package var aliases: [String]?
    package var upstreamModel: String?
    package var capabilities: [String]?
    package var contextLimit: FieldChange<Int>?
    package var version: FieldChange<String>?
    package var weight: Int?
    package var priority: Int?
    package var region: FieldChange<String>?
    package var dataPolicies: [String]?
    package var firstTokenMilliseconds: FieldChange<Int>?
    package var concurrency: FieldChange<ConcurrencyText>?
    package var enabled: Bool?
    /// What the deployment must have now; nil for any.
    package var revision: Int64?

    package init() {}

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case aliases, upstreamModel = "upstream_model", capabilities, contextLimit = "context_limit"
        case version = "model_version", weight, priority, region, dataPolicies = "data_policies"
        case firstTokenMilliseconds = "first_token_ms", concurrency, enabled, revision
    }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        aliases = try members.decodeIfPresent([String].self, forKey: .aliases)
        upstreamModel = try members.decodeIfPresent(String.self, forKey: .upstreamModel)
        capabilities = try members.decodeIfPresent([String].self, forKey: .capabilities)
        contextLimit = try members.change(Int.self, forKey: .contextLimit)
        version = try members.change(String.self, forKey: .version)
        weight = try members.decodeIfPresent(Int.self, forKey: .weight)
        priority = try members.decodeIfPresent(Int.self, forKey: .priority)
        region = try members.change(String.self, forKey: .region)
        dataPolicies = try members.decodeIfPresent([String].self, forKey: .dataPolicies)
        firstTokenMilliseconds = try members.change(Int.self, forKey: .firstTokenMilliseconds)
        concurrency = try members.change(ConcurrencyText.self, forKey: .concurrency)
        enabled = try members.decodeIfPresent(Bool.self, forKey: .enabled)
        revision = try members.decodeIfPresent(Int64.self, forKey: .revision)
    }

    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encodeIfPresent(aliases, forKey: .aliases)
        try members.encodeIfPresent(upstreamModel, forKey: .upstreamModel)
        try members.encodeIfPresent(capabilities, forKey: .capabilities)
        try members.encode(contextLimit, forKey: .contextLimit)
        try members.encode(version, forKey: .version)
        try members.encodeIfPresent(weight, forKey: .weight)
        try members.encodeIfPresent(priority, forKey: .priority)
        try members.encode(region, forKey: .region)
        try members.encodeIfPresent(dataPolicies, forKey: .dataPolicies)
        try members.encode(firstTokenMilliseconds, forKey: .firstTokenMilliseconds)
        try members.encode(concurrency, forKey: .concurrency)
        try members.encodeIfPresent(enabled, forKey: .enabled)
        try members.encodeIfPresent(revision, forKey: .revision)
    }
}

extension KeyedDecodingContainer {
    fileprivate func change<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> FieldChange<Value>? {
        guard contains(key) else { return nil }
        return try decodeNil(forKey: key) ? .clear : .set(try decode(Value.self, forKey: key))
    }
}

extension KeyedEncodingContainer {
    /// What stays is left out; what goes is null.
    fileprivate mutating func encode<Value: Encodable>(_ change: FieldChange<Value>?, forKey key: Key) throws {
        switch change {
        case .set(let value): try encode(value, forKey: key)
        case .clear: try encodeNil(forKey: key)
        case nil: break
        }
    }
}

/// Asks for a deployment's endpoint to serve a later environment too.
package struct Promotion: Sendable, Codable, Equatable {
    /// `staging` or `production`.
    package let to: String
    /// Nil for 0 where others serve the model there, and for the deployment's own where none does.
    package let weight: Int?

    package init(to: String, weight: Int? = nil) {
        self.to = to
        self.weight = weight
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case to, weight }
}
