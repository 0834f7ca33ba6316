import Inference
package import Kernel
import Tenancy

/// Routing is the workspace's own: which deployments may see its data, and what its hints mean. What would take
/// something from others is the operator's: going before them where not everybody can be served; and so is a bound on
/// costs, which would tell what things cost the platform.
extension ControlFlow: RoutingControl {
    package func routing(of id: WorkspaceID) async throws -> RoutingView {
        let workspace = try await authorizedRouting(id, .routingRead, as: "routing.read")
        let stored = try await stores.routings.routing(of: id)
        return RoutingView(stored?.routing ?? .usual, of: workspace, changed: stored?.changed)
    }

    package func setRouting(of id: WorkspaceID, _ request: NewRouting) async throws -> RoutingView {
        let workspace = try await authorizedRouting(id, .routingWrite, as: "routing.set")
        let old = try await stores.routings.routing(of: id)?.routing ?? .usual
        var routing = try request.checked()
        if !caller.principal.isOperator {
            // What they may not set they need not repeat to keep.
            if request.maxCost == nil, old.policy.mostCost != nil {
                (routing.policy.mostCost, routing.currency) = (old.policy.mostCost, old.currency)
            }
            if request.priority == nil { routing.priority = old.priority }
        }
        try await authorizeBounds(of: routing, after: old, as: "routing.set")
        try mustNotBeDeleted(workspace.standing, "workspace", parameter: "id")
        try await mustBeFree(Array(routing.hints.keys))
        let stored = StoredRouting(workspace: id, routing: routing, changed: now)
        try await recorded("routing.set", on: id, in: workspace, routing.words) {
            try await stores.routings.put(stored)
        }
        try await parts.registry.didChange()
        return RoutingView(routing, of: workspace, changed: stored.changed)
    }

    package func removeRouting(of id: WorkspaceID) async throws -> RoutingView {
        let workspace = try await authorizedRouting(id, .routingWrite, as: "routing.remove")
        let missing = Problem(
            .notFound, "The workspace has set no routing.", parameter: "id",
            hint: "What is usual is in force; `volery routing show` shows it.")
        guard let old = try await stores.routings.routing(of: id)?.routing else { throw missing }
        try await authorizeBounds(of: .usual, after: old, as: "routing.remove")
        let removed = try await recorded("routing.remove", on: id, in: workspace) {
            guard let removed = try await stores.routings.remove(id) else { throw missing }
            return removed
        }
        try await parts.registry.didChange()
        return RoutingView(removed.routing, of: workspace, changed: removed.changed)
    }

    package func listRouting(in tenant: TenantID?) async throws -> [RoutingView] {
        let tenant = try await authorized(.routingRead, in: tenant, as: "routing.list")
        let stored = Dictionary(try await stores.routings.all().map { ($0.workspace, $0) }) { first, _ in first }
        guard !stored.isEmpty else { return [] }
        var views: [RoutingView] = []
        var after: String?
        repeat {
            let page = try await stores.workspaces.list(
                in: tenant.id, page: PageRequest(limit: PageRequest.allowed.upperBound, after: after))
            for workspace in page.data {
                guard let own = stored[workspace.id] else { continue }
                views.append(RoutingView(own.routing, of: workspace, changed: own.changed))
            }
            after = page.hasMore ? page.lastID : nil
        } while after != nil
        return views
    }

    private func authorizedRouting(
        _ id: WorkspaceID, _ action: Permission, as act: String
    ) async throws -> Workspace {
        let named = try await workspace(id, parameter: "id")
        try await gate.authorize(action, on: target(named), as: act)
        return named.value
    }

    /// Whoever may set the rest may keep these, and may step back.
    private func authorizeBounds(
        of routing: WorkspaceRouting, after old: WorkspaceRouting, as act: String
    ) async throws {
        let (before, after) = (old.policy.mostCost, routing.policy.mostCost)
        if before != after || before != nil && old.currency != routing.currency {
            try await gate.authorize(.priceWrite, on: .platform, as: act)
        }
        if routing.priority > old.priority { try await gate.authorize(.modelWrite, on: .platform, as: act) }
    }

