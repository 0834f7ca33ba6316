import Fleet
import Inference
package import Kernel

extension ControlFlow {
    package func registerDeployment(_ request: NewDeployment) async throws -> DeploymentView {
        let deployment = try request.checked(id: parts.ids.next(), now: parts.clock.now)
        try await parts.deployments.insert(deployment)
        try await parts.registry.didChange()
        return DeploymentView(deployment)
    }

    package func listDeployments() async throws -> [DeploymentView] {
        try await parts.deployments.all().map(DeploymentView.init)
    }

    package func deregister(_ id: DeploymentID) async throws -> DeploymentView {
        guard let removed = try await parts.deployments.remove(id) else {
            throw Problem(
                .notFound, "There is no registered deployment `\(id)`.", parameter: "id",
                hint: "`volery registry list` shows the deployments.")
        }
        try await parts.registry.didChange()
        return DeploymentView(removed)
    }

    package func models() async throws -> [ModelView] {
        let ready = parts.registry.registry.snapshot.models().map(ModelView.init(ready:))
        let names = Set(ready.map(\.model))
        let waiting = await parts.runtimes().filter { !names.contains($0.model) }.map(ModelView.init(waiting:))
        return ready + waiting
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
    func checked(id: DeploymentID, now: Instant) throws(Problem) -> Deployment {
        let name = try ModelName(checking: model)
        var others: [ModelName] = []
        for (index, alias) in (aliases ?? []).enumerated() {
            let checked = try ModelName(checking: alias, parameter: "aliases[\(index)]")
            if checked != name, !others.contains(checked) { others.append(checked) }
        }
        let place = try Inference.Endpoint(checking: endpoint)
        guard place.scheme != .builtIn else {
            throw Problem(
                .validationError, "`endpoint` is not a usable URL.", parameter: "endpoint",
                hint: "Use http://HOST[:PORT][/PATH] or https://…; what is inside the binary cannot be registered.")
        }
        if let contextLimit, !(1...100_000_000).contains(contextLimit) {
            throw Problem(
                .validationError, "`context_limit` must be a number of tokens from 1 to 100000000.",
                parameter: "context_limit", hint: "Leave it out when it is not known.")
        }
        if let upstreamModel, upstreamModel.isEmpty || upstreamModel.utf8.count > 256 {
            throw Problem(
                .validationError, "`upstream_model` must have 1 to 256 bytes.", parameter: "upstream_model",
                hint: "Leave it out when the endpoint knows the model by the same name.")
        }
        return Deployment(
            id: id, model: name, environment: try checkedEnvironment(), aliases: others, wire: try checkedWire(),
            endpoint: place, upstreamModel: upstreamModel ?? model, capabilities: try checkedCapabilities(),
            contextLimit: contextLimit, origin: .registered, registered: now)
    }

    private func checkedEnvironment() throws(Problem) -> ModelEnvironment {
        guard let environment else { return .production }
        guard let known = ModelEnvironment(rawValue: environment) else {
            throw oneOf(ModelEnvironment.allCases.map(\.rawValue), parameter: "environment")
        }
        return known
    }

    /// The protocols that something outside this binary can speak.
    private func checkedWire() throws(Problem) -> WireProtocol {
        guard let known = WireProtocol(rawValue: wire), known != .echo else {
            throw oneOf(WireProtocol.allCases.filter { $0 != .echo }.map(\.rawValue), parameter: "protocol")
        }
        return known
    }

    private func checkedCapabilities() throws(Problem) -> Set<Capability> {
        guard let capabilities else { return Set(Capability.allCases) }
        var known: Set<Capability> = []
        for (index, text) in capabilities.enumerated() {
            guard let capability = Capability(rawValue: text) else {
                throw oneOf(Capability.allCases.map(\.rawValue), parameter: "capabilities[\(index)]")
            }
            known.insert(capability)
        }
        guard !known.isEmpty else { throw oneOf(Capability.allCases.map(\.rawValue), parameter: "capabilities") }
        return known
    }

    private func oneOf(_ allowed: [String], parameter: String) -> Problem {
        Problem(
            .validationError, "`\(parameter)` has a value that is not known.", parameter: parameter,
            hint: "Allowed: \(allowed.joined(separator: ", ")).")
    }
}
