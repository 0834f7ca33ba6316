import Inference
package import Kernel
import Tenancy

extension ControlFlow: ProviderControl {
    package func addProvider(_ request: NewProvider) async throws -> ProviderView {
        try await gate.authorize(.providerWrite, on: .platform, as: "provider.add")
        let provider = try request.checked(id: parts.ids.next(), now: now)
        let key = try request.key.map(Self.checked)
        let stored = now
        try await recorded(
            "provider.add", on: provider.id, ["name": provider.name, "endpoint": provider.endpoint.description]
        ) {
            try await stores.providers.insert(provider)
            guard let key else { return }
            do {
                try await stores.secrets.put(key, named: provider.secretName, at: stored)
            } catch {
                // Without its key it would be called in vain.
                _ = try? await stores.providers.remove(provider.id)
                throw error
            }
        }
        await didRevoke()
        return ProviderView(provider, keyStored: key == nil ? nil : stored)
    }

    package func listProviders() async throws -> [ProviderView] {
        try await gate.authorize(.providerRead, on: .platform, as: "provider.list")
        let stored = Dictionary(
            try await stores.secrets.list().map { ($0.name, $0.stored) }, uniquingKeysWith: { _, last in last })
        return try await stores.providers.all().map { ProviderView($0, keyStored: stored[$0.secretName]) }
    }

    package func replaceProviderKey(_ id: ProviderID, _ request: NewProviderKey) async throws -> ProviderView {
        let provider = try await provider(id, as: "provider.key")
        let key = try Self.checked(request.key)
        // The same key once more, as when a file is applied on every node, is no new one: its age counts on.
        if let old = try? await stores.secrets.secret(named: provider.secretName), old == key,
            let facts = try await stores.secrets.list().first(where: { $0.name == provider.secretName })
        {
            return ProviderView(provider, keyStored: facts.stored)
        }
        let stored = now
        try await recorded("provider.key", on: id, ["name": provider.name]) {
            try await stores.secrets.put(key, named: provider.secretName, at: stored)
        }
        await didRevoke()
        return ProviderView(provider, keyStored: stored)
    }

    package func removeProvider(_ id: ProviderID) async throws -> ProviderView {
        let provider = try await provider(id, as: "provider.remove")
        try await recorded("provider.remove", on: id, ["name": provider.name]) {
            guard try await stores.providers.remove(id) != nil else {
                throw Self.missing("provider", id, parameter: "id")
            }
            try await stores.secrets.remove(named: provider.secretName)
        }
        await didRevoke()
        return ProviderView(provider, keyStored: nil)
    }

    package func listSecrets() async throws -> [SecretView] {
        try await gate.authorize(.providerRead, on: .platform, as: "secret.list")
        return try await stores.secrets.list().map(SecretView.init)
    }

    package func resealSecrets() async throws -> Resealing {
        try await gate.authorize(.providerWrite, on: .platform, as: "secret.reseal")
        let count = try await recorded("secret.reseal", on: "platform") { try await stores.secrets.reseal() }
        return Resealing(secrets: count)
    }

    private func provider(_ id: ProviderID, as act: String) async throws -> Provider {
        try await gate.authorize(.providerWrite, on: Target(.platform, subject: id.description), as: act)
        guard let provider = try await stores.providers.all().first(where: { $0.id == id }) else {
            throw Self.missing("provider", id, parameter: "id")
        }
        return provider
    }

    /// What can stand in a header.
    private static func checked(_ key: Secret) throws(Problem) -> Secret {
        let text = key.reveal()
        guard (1...4096).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Problem(
                .validationError, "`key` is not usable as a provider's key.", parameter: "key",
                hint: "A key has 1 to 4096 printable ASCII characters and no white space.")
        }
        return key
    }
}

extension NewProvider {
    fileprivate func checked(id: ProviderID, now: Instant) throws(Problem) -> Provider {
        let isName =
            (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
        guard isName, name.utf8.first != UInt8(ascii: "-") else {
            throw Problem(
                .validationError, "`name` is not usable as a provider's name.", parameter: "name",
                hint: "Use 1 to 64 of a-z, 0-9 and -, beginning with a letter or digit.")
        }
        let place: Inference.Endpoint
        if let endpoint {
            place = try Inference.Endpoint(checking: endpoint)
            guard endpoint.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw Problem(.validationError, "`endpoint` is not a usable URL.", parameter: "endpoint")
            }
        } else {
            place = try KnownProviders.endpoint(of: name)
        }
        guard place.scheme == .https || place.scheme == .http && place.isOnThisMachine else {
            throw Problem(
                .validationError, "`endpoint` must begin with https://.", parameter: "endpoint",
                hint: "A provider's key is sent there. Only to this machine itself it may go over http.")
        }
        return Provider(id: id, name: name, wire: KnownProviders.wire(of: name), endpoint: place, created: now)
    }
}
