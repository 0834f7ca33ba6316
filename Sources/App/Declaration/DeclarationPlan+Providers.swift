import Flows
import Inference
import Kernel

extension DeclarationPlanner {
    mutating func plan(providers declared: [ProviderDeclaration]?, changedKeys: Set<String>) {
        guard let declared else { return }
        for provider in declared {
            guard let actual = state.providers.first(where: { $0.name == provider.name }) else {
                var details: [Step.Detail] = []
                if let endpoint = provider.endpoint {
                    details.append(.init(name: "endpoint", before: nil, after: endpoint.description))
                }
                if let key = provider.key { details.append(.init(name: "key", before: nil, after: key.text)) }
                add(
                    Step(
                        change: .create, kind: "provider", name: provider.name, details: details, tenant: "",
                        action: .addProvider(provider.name, endpoint: provider.endpoint?.description)))
                continue
            }
            if let endpoint = provider.place, endpoint.description != actual.endpoint {
                conflict(
                    "The provider `\(provider.name)` has the endpoint \(actual.endpoint); its key goes there alone. "
                        + "For \(endpoint), remove it first, or take another name.")
            }
            guard let key = provider.key, changedKeys.contains(provider.name) else { continue }
            let stored = actual.keyStored.map { "stored \($0)" }
            add(
                Step(
                    change: .change, kind: "provider", name: provider.name,
                    details: [.init(name: "key", before: stored, after: key.text)], tenant: "",
                    action: .putKey(actual.id, of: provider.name)))
        }
    }

    mutating func plan(deployments declared: [DeploymentDeclaration]?, providers: [ProviderDeclaration]?) {
        guard let declared else { return }
        var kept: Set<DeploymentID> = []
        for deployment in declared {
            if let name = deployment.provider, !isKnown(provider: name, providers) {
                conflict("A deployment of `\(deployment.model)` names the provider `\(name)`, which does not exist.")
            }
            let endpoint = endpoint(of: deployment, providers)
            let actual = state.deployments.first {
                $0.model == deployment.model && $0.environment == deployment.environment && $0.endpoint == endpoint
            }
            if let actual { kept.insert(actual.id) }
            plan(deployment, actual)
        }
        guard prunes else { return }
        for actual in state.deployments where !kept.contains(actual.id) {
            remove(
                Step(
                    change: .remove, kind: "deployment", name: Self.name(actual.model, actual.environment),
                    details: [.init(name: "endpoint", before: actual.endpoint, after: nil)], tenant: "",
                    action: .deregister(actual.id)))
        }
    }

    /// After the deployments that use them.
    mutating func pruneProviders(except declared: [ProviderDeclaration]) {
        for provider in state.providers where !declared.contains(where: { $0.name == provider.name }) {
            remove(
                Step(
                    change: .remove, kind: "provider", name: provider.name, details: [], tenant: "",
                    action: .removeProvider(provider.id)))
        }
    }

    private mutating func plan(_ deployment: DeploymentDeclaration, _ actual: DeploymentView?) {
        let name = Self.name(deployment.model, deployment.environment)
        let wanted = facts(deployment)
        guard let actual else {
            add(
                Step(
                    change: .create, kind: "deployment", name: name, details: Self.details(from: [:], to: wanted),
                    tenant: "", action: .register(deployment.request)))
            return
        }
        var details = Self.details(from: facts(actual), to: wanted)
        // The place is the same, or it would be another deployment.
        details.removeAll { $0.name == "endpoint" }
        guard !details.isEmpty else { return }
        add(
            Step(
                change: .change, kind: "deployment", name: name, details: details, tenant: "",
                action: .replaceDeployment(actual.id, deployment.request)))
    }

    private func isKnown(provider name: String, _ declared: [ProviderDeclaration]?) -> Bool {
        (declared ?? []).contains { $0.name == name } || state.providers.contains { $0.name == name }
    }

    private func endpoint(of deployment: DeploymentDeclaration, _ declared: [ProviderDeclaration]?) -> String? {
        if let endpoint = deployment.endpoint { return endpoint.description }
        guard let name = deployment.provider else { return nil }
        return state.providers.first { $0.name == name }?.endpoint
            ?? (declared ?? []).first { $0.name == name }?.place?.description
    }

    private func facts(_ deployment: DeploymentDeclaration) -> [String: String] {
        var facts = Self.facts(
            aliases: deployment.aliases, wire: deployment.wire, upstreamModel: deployment.upstreamModel,
            capabilities: deployment.capabilities ?? Set(Capability.allCases), contextLimit: deployment.contextLimit)
        facts["endpoint"] = deployment.endpoint?.description
        facts["provider"] = deployment.provider
        return facts
    }

    private func facts(_ deployment: DeploymentView) -> [String: String] {
        var facts = Self.facts(
            aliases: deployment.aliases, wire: deployment.wire, upstreamModel: deployment.upstreamModel,
            capabilities: Set(deployment.capabilities), contextLimit: deployment.contextLimit)
        facts["endpoint"] = deployment.endpoint
        facts["provider"] = deployment.provider
        return facts
    }

    private static func facts(
        aliases: [ModelName], wire: WireProtocol, upstreamModel: String, capabilities: Set<Capability>,
        contextLimit: Int?
    ) -> [String: String] {
        var facts = ["protocol": wire.rawValue, "upstream_model": upstreamModel]
        if !aliases.isEmpty { facts["aliases"] = aliases.map(\.text).sorted().joined(separator: " | ") }
        let isAll = capabilities.count == Capability.allCases.count
        facts["capabilities"] = isAll ? "all" : capabilities.map(\.rawValue).sorted().joined(separator: " | ")
        facts["context_limit"] = contextLimit.map(String.init)
        return facts
    }

    private static func name(_ model: ModelName, _ environment: ModelEnvironment) -> String {
        environment == .production ? model.text : "\(model) (\(environment.rawValue))"
    }
}

extension ProviderDeclaration.KeySource {
    /// Where it is from, without a path or a name: somebody may have put the key itself there.
    var text: String {
        switch self {
        case .file: "from key_file"
        case .environment: "from key_env"
        }
    }
}

extension DeploymentDeclaration {
    var request: NewDeployment {
        NewDeployment(
            model: model.text, endpoint: endpoint?.description, provider: provider, wire: wire.rawValue,
            environment: environment.rawValue, aliases: aliases.map(\.text), upstreamModel: upstreamModel,
            contextLimit: contextLimit, capabilities: capabilities?.map(\.rawValue).sorted())
    }
}
