import Fleet
import Inference
package import Kernel
import Tenancy

/// Deployments belong to the platform: where they are is nobody else's business.
extension ControlFlow {
    package func registerDeployment(_ request: NewDeployment) async throws -> DeploymentView {
        try await gate.authorize(.modelWrite, on: .platform, as: "deployment.register")
        let provider = try await provider(of: request)
        let deployment = try request.checked(id: parts.ids.next(), now: now, provider: provider)
        var details = Self.words(of: deployment)
        if let provider { details["provider"] = provider.name }
        try await recorded("deployment.register", on: deployment.id, details) {
            try await stores.deployments.insert(deployment)
        }
        try await parts.registry.didChange()
        return view(deployment, provider: provider?.name)
    }

    package func listDeployments() async throws -> [DeploymentView] {
        try await gate.authorize(.modelRead, on: .platform, as: "deployment.list")
        let deployments = try await stores.deployments.all()
        let names = try await providerNames(of: deployments)
        return deployments.map { view($0, provider: $0.provider.flatMap { names[$0] }) }
    }

    package func deployment(_ id: DeploymentID) async throws -> DeploymentView {
        try await gate.authorize(.modelRead, on: Target(.platform, subject: id.description), as: "deployment.read")
        return try await view(try await known(id))
    }

    package func changeDeployment(
        _ id: DeploymentID, _ request: DeploymentChangeRequest
    ) async throws -> DeploymentView {
        let old = try await writable(id, as: "deployment.update")
        let change = try request.checked(for: old)
        let details = request.words.merging(["model": old.model.text]) { own, _ in own }
        let changed = try await recorded("deployment.update", on: id, details) {
            try await stores.deployments.update(id, change, revision: request.revision)
        }
        return try await didChange(changed, id)
    }

    package func setDeployment(_ id: DeploymentID, enabled: Bool) async throws -> DeploymentView {
        let act = enabled ? "deployment.enable" : "deployment.disable"
        let old = try await writable(id, as: act)
        let changed = try await recorded(act, on: id, ["model": old.model.text]) {
            try await stores.deployments.setEnabled(id, enabled)
        }
        return try await didChange(changed, id)
    }

    package func promoteDeployment(_ id: DeploymentID, _ request: Promotion) async throws -> DeploymentView {
        let old = try await writable(id, as: "deployment.promote")
        let environment = try Checks.oneOf(ModelEnvironment.self, request.to, parameter: "to")
        let later = old.environment.later
        guard later.contains(environment) else {
            throw Problem(
                .validationError,
                "The deployment serves `\(old.environment.rawValue)`, and cannot be promoted to "
                    + "`\(environment.rawValue)`.",
                parameter: "to",
                hint: later.isEmpty
                    ? "Nothing comes after production."
                    : "Name a later one: \(later.map(\.rawValue).joined(separator: ", ")).")
        }
        let others = try await stores.deployments.all()
            .contains { $0.model == old.model && $0.environment == environment }
        let weight = try request.weight.map(DeploymentReading.weight) ?? (others ? 0 : old.terms.weight)
        let promoted = old.promoted(to: environment, id: parts.ids.next(), weight: weight, at: now)
        let details = Self.words(of: promoted).merging(["from": id.description]) { own, _ in own }
        try await recorded("deployment.promote", on: promoted.id, details) {
            try await stores.deployments.insert(promoted)
        }
        try await parts.registry.didChange()
        return try await view(promoted)
    }

    package func deregister(_ id: DeploymentID) async throws -> DeploymentView {
        let old = try await writable(id, as: "deployment.deregister")
        let names = try await providerNames(of: [old])
        let removed = try await recorded("deployment.deregister", on: id, ["model": old.model.text]) {
            guard let removed = try await stores.deployments.remove(id) else { throw Self.missing(id) }
            return removed
        }
        try await parts.registry.didChange()
        return view(removed, provider: removed.provider.flatMap { names[$0] })
    }

    /// A registered deployment that the caller may change.
    private func writable(_ id: DeploymentID, as act: String) async throws -> Deployment {
        try await gate.authorize(.modelWrite, on: Target(.platform, subject: id.description), as: act)
        return try await known(id)
    }

