import App
import ArgumentParser
import Flows
import Inference
import Kernel

struct RegistryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "registry", abstract: "Adds endpoints that serve models, and takes them away.",
        subcommands: [Register.self, List.self, Deregister.self])
}

extension RegistryCommand {
    struct Register: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Adds an endpoint that serves a model.",
            discussion: """
                volery registry register --model llama3.2 --endpoint http://127.0.0.1:11434/v1 --protocol openai
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        @Option(help: "The name that callers use.") var model: String
        @Option(help: "Base URL, http or https; /v1 at its end is usual. A provider's own otherwise.")
        var endpoint: String?
        @Option(help: "The provider whose key calls carry, by name.") var provider: String?
        @Option(name: .customLong("protocol"), help: "What it speaks: openai.") var wire = "openai"
        @Option(help: "development, staging or production.") var environment = "production"
        @Option(name: .customLong("alias"), help: "Another name for the model; may be repeated.")
        var aliases: [String] = []
        @Option(help: "What the endpoint calls the model, where that differs.") var upstreamModel: String?
        @Option(help: "Tokens of prompt and answer together, where known.") var contextLimit: Int?
        @Option(
            name: .customLong("capability"),
            help: """
                What callers may ask: \(Capability.allCases.map(\.rawValue).joined(separator: ", ")); may be repeated.
                """)
        var capabilities: [String] = []

        func validate() throws {
            if endpoint == nil, provider == nil { throw ValidationError("Give --endpoint or --provider.") }
        }

        func run() async throws {
            let context = CommandContext(options)
            let request = NewDeployment(
                model: model, endpoint: endpoint, provider: provider, wire: wire, environment: environment,
                aliases: aliases.isEmpty ? nil : aliases, upstreamModel: upstreamModel, contextLimit: contextLimit,
                capabilities: capabilities.isEmpty ? nil : capabilities)
            let made = try await context.control(begins: true) { try await $0.registerDeployment(request) }
            if listing.json { return try context.terminal.write(json: made) }
            try context.terminal.write("\(made.id)\n")
            context.terminal.talk("Callers reach `\(made.model)` at \(made.endpoint) now.\n")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the registered endpoints.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        func run() async throws {
            let context = CommandContext(options)
            let deployments = try await context.control { try await $0.listDeployments() }
            try context.terminal.list(
                deployments, asJSON: listing.json,
                none: "Nothing is registered. `volery registry register --help` shows how."
            ) { rows in
                Table(
                    [
                        .init("ID"), .init("MODEL"), .init("ALIASES"), .init("ENVIRONMENT"), .init("PROTOCOL"),
                        .init("ENDPOINT"), .init("PROVIDER"), .init("UPSTREAM MODEL"), .init("CONTEXT", .right),
                    ],
                    rows: rows.map { row in
                        [
                            "\(row.id)", row.model.text, row.aliases.map(\.text).joined(separator: ", "),
                            row.environment.rawValue, row.wire.rawValue, row.endpoint, row.provider ?? "",
                            row.upstreamModel,
                            row.contextLimit.map(String.init) ?? "",
                        ]
                    })
            }
        }
    }

    struct Deregister: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Takes a registered endpoint away.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        @Argument(help: "The deployment's identifier, dep_….", transform: identifier) var id: DeploymentID

        func run() async throws {
            let context = CommandContext(options)
            let gone = try await context.control { [id] in try await $0.deregister(id) }
            if listing.json { return try context.terminal.write(json: gone) }
            context.terminal.talk("\(gone.id) (\(gone.model) at \(gone.endpoint)) is taken away.\n")
        }
    }
}
