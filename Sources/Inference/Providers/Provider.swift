package import Kernel

/// Somebody else's service that serves models, as it is registered here. Its key is in the secret store.
package struct Provider: Sendable, Hashable {
    package let id: ProviderID
    /// Unique: `openrouter`, or a name of one's own.
    package let name: String
    package let wire: WireProtocol
    /// Every deployment of the provider is there, and its key is sent to this scheme, host and port alone.
    package let endpoint: Endpoint
    package let created: Instant

    package init(id: ProviderID, name: String, wire: WireProtocol, endpoint: Endpoint, created: Instant) {
        self.id = id
        self.name = name
        self.wire = wire
        self.endpoint = endpoint
        self.created = created
    }

    /// What the secret store calls its key.
    package var secretName: String { "provider/\(id)" }
}

/// Where providers are kept; they belong to the platform. Throws as `RegistryStore`.
package protocol ProviderStore: Sendable {
    /// - Throws: `Problem(.alreadyExists)` when the name is taken.
    func insert(_ provider: Provider) async throws
    /// By name.
    func all() async throws -> [Provider]
    /// - Throws: `Problem(.conflict)` while deployments use it.
    /// - Returns: what was removed; nil when there was none.
    func remove(_ id: ProviderID) async throws -> Provider?
}

/// A header field that says who calls.
package struct UpstreamCredential: Sendable {
    package let field: String
    package let value: Secret
    package let terms: ProviderTerms

    /// - Parameter key: the provider's.
    package init(_ key: Secret, over wire: WireProtocol, terms: ProviderTerms = .none) {
        self.terms = terms
        switch wire {
        case .openAI, .echo: (field, value) = ("authorization", Secret("Bearer " + key.reveal()))
        case .anthropic: (field, value) = ("x-api-key", key)
        }
    }
}

/// The credentials that calls upstream carry. In memory: asked for each request, on its event loop.
package protocol UpstreamCredentials: AnyObject, Sendable {
    /// What a call to this deployment carries; nil for nothing. Never for another scheme, host or port than its
    /// provider's.
    func credential(for deployment: Deployment) -> UpstreamCredential?
}
