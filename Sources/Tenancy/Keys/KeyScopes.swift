package import Kernel

/// An operation that a key can be narrowed to.
package enum KeyEndpoint: String, Sendable, Codable, CaseIterable {
    case chat, completions, embeddings, messages, responses, models
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
                throw Self.fault(word, at: index)
            }
        }
        self.init(
            permissions: permissions.isEmpty ? Self.usual.permissions : permissions, endpoints: endpoints,
            models: models)
    }

    private static func fault(_ word: String, at index: Int) -> Problem {
        let shown = word.utf8.count <= 40 && word.utf8.allSatisfy { (0x21...0x7E).contains($0) } ? ", `\(word)`," : ""
        return Problem(
            .validationError, "`scopes[\(index)]`\(shown) is not a scope.", parameter: "scopes[\(index)]",
            hint: meant(by: word) + "A scope is a permission such as inference:execute, `endpoint=` and one of "
                + KeyEndpoint.allCases.map(\.rawValue).joined(separator: ", ")
                + ", or `model=NAME` or `model=PREFIX*`.")
    }

    /// What is known of a word that is no scope.
    private static func meant(by word: String) -> String {
        if KeyEndpoint(rawValue: word) != nil { return "Did you mean `endpoint=\(word)`? " }
        if let permission = Permission(rawValue: word), Permission.ofPlatform.contains(permission) {
            return "Only the operator has that permission. "
        }
        let near = Permission.allCases.first { permission in
            !Permission.ofPlatform.contains(permission) && permission.rawValue.hasPrefix(word + ":")
        }
        return near.map { "Did you mean `\($0.rawValue)`? " } ?? ""
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
    /// When the key ends. What it may do until then does not depend on it; what keys it makes does.
    package let expires: Instant?

    package init(
        endpoints: Set<KeyEndpoint> = [], models: [ModelPattern] = [], environment: ModelEnvironment? = nil,
        addresses: [AddressRange] = [], expires: Instant? = nil
    ) {
        self.endpoints = endpoints
        self.models = models
        self.environment = environment
        self.addresses = addresses
        self.expires = expires
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
        if let model = resource.model, !allows(model) { return .model(model.own) }
        return nil
    }

    package func allows(_ model: ModelNames) -> Bool { models.isEmpty || models.contains { $0.matches(model) } }
}
