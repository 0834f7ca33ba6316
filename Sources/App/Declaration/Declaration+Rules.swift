import Kernel
import Tenancy

extension RuleDeclaration {
    private static let known = [
        "name", "effect", "workspace", "actions", "keys", "models", "environments", "addresses", "times",
    ]

    /// Of each list of a rule.
    private static let mostItems = 100

    init?(_ node: DeclaredNode, workspaces: [String]?, _ reader: inout DeclarationReader) {
        guard let fields = reader.fields(node, known: Self.known, required: ["name", "effect"]) else { return nil }
        let name = reader.name(fields["name"])
        let effect = reader.choice(fields["effect"], AccessRule.Effect.self)
        let workspace = reader.workspace(fields["workspace"], among: workspaces)
        let actions = (reader.items(fields["actions"], most: Self.mostItems) ?? []).compactMap {
            reader.choice($0, Permission.self)
        }
        let keys = (reader.items(fields["keys"], most: Self.mostItems) ?? []).compactMap { item in
            reader.parsed(item, allowed: "a key's identifier, key_…") { KeyID($0) }
        }
        let models = (reader.items(fields["models"], most: Self.mostItems) ?? []).compactMap { item in
            reader.parsed(item, allowed: "a model's name, or the beginning of one and `*`") { ModelPattern($0) }
        }
        let environments = (reader.items(fields["environments"], most: Self.mostItems) ?? []).compactMap {
            reader.choice($0, ModelEnvironment.self)
        }
        let addresses = (reader.items(fields["addresses"], most: Self.mostItems) ?? []).compactMap { item in
            reader.parsed(item, allowed: "an address, or a block such as 10.0.0.0/8") { AddressRange($0) }
        }
        let times = (reader.items(fields["times"], most: Self.mostItems) ?? []).compactMap { item in
            reader.parsed(item, allowed: "a window such as `mon-fri 08:00-18:00 +03:30`") { TimeWindow($0) }
        }
        guard let name, let effect else { return nil }
        let conditions = ["models", "environments", "addresses", "times"]
        if effect == .require, !conditions.contains(where: fields.has) {
            reader.complain(node, "requires nothing; give it one of " + conditions.joined(separator: ", "))
        }
        self.init(
            name: name, effect: effect, workspace: workspace, actions: Set(actions), keys: Set(keys),
            conditions: RuleConditions(
                models: models, environments: Set(environments), addresses: addresses, times: times))
    }
}