    /// A hint that is a model's own name would never be looked at.
    private func mustBeFree(_ hints: [ModelName]) async throws {
        for hint in hints.sorted() where await models(named: hint.text).contains(where: { $0.own == hint.text }) {
            throw Problem(
                .validationError, "`\(hint)` is a model's own name, and would never stand for another.",
                parameter: "hints.\(hint)", hint: "Choose a word that is no model's name, such as `llm:\(hint)`.")
        }
    }
}

extension NewRouting {
    private static let latencies = 1...3_600_000

    fileprivate func checked() throws(Problem) -> WorkspaceRouting {
        let currency = try currency.map { text throws(Problem) in
            try Checks.currency(text, parameter: "currency")
        }
        guard let strategy else {
            throw Problem(
                .validationError, "`strategy` is missing.", parameter: "strategy",
                hint: "Allowed: \(RoutingPolicy.Strategy.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        var routing = WorkspaceRouting(currency: currency ?? WorkspaceRouting.usual.currency)
        routing.policy.strategy = try Checks.oneOf(RoutingPolicy.Strategy.self, strategy, parameter: "strategy")
        routing.policy.regions = try Checks.words(regions ?? [], "regions")
        routing.policy.dataPolicies = try Checks.words(dataPolicies ?? [], "data_policies")
        routing.policy.mostCost = try maxCost?.positiveUnits(.money(routing.currency), parameter: "max_cost")
        if let maxLatencyMilliseconds {
            routing.policy.mostLatency = .milliseconds(
                try Checks.number(
                    maxLatencyMilliseconds, "max_latency_ms", in: Self.latencies,
                    hint: "It is of the whole answer. Leave it out for any."))
        }
        routing.sticky = try sticky.map { text throws(Problem) in
            try Checks.oneOf(WorkspaceRouting.Sticky.self, text, parameter: "sticky")
        }
        if let attempts {
            routing.mostAttempts = try Checks.number(
                attempts, "attempts", in: WorkspaceRouting.attempts,
                hint: "1 asks one deployment, and no other after it.")
        }
        routing.outputCap = try outputCap.map { cap throws(Problem) in
            try Checks.number(
                cap, "output_cap", in: WorkspaceRouting.outputCaps,
                hint: "It is of answers whose callers name none. Leave it out for no such cap.")
        }
        if let priority {
            routing.priority = try Checks.oneOf(RequestPriority.self, priority, parameter: "priority")
        }
        routing.hints = try checkedHints()
        return routing
    }

    private func checkedHints() throws(Problem) -> [ModelName: ModelName] {
        let hints = hints ?? [:]
        guard hints.count <= WorkspaceRouting.mostHints else {
            throw Problem(
                .validationError, "There are more than \(WorkspaceRouting.mostHints) hints.", parameter: "hints",
                hint: "Take some away.")
        }
        var checked: [ModelName: ModelName] = [:]
        for (text, model) in hints.sorted(by: { $0.key < $1.key }) {
            let shown = InferenceFlow.printable(text)
            let hint = try ModelName(checking: text, parameter: "hints.\(shown)")
            let model = try ModelName(checking: model, parameter: "hints.\(shown)")
            guard hints[model.text] == nil else {
                throw Problem(
                    .validationError, "The hint `\(hint)` stands for `\(model)`, which is a hint itself.",
                    parameter: "hints.\(shown)", hint: "Let it stand for a model, or for a version: `qwen-7b@2`.")
            }
            checked[hint] = model
        }
        return checked
    }
}

extension WorkspaceRouting {
    /// For the audit log.
    fileprivate var words: [String: String] {
        var words = [
            "strategy": policy.strategy.rawValue, "attempts": "\(mostAttempts)", "priority": priority.rawValue,
            "regions": policy.regions.sorted().joined(separator: " "),
            "data_policies": policy.dataPolicies.sorted().joined(separator: " "),
            "hints": hints.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " "),
        ].filter { !$0.value.isEmpty }
        words["max_cost"] = policy.mostCost.map { Amount(units: $0, .money(currency)).description }
        words["max_latency"] = policy.mostLatency.map { "\($0)" }
        words["output_cap"] = outputCap.map(String.init)
        words["sticky"] = sticky?.rawValue
        return words
    }
}
