import App
import ArgumentParser
import Flows
import Kernel

struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Makes, lists, rotates and revokes API keys.",
        subcommands: [Create.self, List.self, Show.self, Rotate.self, Revoke.self])
}

extension KeysCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists a workspace's keys, newest first.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: WorkspaceOption
        @Flag(help: "The keys of all workspaces of all tenants.") var all = false

        func validate() throws {
            if all, place.workspace != nil { throw ValidationError("Give --all or --workspace, not both.") }
        }

        func run() async throws {
            let context = CommandContext(options)
            let keys = try await context.control { [place, all] control in
                if all { return try await control.everyKey() }
                let workspace = try await control.workspaceID(place)
                return try await everyItem { try await control.listKeys(in: workspace, $0) }
            }
            let now = context.clock.now
            try context.terminal.list(
                keys, asJSON: listing.json, none: "No keys. `volery keys create --name NAME` makes one."
            ) { keys in
                Table(
                    [
                        .init("ID"), .init("NAME"), .init("PREFIX"), .init("STATE"), .init("SCOPES"),
                        .init("ENVIRONMENT"), .init("CREATED"), .init("EXPIRES"), .init("LAST USED"),
                    ] + (all ? [.init("WORKSPACE")] : []),
                    rows: keys.map { key in
                        [
                            "\(key.id)", key.name, key.prefix, key.state(at: now), key.scopes.joined(separator: " "),
                            key.environment.rawValue, key.created.short, key.expires?.short ?? "never",
                            key.lastUsed?.short ?? "never",
                        ] + (all ? [key.workspace.description] : [])
                    })
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows a key; never its secret.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(
            help: "The key's identifier, key_…, or its prefix, vk_ and ten characters.",
            transform: KeyName.init(argument:))
        var key: KeyName

        func run() async throws {
            let context = CommandContext(options)
            let key = try await context.control { [key] in try await $0.key(key) }
            if listing.json { return try context.terminal.write(json: key) }
            try context.terminal.write(
                Facts.text([
                    ("id", "\(key.id)"), ("name", key.name), ("prefix", key.prefix),
                    ("state", key.state(at: context.clock.now)), ("tenant", "\(key.tenant)"),
                    ("workspace", "\(key.workspace)"), ("user", key.user?.description),
                    ("scopes", key.scopes.joined(separator: " ")), ("environment", key.environment.rawValue),
                    ("addresses", key.addresses.joined(separator: " ")), ("created", key.created.short),
                    ("expires", key.expires?.short ?? "never"), ("revoked", key.revoked?.short),
                    ("successor", key.successor?.description), ("last used", key.lastUsed?.short ?? "never"),
                ]))
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ends a key at once. Repeating it changes nothing.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        @Argument(help: "The key's identifier, key_….", transform: identifier) var id: KeyID

        func run() async throws {
            let context = CommandContext(options)
            let key = try await context.control { [id] in try await $0.revokeKey(id) }
            try context.terminal.changed(key, asJSON: listing.json, "\(key.id) (\(key.name)) is revoked.")
        }
    }
}

extension KeyView {
    func state(at now: Instant) -> String {
        if revoked != nil { return "revoked" }
        if let expires, expires <= now { return "expired" }
        return successor == nil ? "usable" : "rotated"
    }
}