    private func known(_ id: DeploymentID) async throws -> Deployment {
        guard let known = try await stores.deployments.all().first(where: { $0.id == id }) else {
            throw Self.missing(id)
        }
        return known
    }

    /// - Parameter changed: nil when it went meanwhile.
    private func didChange(_ changed: Deployment?, _ id: DeploymentID) async throws -> DeploymentView {
        guard let changed else { throw Self.missing(id) }
        try await parts.registry.didChange()
        return try await view(changed)
    }

    private static func missing(_ id: DeploymentID) -> Problem {
        Problem(
            .notFound, "There is no registered deployment `\(id)`.", parameter: "id",
            hint: "`volery registry list` shows the deployments.")
    }

    /// For the audit log.
    private static func words(of deployment: Deployment) -> [String: String] {
        var words = [
            "model": deployment.model.text, "environment": deployment.environment.rawValue,
            "endpoint": deployment.endpoint.description, "weight": "\(deployment.terms.weight)",
            "priority": "\(deployment.terms.priority)",
        ]
        words["model_version"] = deployment.terms.version
        words["region"] = deployment.terms.region
        if !deployment.terms.isEnabled { words["enabled"] = "false" }
        return words
    }

    private func view(_ deployment: Deployment) async throws -> DeploymentView {
        let names = try await providerNames(of: [deployment])
        return view(deployment, provider: deployment.provider.flatMap { names[$0] })
    }

    private func view(_ deployment: Deployment, provider: String?) -> DeploymentView {
        DeploymentView(deployment, provider: provider, health: parts.health(deployment.id))
    }

    /// Those that the caller may use; an operator sees all.
    package func models() async throws -> [ModelView] {
        let places = placesOfCaller()
        if !places.contains(where: { gate.allows(.modelRead, on: $0) }) {
            try await gate.authorize(
                .modelRead, on: Target(places.first ?? .platform), as: "model.list")
        }
        let snapshot = parts.registry.registry.snapshot
        let ready =
            snapshot.models().map(ModelView.init(ready:)) + snapshot.disabledModels().map(ModelView.init(disabled:))
        let names = Set(ready.map(\.model))
        let waiting = await parts.runtimes().filter { !names.contains($0.model) }.map(ModelView.init(waiting:))
        return (ready + waiting).filter { model in
            places.contains { place in
                var place = place
                place.model = ModelNames(model.model, aliases: model.aliases)
                return gate.allows(.modelRead, on: place)
            }
        }
    }

    /// Where the caller is somebody: the platform, tenants, workspaces.
    private func placesOfCaller() -> [Resource] {
        caller.principal.grants.map { grant in
            switch grant.extent {
            case .platform: .platform
            case .tenant(let id): Resource(tenant: id)
            case .workspace(let id, of: let tenant): Resource(tenant: tenant, workspace: id)
            }
        }
    }

    private func provider(of request: NewDeployment) async throws -> Provider? {
        guard let name = request.provider else { return nil }
        let all = try await stores.providers.all()
        guard let provider = all.first(where: { $0.name == name }) else {
            throw Checks.unknown("provider", name, allowed: all.map(\.name))
        }
        return provider
    }

    private func providerNames(of deployments: [Deployment]) async throws -> [ProviderID: String] {
        guard deployments.contains(where: { $0.provider != nil }) else { return [:] }
        return Dictionary(
            try await stores.providers.all().map { ($0.id, $0.name) }, uniquingKeysWith: { _, last in last })
    }
}

extension ModelView {
    /// A model whose runtime cannot answer yet.
    init(waiting service: ModelServiceStatus) {
        self.init(
            model: service.model, aliases: service.aliases, state: service.state.rawValue, detail: service.detail,
            origin: .runtime, capabilities: service.kind.capabilities, contextLimit: service.contextLimit)
    }
}

extension ModelCard.Kind {
    fileprivate var capabilities: [Capability] {
        switch self {
        case .chat: [.chat, .completions]
        case .embeddings: [.embeddings]
        }
    }
}

extension ModelEnvironment {
    /// What a version may go on to.
    fileprivate var later: [ModelEnvironment] {
        switch self {
        case .development: [.staging, .production]
        case .staging: [.production]
        case .production: []
        }
    }
}
