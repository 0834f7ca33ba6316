package import Inference
package import Kernel
package import Tenancy

/// What one inference request goes through, apart from the bytes: who asks, which deployment answers, what is recorded.
///
/// Nothing here waits, except for a token that was not seen before.
package struct InferenceFlow: Sendable {
    package let registry: Registry
    package let keys: KeyVerifier
    package let journal: any UsageJournal
    package let clock: any Clock
    package let ids: IDSource
    private let environment: ModelEnvironment

    package init(
        registry: Registry, keys: KeyVerifier, journal: any UsageJournal, clock: any Clock, ids: IDSource,
        environment: ModelEnvironment = .production
    ) {
        self.registry = registry
        self.keys = keys
        self.journal = journal
        self.clock = clock
        self.ids = ids
        self.environment = environment
    }

    /// The models that callers may name, one entry for each.
    package func models() -> [Deployment] { registry.snapshot.models(in: environment) }

    /// The model of this name or alias.
    /// - Throws: `MODEL_NOT_FOUND`, listing what there is; `MODEL_LOADING` when it exists but cannot answer yet.
    package func model(named text: String) throws(Problem) -> Deployment {
        try candidates(for: text, in: registry.snapshot)[0]
    }

    /// Chooses the deployment that answers.
    /// - Parameter turn: any number; successive ones spread requests over equal deployments.
    package func route(
        _ text: String, for operation: Operation, needs: Set<Capability>, turn: UInt64
    ) throws(Problem) -> Deployment {
        let deployments = try candidates(for: text, in: registry.snapshot)
        let wanted = operation.capability
        let able = deployments.filter { $0.capabilities.contains(wanted) && needs.isSubset(of: $0.capabilities) }
        guard !able.isEmpty else { throw unsupported(needs.union([wanted]), by: deployments[0]) }
        return able[Int(turn % UInt64(able.count))]
    }

    private func candidates(
        for text: String, in snapshot: RegistrySnapshot
    ) throws(Problem) -> [Deployment] {
        guard let name = ModelName(text) else { throw notFound(text, in: snapshot) }
        let deployments = snapshot.deployments(of: name, in: environment)
        if !deployments.isEmpty { return deployments }
        if snapshot.broken.contains(name) {
            throw Problem(
                .noRoute, "The model `\(name)` cannot run on this machine.", parameter: "model",
                hint: "`volery runtimes list` says why, and what mends it.")
        }
        if let state = snapshot.loading[name] {
            throw Problem(
                .modelLoading, "The model `\(name)` cannot answer yet: \(state).", parameter: "model", retryAfter: 2)
        }
        throw notFound(text, in: snapshot)
    }

    private func notFound(_ text: String, in snapshot: RegistrySnapshot) -> Problem {
        let names = snapshot.models(in: environment).map { "`\($0.model)`" }
        let shown = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? " and more" : "")
        let hint = names.isEmpty ? nil : "Models that this key may use: \(shown)."
        return Problem(
            .modelNotFound, "There is no model `\(Self.printable(text))`.", parameter: "model", hint: hint)
    }

    private func unsupported(_ needs: Set<Capability>, by deployment: Deployment) -> Problem {
        let missing = needs.subtracting(deployment.capabilities)
        let names = missing.map(\.rawValue).sorted().joined(separator: ", ")
        let parameter = missing == [.tools] ? "tool_choice" : "model"
        return Problem(
            .capabilityUnsupported, "The model `\(deployment.model)` cannot do this: \(names).", parameter: parameter)
    }

    /// A caller's text as it may stand in a message: short, and without control characters.
    package static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(ModelName.maximumLength).map {
                    $0.properties.generalCategory == .control || $0 == "`" ? "?" : $0
                }))
    }
}

extension Operation {
    package var capability: Capability {
        switch self {
        case .chat: .chat
        case .completions: .completions
        case .embeddings: .embeddings
        }
    }
}
