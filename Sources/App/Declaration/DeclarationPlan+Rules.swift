import Flows
import Kernel
import Tenancy

extension DeclarationPlanner {
    mutating func planRules(of tenant: TenantDeclaration, _ contents: DeclarationState.Contents) {
        guard let declared = tenant.rules else { return }
        let names = Dictionary(contents.workspaces.map { ($0.id, $0.name) }) { first, _ in first }
        var kept: Set<RuleID> = []
        for rule in declared {
            check(rule.workspace, in: tenant, contents, for: "the rule `\(rule.name)`")
            let name = "\(tenant.name)/\(rule.name)"
            let named = contents.rules.filter { $0.name == rule.name }
            // Two nodes may make the same rule at the same time, and only one would follow the file from then on.
            for extra in named.dropFirst() {
                kept.insert(extra.id)
                remove(removal(of: extra, in: tenant.name))
            }
            guard let actual = named.first else {
                add(
                    Step(
                        change: .create, kind: "rule", name: name,
                        details: Self.details(from: [:], to: Self.facts(rule)), tenant: tenant.name,
                        action: .createRule(rule.request)))
                continue
            }
            kept.insert(actual.id)
            let details = Self.details(from: Self.facts(actual, names), to: Self.facts(rule))
            guard !details.isEmpty else { continue }
            add(
                Step(
                    change: .change, kind: "rule", name: name, details: details, tenant: tenant.name,
                    action: .replaceRule(actual.id, rule.request)))
        }
        guard prunes else { return }
        for rule in contents.rules where !kept.contains(rule.id) {
            remove(removal(of: rule, in: tenant.name))
        }
    }

    private func removal(of rule: RuleView, in tenant: String) -> Step {
        Step(
            change: .remove, kind: "rule", name: "\(tenant)/\(rule.name)", details: [], tenant: tenant,
            action: .removeRule(rule.id))
    }

    /// What a rule says, as text that is the same for the same meaning. What it does not say is not in it.
    private static func facts(_ rule: RuleDeclaration) -> [String: String] {
        facts(
            effect: rule.effect, workspace: rule.workspace, actions: rule.actions.map(\.rawValue),
            keys: rule.keys.map(\.description), models: rule.conditions.models.map(\.text),
            environments: Array(rule.conditions.environments), addresses: rule.conditions.addresses.map(\.description),
            times: rule.conditions.times.map(\.text))
    }

    private static func facts(_ rule: RuleView, _ names: [WorkspaceID: String]) -> [String: String] {
        facts(
            effect: rule.effect, workspace: rule.workspace.map { names[$0] ?? $0.description }, actions: rule.actions,
            keys: rule.keys.map(\.description), models: rule.models, environments: rule.environments,
            addresses: rule.addresses, times: rule.times)
    }

    private static func facts(
        effect: AccessRule.Effect, workspace: String?, actions: [String], keys: [String], models: [String],
        environments: [ModelEnvironment], addresses: [String], times: [String]
    ) -> [String: String] {
        var facts = ["effect": effect.rawValue]
        facts["workspace"] = workspace
        for (name, values) in [
            ("actions", actions), ("keys", keys), ("models", models), ("environments", environments.map(\.rawValue)),
            ("addresses", addresses), ("times", times),
        ] where !values.isEmpty {
            facts[name] = Set(values).sorted().joined(separator: " | ")
        }
        return facts
    }

    /// What is different, by name.
    static func details(from before: [String: String], to after: [String: String]) -> [Step.Detail] {
        Set(before.keys).union(after.keys).sorted()
            .map { Step.Detail(name: $0, before: before[$0], after: after[$0]) }
            .filter { $0.before != $0.after }
    }
}

extension RuleDeclaration {
    /// Without its tenant.
    var request: NewRule {
        NewRule(
            name: name, effect: effect.rawValue, workspace: workspace, actions: actions.map(\.rawValue).sorted(),
            keys: keys.sorted().map(\.description), models: conditions.models.map(\.text),
            environments: conditions.environments.map(\.rawValue).sorted(),
            addresses: conditions.addresses.map(\.description), times: conditions.times.map(\.text))
    }
}
