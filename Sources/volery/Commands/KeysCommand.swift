import App
import ArgumentParser
import Flows
import Kernel

struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Makes, lists and revokes API keys.",
        subcommands: [Create.self, List.self, Revoke.self])
}

extension KeysCommand {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a key. It is shown this once.",
            discussion: "The key alone goes to standard output, so that KEY=$(volery keys create --name ci) works.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        @Option(help: "What the key is for, in words.") var name: String

        @Option(
            help: ArgumentHelp("When it ends: \(Expiry.allowed). Never otherwise.", valueName: "when"),
            transform: Expiry.init(argument:))
        var expires: Expiry?

        func run() async throws {
            let context = CommandContext(options)
            let request = NewKey(name: name, expires: expires?.instant(now: context.clock.now))
            let created = try await context.control { try await $0.createKey(request) }
            if listing.json { return try context.terminal.write(json: created) }
            try context.terminal.write(created.token.reveal() + "\n")
            let end = created.view.expires.map { " It works until \($0.short)." } ?? ""
            context.terminal.talk("\(created.view.id). Keep the key now: it cannot be shown again.\(end)\n")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the keys, newest first.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        func run() async throws {
            let context = CommandContext(options)
            let keys = try await context.control { control in try await everyItem { try await control.listKeys($0) } }
            let now = context.clock.now
            try context.terminal.list(
                keys, asJSON: listing.json, none: "No keys. `volery keys create --name NAME` makes one."
            ) { keys in
                Table(
                    [.init("ID"), .init("NAME"), .init("PREFIX"), .init("STATE"), .init("CREATED"), .init("EXPIRES")],
                    rows: keys.map { key in
                        [
                            "\(key.id)", key.name, key.prefix, key.state(at: now), key.created.short,
                            key.expires?.short ?? "never",
                        ]
                    })
            }
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
            if listing.json { return try context.terminal.write(json: key) }
            context.terminal.talk("\(key.id) (\(Terminal.printable(key.name))) is revoked.\n")
        }
    }
}

extension KeyView {
    func state(at now: Instant) -> String {
        if revoked != nil { return "revoked" }
        if let expires, expires <= now { return "expired" }
        return "usable"
    }
}
