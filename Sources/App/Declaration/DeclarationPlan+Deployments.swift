import Flows
import Inference
import Kernel

extension DeclarationPlanner {
    mutating func plan(deployments declared: [DeploymentDeclaration]?, providers: [ProviderDeclaration]?) {
        guard let declared else { return }
        var kept: Set<DeploymentID> = []
        for (deployment, actual) in zip(declared, matches(declared, providers)) {
            if let name = deployment.provider, !isKnown(provider: name, providers) {
                conflict("A deployment of `\(deployment.model)` names the provider `\(name)`, which does not exist.")
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

    /// The deployment that each declared one is about; nil for one that there is not. What is the same wherever it is
    /// called comes first: an endpoint may serve a model as several of its own.
    private func matches(
        _ declared: [DeploymentDeclaration], _ providers: [ProviderDeclaration]?
    ) -> [DeploymentView?] {
        var free = state.deployments
        var matches = [DeploymentView?](repeating: nil, count: declared.count)
        for isExact in [true, false] {
            for (index, deployment) in declared.enumerated() where matches[index] == nil {
                let endpoint = endpoint(of: deployment, providers)
                let place = free.firstIndex { actual in
                    actual.model == deployment.model && actual.environment == deployment.environment
                        && actual.endpoint == endpoint
                        && (!isExact
                            || actual.upstreamModel == deployment.upstreamModel
                                && actual.provider == deployment.provider)
                }
                if let place { matches[index] = free.remove(at: place) }
            }
        }
        return matches
    }

    private mutating func plan(_ deployment: DeploymentDeclaration, _ actual: DeploymentView?) {
        let name = Self.name(deployment.model, deployment.environment)
        let wanted = facts(deployment)
        guard let actual else {
            add(
                Step(
                    change: .create, kind: "deployment", name: name, details: Self.details(from: [:], to: wanted),
                    tenant: "", action: .register(deployment.request(keeping: nil))))
            return
        }
        var details = Self.details(from: facts(actual, beside: deployment), to: wanted)
        // The place is the same, or it would be another deployment.
        details.removeAll { $0.name == "endpoint" }
        guard !details.isEmpty else { return }
        let isAnother = details.contains { ["protocol", "provider"].contains($0.name) }
        add(
            Step(
                change: .change, kind: "deployment", name: name, details: details, tenant: "",
                action: isAnother
                    ? .replaceDeployment(actual.id, deployment.request(keeping: actual))
                    : .changeDeployment(actual.id, deployment.change)))
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
        facts["model_version"] = deployment.version
        facts["region"] = deployment.region
        facts["data_policies"] = Self.list(deployment.dataPolicies)
        facts["first_token_ms"] = deployment.promisedFirstToken.map { "\($0.microseconds / 1000)" }
        facts["concurrency"] = deployment.concurrency?.description
        facts["weight"] = deployment.weight.map(String.init)
        facts["priority"] = deployment.priority.map(String.init)
        facts["enabled"] = deployment.isEnabled.map { "\($0)" }
        return facts
    }

    /// - Parameter declared: what it is compared with; what that says nothing of is not compared.
    private func facts(
        _ deployment: DeploymentView, beside declared: DeploymentDeclaration
    ) -> [String: String] {
        var facts = Self.facts(
            aliases: deployment.aliases, wire: deployment.wire, upstreamModel: deployment.upstreamModel,
            capabilities: Set(deployment.capabilities), contextLimit: deployment.contextLimit)
        facts["endpoint"] = deployment.endpoint
        facts["provider"] = deployment.provider
        facts["model_version"] = deployment.version
        facts["region"] = deployment.region
        facts["data_policies"] = Self.list(Set(deployment.dataPolicies))
        facts["first_token_ms"] = deployment.firstTokenMilliseconds.map(String.init)
        facts["concurrency"] = deployment.concurrency?.text
        if declared.weight != nil { facts["weight"] = "\(deployment.weight)" }
        if declared.priority != nil { facts["priority"] = "\(deployment.priority)" }
        if declared.isEnabled != nil { facts["enabled"] = "\(deployment.enabled)" }
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

    /// Nil for none, so that it is not told.
    private static func list(_ words: Set<String>) -> String? {
        words.isEmpty ? nil : words.sorted().joined(separator: " | ")
    }

    private static func name(_ model: ModelName, _ environment: ModelEnvironment) -> String {
        environment == .production ? model.text : "\(model) (\(environment.rawValue))"
    }
}

extension DeploymentDeclaration {
    /// - Parameter actual: what it takes the place of, and whose turned knobs stay.
    fileprivate func request(keeping actual: DeploymentView?) -> NewDeployment {
        var request = NewDeployment(
            model: model.text, endpoint: endpoint?.description, provider: provider, wire: wire.rawValue,
            environment: environment.rawValue, aliases: aliases.map(\.text), upstreamModel: upstreamModel,
            contextLimit: contextLimit, capabilities: capabilities?.map(\.rawValue).sorted())
        request.version = version
        request.region = region
        request.dataPolicies = dataPolicies.isEmpty ? nil : dataPolicies.sorted()
        request.firstTokenMilliseconds = milliseconds
        request.concurrency = concurrency.map(ConcurrencyText.init)
        request.weight = weight ?? actual?.weight
        request.priority = priority ?? actual?.priority
        request.enabled = isEnabled ?? actual?.enabled
        return request
    }

    fileprivate var change: DeploymentChangeRequest {
        var change = DeploymentChangeRequest()
        change.aliases = aliases.map(\.text)
        change.upstreamModel = upstreamModel
        change.capabilities = (capabilities ?? Set(Capability.allCases)).map(\.rawValue).sorted()
        change.contextLimit = Self.change(contextLimit)
        change.version = Self.change(version)
        change.region = Self.change(region)
        change.dataPolicies = dataPolicies.sorted()
        change.firstTokenMilliseconds = Self.change(milliseconds)
        change.concurrency = Self.change(concurrency.map(ConcurrencyText.init))
        change.weight = weight
        change.priority = priority
        change.enabled = isEnabled
        return change
    }

    private var milliseconds: Int? { promisedFirstToken.map { Int($0.microseconds / 1000) } }

    private static func change<Value>(_ value: Value?) -> FieldChange<Value> { value.map { .set($0) } ?? .clear }
}
