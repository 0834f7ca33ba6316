package import Inference
package import Kernel
package import Tenancy

/// What one inference request goes through, apart from the bytes: who asks, whether they may, which deployment answers,
/// what it may cost, what is recorded.
///
/// Nothing here waits, except for a token that was not seen before, and for budgets and limits that memory does not
/// decide.
package final class InferenceFlow: Sendable {
    package let registry: Registry
    package let keys: KeyVerifier
    package let journal: any UsageJournal
    package let credentials: any UpstreamCredentials
    package let admission: any Admission
    package let clock: any Clock
    package let ids: IDSource
    /// How the deployments do, as this node sees it.
    package let board: RoutingBoard
    private let access: any AccessDecider
    private let services: RoutedServices
    private let costs: any RouteCosts

    package init(
        registry: Registry, keys: KeyVerifier, journal: any UsageJournal, clock: any Clock, ids: IDSource,
        access: any AccessDecider = BuiltInAccess(), credentials: any UpstreamCredentials = NoCredentials(),
        admission: any Admission = FreeAdmission(), board: RoutingBoard? = nil, costs: any RouteCosts = NoCosts()
    ) {
        let board = board ?? RoutingBoard(clock: clock)
        self.board = board
        services = RoutedServices(board: board)
        self.costs = costs
        self.registry = registry
        self.keys = keys
        self.journal = journal
        self.clock = clock
        self.ids = ids
        self.access = access
        self.credentials = credentials
        self.admission = admission
    }

    /// The models that the key may use, one entry for each.
    /// - Throws: `POLICY_DENIED` when the key may not even ask.
    package func models(for holder: KeyHolder, in context: AccessContext) throws(Problem) -> [Deployment] {
        var first: Denial?
        var isNarrowed = false
        var names: Set<ModelName> = []
        let all = registry.snapshot.deployments.filter {
            $0.environment == holder.environment && $0.terms.isEnabled
        }
        let seen = all.filter { deployment in
            guard let denial = denial(of: .modelRead, at: .models, deployment.names, holder, context) else {
                return names.insert(deployment.model).inserted
            }
            if case .model = denial { isNarrowed = true }
            first = first ?? denial
            return false
        }
        if all.isEmpty { first = denial(of: .modelRead, at: .models, nil, holder, context) }
        // A key for models that are not here may ask, and there is nothing to see.
        if seen.isEmpty, !isNarrowed, let first { throw first.problem }
        return seen
    }

    /// The model of this name or alias.
    /// - Throws: `MODEL_NOT_FOUND`, listing what there is, also for one that the key may not use; `POLICY_DENIED` when
    ///   it may not even ask; `MODEL_LOADING` when the model exists but cannot answer yet.
    package func model(
        named text: String, for holder: KeyHolder, in context: AccessContext
    ) throws(Problem) -> Deployment {
        switch permitted(try candidates(for: text, holder, context), .modelRead, at: .models, holder, context) {
        case .success(let deployments): return deployments[0]
        case .failure(.model): throw notFound(text, holder, context)
        case .failure(let denial): throw denial.problem
        }
    }

    /// Chooses among the deployments of the key's environment. Whoever gets a route sees for itself whether anybody can
    /// answer.
    /// - Throws: as `model(named:for:in:)`; `POLICY_DENIED`.
    package func route(
        _ question: RouteQuestion, holder: KeyHolder, in context: AccessContext
    ) throws(Problem) -> RequestRoute {
        let snapshot = registry.snapshot
        let prepared = snapshot.preparedRouting(of: holder.workspace) ?? .usual
        let service = try service(question, snapshot, prepared, holder, context)
        var costs: [Int64?] = []
        if prepared.needsCosts {
            costs = service.deployments.map { deployment in
                self.costs.cost(
                    of: question.likely, on: deployment, operation: question.operation, at: context.now)
            }
        }
        return .decided(
            question, to: service, snapshot: snapshot.number, by: prepared,
            affinity: affinity(prepared.routing.sticky, holder), costs: costs, at: clock.uptime)
    }

    private func service(
        _ question: RouteQuestion, _ snapshot: RegistrySnapshot, _ prepared: PreparedRouting, _ holder: KeyHolder,
        _ context: AccessContext
    ) throws(Problem) -> RoutedService {
        let found = try found(question.model, snapshot, prepared, holder, context)
        let endpoint = question.operation.endpoint
        if let names = found.names {
            if let denial = denial(of: .inferenceExecute, at: endpoint, names, holder, context) {
                throw denial.problem
            }
            return found
        }
        switch permitted(found.deployments, .inferenceExecute, at: endpoint, holder, context) {
        case .success(let permitted):
            return permitted.count == found.deployments.count ? found : services.part(permitted)
        case .failure(let denial): throw denial.problem
        }
    }

    private func found(
        _ text: String, _ snapshot: RegistrySnapshot, _ prepared: PreparedRouting, _ holder: KeyHolder,
        _ context: AccessContext
    ) throws(Problem) -> RoutedService {
        // A word may stand for another model only where a workspace says so.
        if !prepared.hasHints, let last = services.last(named: text, in: holder.environment, snapshot) { return last }
        guard let name = ModelName(text) else { throw notFound(text, holder, context) }
        let meant = snapshot.meaning(of: name, in: holder.environment, by: prepared.routing)
        guard let found = services.service(of: meant, in: holder.environment, snapshot) else {
            throw missing(meant, snapshot, holder, context)
        }
        return found
    }

    private func affinity(_ sticky: WorkspaceRouting.Sticky?, _ holder: KeyHolder) -> UInt64? {
        switch sticky {
        case .key: holder.key.ulid.low
        case .user: (holder.principal.user?.ulid ?? holder.key.ulid).low
        case nil: nil
        }
    }

    /// Of the deployments behind a name those that the caller may use, at least one: they may have different other
    /// names, by which they are allowed or not.
    private func permitted(
        _ deployments: [Deployment], _ action: Permission, at endpoint: KeyEndpoint, _ holder: KeyHolder,
        _ context: AccessContext
    ) -> Result<[Deployment], Denial> {
        let first = denial(of: action, at: endpoint, deployments[0].names, holder, context)
        if deployments.dropFirst().allSatisfy({ $0.names == deployments[0].names }) {
            return first.map { .failure($0) } ?? .success(deployments)
        }
        let permitted = deployments.filter { denial(of: action, at: endpoint, $0.names, holder, context) == nil }
        if permitted.isEmpty, let first { return .failure(first) }
        return .success(permitted)
    }

    private func denial(
        of action: Permission, at endpoint: KeyEndpoint, _ model: ModelNames?, _ holder: KeyHolder,
        _ context: AccessContext
    ) -> Denial? {
        let resource = Resource(
            tenant: holder.tenant, workspace: holder.workspace, model: model, environment: holder.environment,
            endpoint: endpoint)
        guard case .deny(let denial) = access.decide(holder.principal, action, on: resource, in: context) else {
            return nil
        }
        return denial
    }

    private func candidates(
        for text: String, _ holder: KeyHolder, _ context: AccessContext
    ) throws(Problem) -> [Deployment] {
        let snapshot = registry.snapshot
        guard let name = ModelName(text) else { throw notFound(text, holder, context) }
        let deployments = snapshot.deployments(of: name, in: holder.environment)
        if !deployments.isEmpty { return deployments }
        throw missing(name, snapshot, holder, context)
    }

    private func missing(
        _ name: ModelName, _ snapshot: RegistrySnapshot, _ holder: KeyHolder, _ context: AccessContext
    ) -> Problem {
        // Runtimes of this machine serve production.
        guard holder.environment == .production else { return notFound(name.text, holder, context) }
        if snapshot.broken.contains(name) {
            return Problem(
                .noRoute, "The model `\(name)` cannot run on this machine.", parameter: "model",
                hint: "`volery runtimes list` says why, and what mends it.")
        }
        if let state = snapshot.loading[name] {
            return Problem(
                .modelLoading, "The model `\(name)` cannot answer yet: \(state).", parameter: "model", retryAfter: 2)
        }
        return notFound(name.text, holder, context)
    }

    private func notFound(_ text: String, _ holder: KeyHolder, _ context: AccessContext) -> Problem {
        let models = (try? models(for: holder, in: context)) ?? []
        let names = models.map { "`\($0.model)`" }
        let shown = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? " and more" : "")
        let hint = names.isEmpty ? nil : "Models that this key may use: \(shown)."
        return Problem(
            .modelNotFound, "There is no model `\(Self.printable(text))`.", parameter: "model", hint: hint)
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
        // Messages are served by any model that chats.
        case .chat, .messages: .chat
        case .completions: .completions
        case .embeddings: .embeddings
        case .responses: .responses
        }
    }
}

extension Operation {
    /// What a key is narrowed to.
    package var endpoint: KeyEndpoint {
        switch self {
        case .chat: .chat
        case .completions: .completions
        case .embeddings: .embeddings
        case .messages: .messages
        case .responses: .responses
        }
    }
}
