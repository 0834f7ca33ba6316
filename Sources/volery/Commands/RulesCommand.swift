import App
import ArgumentParser
import Flows
import Kernel

struct RulesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rules", abstract: "Access rules of a tenant: they take away, whatever a role allows.",
        subcommands: [Create.self, List.self, Show.self, Replace.self, Remove.self, Test.self])
}

/// What a rule says.
struct RuleOptions: ParsableArguments {
    @Option(help: "What the rule is called.") var name: String
    @Option(help: "deny: refused where all conditions hold. require: refused where they do not.") var effect: String
    @Option(help: "The tenant, by identifier or name; the default one otherwise.") var tenant: String?
    @Option(help: "The only workspace that it holds in, by identifier or name.") var workspace: String?
    @Option(
        name: .customLong("action"),
        help: "A permission such as inference:execute; may be repeated. All otherwise, but rule:read and rule:write.")
    var actions: [String] = []
    @Option(name: .customLong("key"), help: "The identifier of a key that it is about; may be repeated. All otherwise.")
    var keys: [String] = []
    @Option(name: .customLong("model"), help: "Condition: `llama-3` or `llama-*`; may be repeated.")
    var models: [String] = []
    @Option(name: .customLong("environment"), help: "Condition: development, staging, production; may be repeated.")
    var environments: [String] = []
    @Option(name: .customLong("address"), help: "Condition: 10.0.0.0/8 or an address; may be repeated.")
    var addresses: [String] = []
    @Option(name: .customLong("time"), help: "Condition: \"mon-fri 08:00-18:00 +03:30\"; may be repeated.")
    var times: [String] = []

    var request: NewRule { request(tenant: tenant, workspace: workspace) }

    func request(tenant: String?, workspace: String?) -> NewRule {
        NewRule(
            name: name, effect: effect, tenant: tenant, workspace: workspace, actions: actions, keys: keys,
            models: models, environments: environments, addresses: addresses, times: times)
    }
}

extension RulesCommand {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a rule.",
            discussion: """
                volery rules create --tenant acme --name "no gpt" --effect deny --model "gpt-*"
                volery rules create --tenant acme --name "from the office" --effect require \\
                  --action inference:execute --address 10.0.0.0/8

                Without --action a rule is about administration too, and may refuse the tenant's own owner. The \
                operator, as whom this command line acts, is under no rule and can take every one away.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var rule: RuleOptions

        func run() async throws {
            let context = CommandContext(options)
            let made = try await context.control { [rule] control in
                let place = try await control.place(tenant: rule.tenant, workspace: rule.workspace)
                return try await control.createRule(rule.request(tenant: place.tenant, workspace: place.workspace))
            }
            try context.terminal.made(made.id, made, asJSON: listing.json, "The rule `\(made.name)` is in force.")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists a tenant's rules, oldest first.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: TenantOption

        func run() async throws {
            let context = CommandContext(options)
            let rules = try await context.control { [place] control in
                try await control.listRules(in: control.tenantID(orNil: place.tenant))
            }
            try context.terminal.list(rules, asJSON: listing.json, none: "No rules.") { rows in
                Table(
                    [
                        .init("ID"), .init("NAME"), .init("EFFECT"), .init("WORKSPACE"), .init("ACTIONS"),
                        .init("CONDITIONS"),
                    ],
                    rows: rows.map { row in
                        [
                            "\(row.id)", row.name, "\(row.effect)", row.workspace?.description ?? "all",
                            row.actions.isEmpty ? "all" : row.actions.joined(separator: " "), row.conditions,
                        ]
                    })
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows a rule.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "The rule's identifier, rul_….", transform: identifier) var id: RuleID

        func run() async throws {
            let context = CommandContext(options)
            let rule = try await context.control { [id] in try await $0.rule(id) }
            if listing.json { return try context.terminal.write(json: rule) }
            try context.terminal.write(
                Facts.text([
                    ("id", "\(rule.id)"), ("name", rule.name), ("effect", "\(rule.effect)"),
                    ("tenant", "\(rule.tenant)"), ("workspace", rule.workspace?.description ?? "all"),
                    ("actions", rule.actions.isEmpty ? "all" : rule.actions.joined(separator: " ")),
                    ("keys", rule.keys.isEmpty ? "all" : rule.keys.map(\.description).joined(separator: " ")),
                    ("conditions", rule.conditions), ("created", rule.created.short),
                ]))
        }
    }

    struct Replace: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Puts another rule in the place of one, at once.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "The rule's identifier, rul_….", transform: identifier) var id: RuleID
        @OptionGroup var rule: RuleOptions

        func run() async throws {
            let context = CommandContext(options)
            let request = rule.request
            let changed = try await context.control { [id] in try await $0.replaceRule(id, request) }
            try context.terminal.changed(
                changed, asJSON: listing.json, "\(changed.id): the rule `\(changed.name)` is in force.")
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Takes a rule away.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "The rule's identifier, rul_….", transform: identifier) var id: RuleID

        func run() async throws {
            let context = CommandContext(options)
            let rule = try await context.control { [id] in try await $0.removeRule(id) }
            try context.terminal.changed(rule, asJSON: listing.json, "\(rule.id) (\(rule.name)) is taken away.")
        }
    }

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says what a key or user could do, and why not. Nothing happens.",
            discussion: """
                Ends with 5 when it is refused. Without --workspace a key is asked about in its own, and a person in \
                the default tenant.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Option(help: "Whose access: a key's or user's identifier, or a person's name.") var subject: String
        @Option(help: "A permission such as inference:execute.") var action: String
        @OptionGroup var place: WorkspaceOption
        @Option(help: "The model's name.") var model: String?
        @Option(help: "From where it is asked.") var address: String?
        @Option(
            help: ArgumentHelp("When; now otherwise. \(Expiry.allowed).", valueName: "when"),
            transform: Expiry.init(argument:))
        var at: Expiry?

        func run() async throws {
            let context = CommandContext(options)
            let now = context.clock.now
            let answer = try await context.control { [self] control in
                let workspace = try await control.workspaceID(place)
                let subject = KeyID(subject) == nil ? try await control.userID(named: subject).description : subject
                return try await control.testAccess(
                    AccessQuestion(
                        subject: subject, action: action, workspace: workspace?.description, model: model,
                        address: address, at: at?.instant(now: now)))
            }
            if listing.json {
                try context.terminal.write(json: answer)
            } else {
                try context.terminal.write(answer.allowed ? "allowed\n" : "denied\n")
                if let reason = answer.reason { context.terminal.talk(Terminal.printable(reason) + "\n") }
            }
            guard answer.allowed else { throw ExitCode(ExitStatus.refused.rawValue) }
        }
    }
}

extension RuleView {
    fileprivate var conditions: String {
        let lists = [
            ("model", models), ("environment", environments.map(\.rawValue)), ("address", addresses), ("time", times),
        ]
        return lists.filter { !$0.1.isEmpty }.map { "\($0.0) " + $0.1.joined(separator: " or ") }
            .joined(separator: ", and ")
    }
}
