package import Kernel
import Tenancy

extension ControlFlow: RuleControl {
    package func createRule(_ request: NewRule) async throws -> RuleView {
        let place = try await place(request)
        try await gate.authorize(.ruleWrite, on: place.target, as: "rule.create")
        let rule = try request.checked(
            id: parts.ids.next(), tenant: place.tenant.id, workspace: place.workspace?.id, created: now)
        try mustNotBeDeleted(place.tenant.standing, "tenant", parameter: "tenant")
        guard try await stores.rules.list(in: rule.tenant).count < mostRulesOfTenant else {
            throw Problem(
                .conflict, "The tenant has \(mostRulesOfTenant) access rules, which is the most.", parameter: "tenant",
                hint: "Put several conditions into one rule, or remove rules that are no longer needed.")
        }
        try await stores.rules.insert(rule, audit: ruleEntry("rule.create", rule))
        await didRevoke()
        return RuleView(rule)
    }

    package func listRules(in tenant: TenantID?) async throws -> [RuleView] {
        let tenant = try await authorized(.ruleRead, in: tenant, as: "rule.list")
        return try await stores.rules.list(in: tenant.id).map(RuleView.init)
    }

    package func rule(_ id: RuleID) async throws -> RuleView {
        RuleView(try await authorizedRule(id, .ruleRead, as: "rule.read"))
    }

    package func replaceRule(_ id: RuleID, _ request: NewRule) async throws -> RuleView {
        let old = try await authorizedRule(id, .ruleWrite, as: "rule.replace")
        let place = try await place(request, beside: old)
        try await gate.authorize(.ruleWrite, on: place.target, as: "rule.replace")
        guard place.tenant.id == old.tenant else {
            throw Problem(
                .validationError, "A rule cannot move to another tenant.", parameter: "tenant",
                hint: "Leave it out, or make a rule there and remove this one.")
        }
        let rule = try request.checked(
            id: id, tenant: old.tenant, workspace: place.workspace?.id, created: old.created)
        guard let replaced = try await stores.rules.replace(rule, audit: ruleEntry("rule.replace", rule)) else {
            throw Self.missing("rule", id, parameter: "id")
        }
        await didRevoke()
        return RuleView(replaced)
    }

    package func removeRule(_ id: RuleID) async throws -> RuleView {
        let rule = try await authorizedRule(id, .ruleWrite, as: "rule.remove")
        guard
            let removed = try await stores.rules.remove(id, in: rule.tenant, audit: ruleEntry("rule.remove", rule))
        else { throw Self.missing("rule", id, parameter: "id") }
        await didRevoke()
        return RuleView(removed)
    }

    private struct Place {
        let tenant: Tenant
        let workspace: Workspace?
        let target: Target
    }

    /// - Parameter old: whose tenant is meant when the request names none.
    private func place(_ request: NewRule, beside old: AccessRule? = nil) async throws -> Place {
        let home = try await tenant(named: request.tenant ?? old?.tenant.description)
        guard let text = request.workspace else {
            return Place(tenant: home.value, workspace: nil, target: target(home))
        }
        let named = try await workspace(named: text, in: home.value)
        return Place(tenant: home.value, workspace: named.value, target: target(named))
    }

    private func authorizedRule(_ id: RuleID, _ action: Permission, as act: String) async throws -> AccessRule {
        let missing = Self.missing("rule", id, parameter: "id")
        guard let tenant = try await stores.rules.tenant(of: id),
            let rule = try await stores.rules.find(id, in: tenant)
        else { throw missing }
        let resource = Resource(tenant: tenant, workspace: rule.workspace)
        try await gate.authorize(action, on: Target(resource, subject: id.description, missing: missing), as: act)
        return rule
    }

    private func ruleEntry(_ action: String, _ rule: AccessRule) -> AuditEntry {
        let conditions = rule.conditions
        let details = [
            "name": rule.name, "effect": rule.effect.rawValue,
            "actions": rule.actions.map(\.rawValue).sorted().joined(separator: " "),
            "keys": rule.keys.sorted().map(\.description).joined(separator: " "),
            "models": conditions.models.map(\.text).joined(separator: " "),
            "environments": conditions.environments.map(\.rawValue).sorted().joined(separator: " "),
            "addresses": conditions.addresses.map(\.description).joined(separator: " "),
            "times": conditions.times.map(\.text).joined(separator: "; "),
        ]
        return entry(
            action, on: rule.id, tenant: rule.tenant, workspace: rule.workspace, details.filter { !$0.value.isEmpty })
    }
}

extension NewRule {
    fileprivate func checked(
        id: RuleID, tenant: TenantID, workspace: WorkspaceID?, created: Instant
    ) throws(Problem) -> AccessRule {
        let name = try Checks.name(name, of: "a rule")
        let effect = try Checks.oneOf(AccessRule.Effect.self, effect, parameter: "effect")
        let actions = try each(actions, "actions") { text, parameter throws(Problem) in
            try Checks.oneOf(Permission.self, text, parameter: parameter)
        }
        let keys = try each(keys, "keys") { text, parameter throws(Problem) in
            guard let id = KeyID(text) else { throw refused(parameter, "is not a key's identifier", "Write key_….") }
            return id
        }
        let models = try each(models, "models") { text, parameter throws(Problem) in
            guard let pattern = ModelPattern(text) else {
                throw refused(parameter, "is no model's name", "Write a name, or the beginning of names and a `*`.")
            }
            return pattern
        }
        let environments = try each(environments, "environments") { text, parameter throws(Problem) in
            try Checks.oneOf(ModelEnvironment.self, text, parameter: parameter)
        }
        let times = try each(times, "times") { text, parameter throws(Problem) in
            guard let window = TimeWindow(text) else {
                throw refused(parameter, "is no part of the week", "Write `mon-fri 08:00-18:00 +03:30`.")
            }
            return window
        }
        let conditions = RuleConditions(
            models: models, environments: Set(environments), addresses: try Checks.addresses(addresses), times: times)
        if effect == .require, conditions == RuleConditions() {
            throw refused("effect", "asks for nothing", "Give a rule that requires something at least one condition.")
        }
        return AccessRule(
            id: id, tenant: tenant, workspace: workspace, name: name, effect: effect, actions: Set(actions),
            keys: Set(keys), conditions: conditions, created: created)
    }

    private func each<Value>(
        _ texts: [String]?, _ parameter: String, _ read: (String, String) throws(Problem) -> Value
    ) throws(Problem) -> [Value] {
        var values: [Value] = []
        for (index, text) in try Checks.few(texts, parameter).enumerated() {
            values.append(try read(text, "\(parameter)[\(index)]"))
        }
        return values
    }

    private func refused(_ parameter: String, _ complaint: String, _ hint: String) -> Problem {
        Problem(.validationError, "`\(parameter)` \(complaint).", parameter: parameter, hint: hint)
    }
}
