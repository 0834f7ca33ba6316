package import Inference
package import Kernel
package import Tenancy

package struct NewProvider: Sendable, Codable, Equatable {
    /// A known provider such as `openrouter`, or a name of one's own together with `endpoint`.
    package let name: String
    /// Nil for a known provider's own.
    package let endpoint: String?
    package let key: Secret?

    package init(name: String, endpoint: String? = nil, key: Secret? = nil) {
        self.name = name
        self.endpoint = endpoint
        self.key = key
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case name, endpoint, key }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        name = try members.decode(String.self, forKey: .name)
        endpoint = try members.decodeIfPresent(String.self, forKey: .endpoint)
        key = try members.decodeIfPresent(String.self, forKey: .key).map(Secret.init)
    }

    /// Reveals the key, on its way to the platform.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(name, forKey: .name)
        try members.encodeIfPresent(endpoint, forKey: .endpoint)
        try members.encodeIfPresent(key?.reveal(), forKey: .key)
    }
}

package struct NewProviderKey: Sendable, Codable, Equatable {
    package let key: Secret

    package init(key: Secret) { self.key = key }

    private enum CodingKeys: String, CodingKey { case key }

    package init(from decoder: any Decoder) throws {
        key = Secret(try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .key))
    }

    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(key.reveal(), forKey: .key)
    }
}

/// A provider as operators see it. Its key is never part of it.
package struct ProviderView: Sendable, Codable, Equatable {
    package let id: ProviderID
    package let name: String
    package let endpoint: String
    /// The only host that the key is sent to.
    package let host: String
    package let hasKey: Bool
    /// When the key was put.
    package let keyStored: Instant?
    package let created: Instant

    package init(_ provider: Provider, keyStored: Instant?) {
        id = provider.id
        name = provider.name
        endpoint = provider.endpoint.description
        host = provider.endpoint.host
        hasKey = keyStored != nil
        self.keyStored = keyStored
        created = provider.created
    }

    private enum CodingKeys: String, CodingKey {
        case id, name, endpoint, host, hasKey = "has_key", keyStored = "key_stored", created
    }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(id, forKey: .id)
        try members.encode(name, forKey: .name)
        try members.encode(endpoint, forKey: .endpoint)
        try members.encode(host, forKey: .host)
        try members.encode(hasKey, forKey: .hasKey)
        try members.encode(keyStored, forKey: .keyStored)
        try members.encode(created, forKey: .created)
    }
}

/// A secret that the platform keeps, without its value.
package struct SecretView: Sendable, Codable, Equatable {
    package let name: String
    /// When this value was put.
    package let stored: Instant

    package init(_ facts: SecretFacts) {
        name = facts.name
        stored = facts.stored
    }
}

package struct Resealing: Sendable, Codable, Equatable {
    package let secrets: Int

    package init(secrets: Int) { self.secrets = secrets }
}
