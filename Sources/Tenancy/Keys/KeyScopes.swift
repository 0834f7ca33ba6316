package import Kernel

/// An operation that a key can be narrowed to.
package enum KeyEndpoint: String, Sendable, Codable, CaseIterable {
    case chat, completions, embeddings, models
}

/// What a key is for, as its maker said it: permissions, and narrower still, endpoints and models.
///
/// As text each is one word: `inference:execute`, `endpoint=chat`, `model=llama-*`.
package struct KeyScopes: Sendable, Hashable {
    package let permissions: Set<Permission>
    /// Empty for all of them.
    package let endpoints: Set<KeyEndpoint>
    /// Empty for all of them.
    package let models: [ModelPattern]

    package static let usual = KeyScopes(permissions: [.inferenceExecute, .modelRead])

    package init(permissions: Set<Permission>, endpoints: Set<KeyEndpoint> = [], models: [ModelPattern] = []) {
        self.permissions = permissions
        self.endpoints = endpoints
        self.models = models
    }

    /// Reads what a person wrote. Without any permission among the words, the key has the usual ones.
    /// - Throws: `VALIDATION_ERROR` that names the word, as `scopes[i]`, and what is allowed.
    package init(checking words: [String]) throws(Problem) {
        var permissions: Set<Permission> = []
        var endpoints: Set<KeyEndpoint> = []
        var models: [ModelPattern] = []
        for (index, word) in words.enumerated() {
            if word == "*" {
                permissions.formUnion(Role.owner.permissions)
            } else if let permission = Permission(rawValue: word), !Permission.ofPlatform.contains(permission) {
                permissions.insert(permission)
            } else if word.hasPrefix("endpoint="), let endpoint = KeyEndpoint(rawValue: String(word.dropFirst(9))) {
                endpoints.insert(endpoint)
            } else if word.hasPrefix("model="), let model = ModelPattern(String(word.dropFirst(6))) {
                models.append(model)
            } else {
                throw Problem(
                    .validationError, "`scopes[\(index)]` is not a scope.", parameter: "scopes[\(index)]",
                    hint: "A permission such as inference:execute, `endpoint=` and one of "
                        + KeyEndpoint.allCases.map(\.rawValue).joined(separator: ", ")
                        + ", or `model=NAME` or `model=PREFIX*`.")
            }
        }
        self.init(
            permissions: permissions.isEmpty ? Self.usual.permissions : permissions, endpoints: endpoints,
            models: models)
    }

    /// The words that read as this again, sorted.
    package var words: [String] {
        permissions.map(\.rawValue).sorted() + endpoints.map { "endpoint=" + $0.rawValue }.sorted()
            + models.map { "model=" + $0.text }.sorted()
    }
}

/// What a key is narrowed to, wherever it is used.
package struct KeyLimits: Sendable, Hashable {
    package let endpoints: Set<KeyEndpoint>
    package let models: [ModelPattern]
    /// Nil for a credential that belongs to no environment.
    package let environment: ModelEnvironment?
    /// From where it may be used; empty for everywhere.
    package let addresses: [AddressRange]

    package init(
        endpoints: Set<KeyEndpoint> = [], models: [ModelPattern] = [], environment: ModelEnvironment? = nil,
        addresses: [AddressRange] = []
    ) {
        self.endpoints = endpoints
        self.models = models
        self.environment = environment
        self.addresses = addresses
    }

    func denial(on resource: Resource, in context: AccessContext) -> Denial? {
        if !addresses.isEmpty {
            guard let address = context.address, addresses.contains(where: { $0.contains(address) }) else {
                return .address
            }
        }
        if let endpoint = resource.endpoint, !endpoints.isEmpty, !endpoints.contains(endpoint) {
            return .endpoint(endpoint)
        }
        if let wanted = resource.environment, let environment, wanted != environment { return .environment(wanted) }
        if let model = resource.model, !allows(model) { return .model(model) }
        return nil
    }

    package func allows(_ model: String) -> Bool { models.isEmpty || models.contains { $0.matches(model) } }
}
