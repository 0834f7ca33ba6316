import App
import ArgumentParser
import Flows
import Inference
import Kernel

extension RegistryCommand {
    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes what is said of an endpoint; what is not named stays.",
            discussion: """
                volery registry update dep_… --weight 10
                volery registry update dep_… --region none --data-policy no-training --data-policy eu-only

                Model, environment, endpoint and protocol stay: register another endpoint for another place.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var target: DeploymentArgument

        @Option(help: "Its share among equals; 0 only stands in for others.") var weight: Int?
        @Option(help: "The smaller, the earlier.") var priority: Int?
        @Option(help: "The build that it serves; or none.", transform: Clearable<String>.text)
        var modelVersion: Clearable<String>?
        @Option(help: "Where it is; or none.", transform: Clearable<String>.text) var region: Clearable<String>?
        @Option(
            name: .customLong("data-policy"), help: "What it promises of data, all of it; may be repeated; or none.")
        var dataPolicies: [String] = []
        @Option(
            name: .customLong("first-token-ms"), help: "The time to the first token that is promised; or none.",
            transform: Clearable<Int>.number)
        var firstTokenMilliseconds: Clearable<Int>?
        @Option(help: "Requests at once, of one node: 8, or adaptive:8; or none.", transform: Clearable<String>.text)
        var concurrency: Clearable<String>?
        @Option(help: "Tokens of prompt and answer together; or none.", transform: Clearable<Int>.number)
        var contextLimit: Clearable<Int>?
        @Option(name: .customLong("alias"), help: "Other names, all of them; may be repeated; or none.")
        var aliases: [String] = []
        @Option(help: "What the endpoint calls the model.") var upstreamModel: String?
        @Option(name: .customLong("capability"), help: "What callers may ask, all of it; may be repeated.")
        var capabilities: [String] = []
        @Option(help: "Only if it has this revision still.") var revision: Int64?

        func validate() throws {
            _ = try emptied(dataPolicies)
            _ = try emptied(aliases)
        }

        func request() throws -> DeploymentChangeRequest {
            var request = DeploymentChangeRequest()
            request.weight = weight
            request.priority = priority
            request.version = modelVersion?.change
            request.region = region?.change
            request.dataPolicies = try emptied(dataPolicies)
            request.firstTokenMilliseconds = firstTokenMilliseconds?.change
            request.contextLimit = contextLimit?.change
            request.concurrency = concurrency?.change.map { ConcurrencyText($0) }
            request.aliases = try emptied(aliases)
            request.upstreamModel = upstreamModel
            request.capabilities = capabilities.isEmpty ? nil : capabilities
            request.revision = revision
            return request
        }

        func run() async throws {
            let context = CommandContext(options)
            let request = try request()
            let changed = try await context.control { [target] in
                try await $0.changeDeployment(target.id, request)
            }
            try context.terminal.changed(
                changed, asJSON: listing.json, "\(changed.told) is changed; it has revision \(changed.revision).")
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lets a disabled endpoint be asked again.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var target: DeploymentArgument

        func run() async throws {
            try await target.set(enabled: true, "enabled", options, listing)
        }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stops asking an endpoint, on every node within two seconds.",
            discussion: "What it is answering, it answers to its end.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var target: DeploymentArgument

        func run() async throws {
            try await target.set(enabled: false, "disabled", options, listing)
        }
    }

    struct Promote: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Registers the same endpoint in a later environment.",
            discussion: """
                volery registry promote dep_… --to production
                volery registry promote dep_… --to production --weight 5

                It stays where it is, too. Where others serve the model there already, it begins with the weight 0: \
                nothing changes for callers until `volery registry update` gives it a share.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var target: DeploymentArgument
        @Option(help: "staging or production.") var to: String
        @Option(help: "Its share there.") var weight: Int?

        func run() async throws {
            let context = CommandContext(options)
            let made = try await context.control { [target, to, weight] in
                try await $0.promoteDeployment(target.id, Promotion(to: to, weight: weight))
            }
            try context.terminal.made(
                made.id, made, asJSON: listing.json,
                made.weight == 0
                    ? "\(made.told) stands by. `volery registry update \(made.id) --weight N` gives it a share."
                    : "\(made.told) serves with the weight \(made.weight).")
        }
    }

    struct Deregister: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Takes a registered endpoint away.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var target: DeploymentArgument

        func run() async throws {
            let context = CommandContext(options)
            let gone = try await context.control { [target] in try await $0.deregister(target.id) }
            try context.terminal.changed(
                gone, asJSON: listing.json, "\(gone.id) (\(gone.model) at \(gone.endpoint)) is taken away.")
        }
    }
}

extension DeploymentArgument {
    /// - Parameter word: what it is then.
    fileprivate func set(
        enabled: Bool, _ word: String, _ options: GlobalOptions, _ listing: ListingOptions
    ) async throws {
        let context = CommandContext(options)
        let changed = try await context.control { [self] in try await $0.setDeployment(id, enabled: enabled) }
        try context.terminal.changed(changed, asJSON: listing.json, "\(changed.told) is \(word).")
    }
}

extension DeploymentView {
    /// `qwen-7b@2 (staging) at http://…`.
    fileprivate var told: String {
        let place = environment == .production ? "" : " (\(environment.rawValue))"
        return "\(model)" + (version.map { "@\($0)" } ?? "") + place + " at \(endpoint)"
    }
}
