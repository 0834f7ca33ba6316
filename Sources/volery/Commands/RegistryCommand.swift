import App
import ArgumentParser
import Flows
import Inference
import Kernel

struct RegistryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "registry", abstract: "The endpoints that serve models: adds, changes and takes them away.",
        subcommands: [
            Register.self, List.self, Show.self, Update.self, Enable.self, Disable.self, Promote.self, Deregister.self,
        ])
}

/// A value that may be taken away with `none`.
enum Clearable<Value: Equatable & Sendable>: Equatable, Sendable {
    case value(Value)
    case none

    init(_ argument: String, _ read: (String) -> Value?, expected: String) throws {
        if argument == "none" {
            self = .none
        } else if let value = read(argument) {
            self = .value(value)
        } else {
            throw ValidationError("`\(argument)` is not \(expected), and not none, which takes it away.")
        }
    }
}

extension Clearable where Value == String {
    static func text(_ argument: String) throws -> Clearable { try Clearable(argument, { $0 }, expected: "text") }
}

extension Clearable where Value == Int {
    static func number(_ argument: String) throws -> Clearable {
        try Clearable(argument, { Int($0) }, expected: "a whole number")
    }
}

extension Clearable where Value: Hashable {
    var change: FieldChange<Value> {
        switch self {
        case .value(let value): .set(value)
        case .none: .clear
        }
    }
}

/// A list that may be emptied with `none`.
func emptied(_ words: [String]) throws -> [String]? {
    guard words.contains("none") else { return words.isEmpty ? nil : words }
    guard words == ["none"] else { throw ValidationError("`none` takes all away, and stands alone.") }
    return []
}

extension RegistryCommand {
    struct Register: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Adds an endpoint that serves a model.",
            discussion: """
                volery registry register --model llama3.2 --endpoint http://127.0.0.1:11434/v1 --protocol openai
                volery registry register --model qwen-7b --endpoint http://gpu2:8000/v1 --protocol openai \
                --model-version 2 --weight 10 --region eu-west

                Another endpoint for the same model and environment adds a deployment to it; docs/routing.md says how \
                requests are spread.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        @Option(help: "The name that callers use.") var model: String
        @Option(help: "Base URL, http or https; /v1 at its end is usual. A provider's own otherwise.")
        var endpoint: String?
        @Option(help: "The provider whose key calls carry, by name.") var provider: String?
        @Option(
            name: .customLong("protocol"),
            help: "What it speaks: openai or anthropic; what its provider speaks, or openai, otherwise.")
        var wire: String?
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
        @Option(help: "The build that it serves; callers may name it: model@version.") var modelVersion: String?
        @Option(help: "Its share among equals; 100 otherwise. 0 only stands in for others.") var weight: Int?
        @Option(help: "The smaller, the earlier; 0 otherwise.") var priority: Int?
        @Option(help: "Where it is, in a word of your own: eu-west.") var region: String?
        @Option(
            name: .customLong("data-policy"), parsing: .upToNextOption,
            help: "What it promises of data, in words of your own: no-training; several, or repeated.")
        var dataPolicies: [String] = []
        @Option(name: .customLong("first-token-ms"), help: "The time to the first token that is promised.")
        var firstTokenMilliseconds: Int?
        @Option(help: "Requests at once, of one node: 8, or adaptive:8 for at most so many.") var concurrency: String?
        @Flag(help: "Register it without asking it anything yet.") var disabled = false

        func validate() throws {
            if endpoint == nil, provider == nil { throw ValidationError("Give --endpoint or --provider.") }
        }

        var request: NewDeployment {
            var request = NewDeployment(
                model: model, endpoint: endpoint, provider: provider, wire: wire, environment: environment,
                aliases: aliases.isEmpty ? nil : aliases, upstreamModel: upstreamModel, contextLimit: contextLimit,
                capabilities: capabilities.isEmpty ? nil : capabilities)
            request.version = modelVersion
            request.weight = weight
            request.priority = priority
            request.region = region
            request.dataPolicies = dataPolicies.isEmpty ? nil : dataPolicies
            request.firstTokenMilliseconds = firstTokenMilliseconds
            request.concurrency = concurrency.map { ConcurrencyText($0) }
            request.enabled = disabled ? false : nil
            return request
        }

        func run() async throws {
            let context = CommandContext(options)
            let made = try await context.control(begins: true) { [request] in try await $0.registerDeployment(request) }
            try context.terminal.made(made.id, made, asJSON: listing.json, Self.told(made))
        }

        private static func told(_ made: DeploymentView) -> String {
            guard made.enabled else {
                return "It is disabled. `volery registry enable \(made.id)` lets callers reach it."
            }
            let callers = made.environment == .production ? "Callers" : "Keys of \(made.environment.rawValue)"
            return "\(callers) reach `\(made.model)` at \(made.endpoint) now."
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
                        .init("ID"), .init("MODEL"), .init("VERSION"), .init("ENVIRONMENT"), .init("ENDPOINT"),
                        .init("PROVIDER"), .init("WEIGHT", .right), .init("PRIORITY", .right), .init("ENABLED"),
                        .init("HEALTH"),
                    ],
                    rows: rows.map { row in
                        [
                            "\(row.id)", row.model.text, row.version ?? "", row.environment.rawValue, row.endpoint,
                            row.provider ?? "", "\(row.weight)", "\(row.priority)", row.enabled ? "yes" : "no",
                            row.health?.state.rawValue ?? "",
                        ]
                    })
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows everything that is known of an endpoint.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var target: DeploymentArgument

        func run() async throws {
            let context = CommandContext(options)
            let row = try await context.control { [target] in try await $0.deployment(target.id) }
            if listing.json { return try context.terminal.write(json: row) }
            let all = row.capabilities.count == Capability.allCases.count
            try context.terminal.write(
                Facts.text([
                    ("id", "\(row.id)"), ("model", row.model.text), ("version", row.version),
                    ("environment", row.environment.rawValue),
                    ("aliases", row.aliases.map(\.text).joined(separator: ", ")), ("protocol", row.wire.rawValue),
                    ("endpoint", row.endpoint), ("provider", row.provider), ("upstream model", row.upstreamModel),
                    ("capabilities", all ? "all" : row.capabilities.map(\.rawValue).joined(separator: ", ")),
                    ("context limit", row.contextLimit.map { "\($0) tokens" }), ("weight", "\(row.weight)"),
                    ("priority", "\(row.priority)"), ("region", row.region),
                    ("data policies", row.dataPolicies.joined(separator: ", ")),
                    ("promised first token", row.firstTokenMilliseconds.map { "\($0) ms" }),
                    ("concurrency", row.concurrency?.text), ("enabled", row.enabled ? "yes" : "no"),
                    ("health", row.health.map { "\($0.state.rawValue), seen \($0.seen.short)" }),
                    ("registered", row.registered.short), ("revision", "\(row.revision)"),
                ]))
        }
    }
}

struct DeploymentArgument: ParsableArguments {
    @Argument(help: "The deployment's identifier, dep_….", transform: identifier) var id: DeploymentID
}
