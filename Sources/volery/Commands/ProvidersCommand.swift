import App
import ArgumentParser
import Flows
import Kernel

struct ProvidersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "providers", abstract: "Outside providers, and their keys.",
        discussion: "A key is sealed where it is kept, goes to its provider's host alone, and is never shown.",
        subcommands: [Add.self, List.self, RotateKey.self, Remove.self])
}

/// Where a provider's key comes from.
struct KeyOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A file with the key.", valueName: "file"), completion: .file()) var keyFile: String?
    @Option(help: ArgumentHelp("An environment variable with the key.", valueName: "variable")) var keyEnv: String?
    @Flag(help: "Read the key from standard input.") var keyStdin = false

    var inputs: [SecretInput] {
        [keyFile.map(SecretInput.file), keyEnv.map(SecretInput.environment), keyStdin ? .standardInput : nil]
            .compactMap(\.self)
    }

    func validate() throws {
        if inputs.count > 1 { throw ValidationError("Give one of --key-file, --key-env and --key-stdin.") }
    }
}

extension ProvidersCommand {
    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Adds a provider, with its key.",
            discussion: """
                volery providers add openrouter --key-file key.txt
                volery providers add far --endpoint https://models.example/v1 --key-env FAR_KEY

                Then: volery registry register --model NAME --provider openrouter --upstream-model …
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var key: KeyOptions
        @Argument(help: "A known provider, or a name of your own together with --endpoint.") var name: String
        @Option(help: "Where it is; a known provider's own otherwise.") var endpoint: String?

        func run() async throws {
            let context = CommandContext(options)
            let secret = try key.inputs.first?.read(
                "key", environment: context.environment, terminal: context.terminal)
            let request = NewProvider(name: name, endpoint: endpoint, key: secret)
            let provider = try await context.control(begins: true) { try await $0.addProvider(request) }
            let talk =
                provider.hasKey
                ? "`\(provider.name)` is added. Its key goes to \(provider.host) alone."
                : "`\(provider.name)` is added, without a key: `volery providers rotate-key \(provider.name)` puts one."
            try context.terminal.made(provider.id, provider, asJSON: listing.json, talk)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the providers; never their keys.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        func run() async throws {
            let context = CommandContext(options)
            let providers = try await context.control { try await $0.listProviders() }
            try context.terminal.list(
                providers, asJSON: listing.json, none: "No providers. `volery providers add --help` shows how."
            ) { rows in
                Table(
                    [.init("ID"), .init("NAME"), .init("ENDPOINT"), .init("KEY STORED"), .init("CREATED")],
                    rows: rows.map { row in
                        [
                            "\(row.id)", row.name, row.endpoint, row.keyStored?.short ?? "no key", row.created.short,
                        ]
                    })
            }
        }
    }

    struct RotateKey: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Puts another key in the place of a provider's.",
            discussion: "On a terminal the key is asked for, without echo, when no option says where it is.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var key: KeyOptions
        @Argument(help: "The provider, by name or identifier.") var provider: String

        func run() async throws {
            let context = CommandContext(options)
            let secret = try (key.inputs.first ?? .prompt).read(
                "key", environment: context.environment, terminal: context.terminal)
            let changed = try await context.control { [provider] control in
                try await control.replaceProviderKey(
                    control.provider(named: provider).id, NewProviderKey(key: secret))
            }
            try context.terminal.changed(changed, asJSON: listing.json, "`\(changed.name)` has the new key.")
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes a provider and its key away. Refused while deployments use it.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "The provider, by name or identifier.") var provider: String

        func run() async throws {
            let context = CommandContext(options)
            let gone = try await context.control { [provider] control in
                try await control.removeProvider(control.provider(named: provider).id)
            }
            try context.terminal.changed(
                gone, asJSON: listing.json, "`\(gone.name)` is taken away, and its key with it.")
        }
    }
}

struct SecretsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secrets", abstract: "What the platform keeps sealed: names and ages, never values.",
        subcommands: [List.self, Reseal.self])
}

extension SecretsCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the secrets, and how old they are.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        func run() async throws {
            let context = CommandContext(options)
            let (secrets, names) = try await context.control { control in
                let providers = try await control.listProviders()
                let names = Dictionary(providers.map { ("provider/\($0.id)", $0.name) }) { first, _ in first }
                return (try await control.listSecrets(), names)
            }
            let now = context.clock.now
            try context.terminal.list(secrets, asJSON: listing.json, none: "No secrets.") { rows in
                Table(
                    [.init("NAME"), .init("OF"), .init("STORED"), .init("DAYS", .right)],
                    rows: rows.map { row in
                        [
                            row.name, names[row.name] ?? "", row.stored.short,
                            "\((now.seconds - row.stored.seconds) / 86_400)",
                        ]
                    })
            }
        }
    }

    struct Reseal: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Seals every secret anew under the current master key.",
            discussion: "After a rotation of the master key. Until it is done, the previous key must stay configured.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        func run() async throws {
            let context = CommandContext(options)
            let done = try await context.control { try await $0.resealSecrets() }
            let talk =
                switch done.secrets {
                case 0: "Nothing is to be sealed anew: everything is under the current master key already."
                case 1: "1 secret was sealed anew, under the current master key."
                default: "\(done.secrets) secrets were sealed anew, under the current master key."
                }
            try context.terminal.changed(done, asJSON: listing.json, talk)
        }
    }
}
