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
        var details = ["model": deployment.model.text, "endpoint": deployment.endpoint.description]
        if let provider { details["provider"] = provider.name }
        try await recorded("deployment.register", on: deployment.id, details) {
            try await stores.deployments.insert(deployment)
        }
        try await parts.registry.didChange()
        return DeploymentView(deployment, provider: provider?.name)
    }

    package func listDeployments() async throws -> [DeploymentView] {
        try await gate.authorize(.modelRead, on: .platform, as: "deployment.list")
        let deployments = try await stores.deployments.all()
        let names = try await providerNames(of: deployments)
        return deployments.map { DeploymentView($0, provider: $0.provider.flatMap { names[$0] }) }
    }

    package func deregister(_ id: DeploymentID) async throws -> DeploymentView {
        try await gate.authorize(
            .modelWrite, on: Target(.platform, subject: id.description), as: "deployment.deregister")
        let missing = Problem(
            .notFound, "There is no registered deployment `\(id)`.", parameter: "id",
            hint: "`volery registry list` shows the deployments.")
        guard let known = try await stores.deployments.all().first(where: { $0.id == id }) else { throw missing }
        let names = try await providerNames(of: [known])
        let removed = try await recorded("deployment.deregister", on: id, ["model": known.model.text]) {
            guard let removed = try await stores.deployments.remove(id) else { throw missing }
            return removed
        }
        try await parts.registry.didChange()
        return DeploymentView(removed, provider: removed.provider.flatMap { names[$0] })
    }

    /// Those that the caller may use; an operator sees all.
    package func models() async throws -> [ModelView] {
        let places = placesOfCaller()
        if !places.contains(where: { gate.allows(.modelRead, on: $0) }) {
            try await gate.authorize(
                .modelRead, on: Target(places.first ?? .platform), as: "model.list")
        }
        let ready = parts.registry.registry.snapshot.models().map(ModelView.init(ready:))
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

extension NewDeployment {
    func checked(id: DeploymentID, now: Instant, provider: Provider? = nil) throws(Problem) -> Deployment {
        let name = try ModelName(checking: model)
        var others: [ModelName] = []
        for (index, alias) in (aliases ?? []).enumerated() {
            let checked = try ModelName(checking: alias, parameter: "aliases[\(index)]")
            if checked != name, !others.contains(checked) { others.append(checked) }
        }
        let place = try checkedEndpoint(provider)
        if let contextLimit, !(1...100_000_000).contains(contextLimit) {
            throw Problem(
                .validationError, "`context_limit` must be a number of tokens from 1 to 100000000.",
                parameter: "context_limit", hint: "Leave it out when it is not known.")
        }
        if let upstreamModel,
            upstreamModel.isEmpty || upstreamModel.utf8.count > 256
                || upstreamModel.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F })
        {
            throw Problem(
                .validationError, "`upstream_model` must have 1 to 256 bytes that can be printed.",
                parameter: "upstream_model",
                hint: "Leave it out when the endpoint knows the model by the same name.")
        }
        return Deployment(
            id: id, model: name, environment: try checkedEnvironment(), aliases: others, wire: try checkedWire(),
            endpoint: place, upstreamModel: upstreamModel ?? model, capabilities: try checkedCapabilities(),
            contextLimit: contextLimit, provider: provider?.id, origin: .registered, registered: now)
    }

    /// A provider's deployment is at the provider: its key goes nowhere else.
    private func checkedEndpoint(_ provider: Provider?) throws(Problem) -> Inference.Endpoint {
        guard let endpoint else {
            guard let provider else {
                throw Problem(
                    .validationError, "`endpoint` is missing.", parameter: "endpoint",
                    hint: "Say where the model answers, or name a `provider`.")
            }
            return provider.endpoint
        }
        let place = try Inference.Endpoint(checking: endpoint)
        guard place.scheme != .builtIn, endpoint.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Problem(
                .validationError, "`endpoint` is not a usable URL.", parameter: "endpoint",
                hint: "Use http://HOST[:PORT][/PATH] or https://…; what is inside the binary cannot be registered.")
        }
        if let own = provider?.endpoint,
            place.scheme != own.scheme || place.host != own.host || place.port != own.port
        {
            throw Problem(
                .validationError, "`endpoint` is not at the provider.", parameter: "endpoint",
                hint: "Leave it out: \(own) is meant then.")
        }
        return place
    }

    private func checkedEnvironment() throws(Problem) -> ModelEnvironment {
        guard let environment else { return .production }
        return try Checks.oneOf(ModelEnvironment.self, environment, parameter: "environment")
    }

    /// The protocols that something outside this binary can speak.
    private func checkedWire() throws(Problem) -> WireProtocol {
        guard let known = WireProtocol(rawValue: wire), known != .echo else {
            throw Checks.unknown(
                "protocol", wire, allowed: WireProtocol.allCases.filter { $0 != .echo }.map(\.rawValue))
        }
        return known
    }

    private func checkedCapabilities() throws(Problem) -> Set<Capability> {
        guard let capabilities else { return Set(Capability.allCases) }
        var known: Set<Capability> = []
        for (index, text) in capabilities.enumerated() {
            guard let capability = Capability(rawValue: text) else {
                throw Checks.unknown(
                    "capabilities[\(index)]", text, allowed: Capability.allCases.map(\.rawValue))
            }
            known.insert(capability)
        }
        guard !known.isEmpty else {
            let all = Capability.allCases.map(\.rawValue).joined(separator: ", ")
            throw Problem(
                .validationError, "`capabilities` is empty.", parameter: "capabilities",
                hint: "Name some of \(all), or leave it out for all.")
        }
        return known
    }
}
