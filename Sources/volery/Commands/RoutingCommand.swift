import App
import ArgumentParser
import Flows
import Inference
import Kernel

struct RoutingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "routing", abstract: "How a workspace's requests are spread over the endpoints of a model.",
        subcommands: [Set.self, Show.self, List.self, Remove.self])
}

/// A word and the model that it stands for: `llm:fa-medium=qwen-7b`; with `none` it stands for nothing any more.
struct HintArgument: Equatable {
    let hint: String
    /// Nil takes the hint away.
    let model: String?

    init(argument: String) throws {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
            throw ValidationError("`\(argument)` is no hint; write NAME=MODEL, such as llm:fa-medium=qwen-7b.")
        }
        hint = parts[0]
        model = parts[1] == "none" ? nil : parts[1]
    }
}

extension RoutingCommand {
    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets how a workspace's requests are routed; what is not named stays.",
            discussion: """
                volery routing set --workspace W --strategy cheapest --region eu-west --data-policy no-training
                volery routing set --workspace W --strategy lowest_latency --hint llm:fa-medium=qwen-7b
                volery routing set --workspace W --file routing.yaml

                With --file, the file says everything, and what it does not name is as usual; options change what it \
                says. docs/routing.md describes strategies and file.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: WorkspaceOption
        @Option(
            help: ArgumentHelp(
                "\(RoutingPolicy.Strategy.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "strategy"))
        var strategy: String?
        @Option(
            help: ArgumentHelp("A file that says it.", valueName: "file"),
            completion: .file(extensions: ["yaml", "yml", "json"]))
        var file: String?
        @Option(
            name: .customLong("region"), parsing: .upToNextOption,
            help: "Where endpoints may be; several, or repeated; or none for anywhere.")
        var regions: [String] = []
        @Option(
            name: .customLong("data-policy"), parsing: .upToNextOption,
            help: "What endpoints must promise of data; several, or repeated; or none.")
        var dataPolicies: [String] = []
        @Option(
            help: "The most that a request may likely cost the platform; or none.", transform: Clearable<String>.text)
        var maxCost: Clearable<String>?
        @Option(help: "What costs are compared in: IRR, USD or EUR.") var currency: String?
        @Option(
            name: .customLong("max-latency-ms"), help: "The longest that a whole answer may likely take; or none.",
            transform: Clearable<Int>.number)
        var maxLatencyMilliseconds: Clearable<Int>?
        @Option(
            help: "Requests of the same key or user meet the same endpoint: key, user; or none.",
            transform: Clearable<String>.text)
        var sticky: Clearable<String>?
        @Option(help: "Endpoints that are asked for one answer, at most.") var attempts: Int?
        @Option(
            name: .customLong("output-cap"),
            help: "Tokens of an answer whose caller names no cap; or none.", transform: Clearable<Int>.number)
        var outputCap: Clearable<Int>?
        @Option(help: "Who goes first where not everybody can: low, normal or high.") var priority: String?
        @Option(
            name: .customLong("hint"), parsing: .upToNextOption,
            help: "A word that stands for a model: NAME=MODEL; several, or repeated; NAME=none takes it away.",
            transform: HintArgument.init(argument:))
        var hints: [HintArgument] = []

        func validate() throws {
            _ = try emptied(regions)
            _ = try emptied(dataPolicies)
            let names = hints.map(\.hint)
            if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
                throw ValidationError("The hint `\(twice)` is given twice.")
            }
        }

        /// - Parameter base: what the options change.
        func request(over base: NewRouting) throws -> NewRouting {
            var request = base
            request.strategy = strategy ?? base.strategy
            request.regions = try emptied(regions) ?? base.regions
            request.dataPolicies = try emptied(dataPolicies) ?? base.dataPolicies
            request.currency = currency ?? base.currency
            if let maxCost { request.maxCost = maxCost.change.value.map { DecimalInput($0) } }
            if let maxLatencyMilliseconds { request.maxLatencyMilliseconds = maxLatencyMilliseconds.change.value }
            if let sticky { request.sticky = sticky.change.value }
            request.attempts = attempts ?? base.attempts
            if let outputCap { request.outputCap = outputCap.change.value }
            request.priority = priority ?? base.priority
            for hint in hints { request.hints = (request.hints ?? [:]).merging([hint.hint: hint.model]) }
            return request
        }

        func run() async throws {
            let context = CommandContext(options)
            let written = try file.map { path throws(Problem) in try RoutingFile.read(at: path) }
            let (set, known) = try await context.control { [self] control in
                let workspace = try await control.routedWorkspace(place)
                let known = try await KnownModels(control)
                let base: NewRouting
                if let written {
                    base = written
                } else {
                    let old = try await control.routing(of: workspace)
                    base = old.changed == nil ? NewRouting() : old.request
                }
                return (try await control.setRouting(of: workspace, try request(over: base)), known)
            }
            try context.terminal.changed(
                set, asJSON: listing.json, "Requests of \(set.name) (\(set.workspace)) are routed by \(set.told).")
            context.terminal.talk(known.unrouted(set.hints.values.sorted()))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows how a workspace's requests are routed.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: WorkspaceOption

        func run() async throws {
            let context = CommandContext(options)
            let row = try await context.control { [place] control in
                try await control.routing(of: control.routedWorkspace(place))
            }
            if listing.json { return try context.terminal.write(json: row) }
            let hints = row.hints.sorted { $0.key < $1.key }.map { "\($0.key) for \($0.value)" }
            try context.terminal.write(
                Facts.text([
                    ("workspace", "\(row.name) (\(row.workspace))"), ("strategy", row.strategy.rawValue),
                    ("regions", row.regions.isEmpty ? "any" : row.regions.joined(separator: ", ")),
                    ("data policies", row.dataPolicies.joined(separator: ", ")),
                    ("most cost", row.maxCost.map { "\($0) \(row.currency.rawValue)" }),
                    ("most latency", row.maxLatencyMilliseconds.map { "\($0) ms" }),
                    ("sticky", row.sticky.map { "by \($0.rawValue)" }), ("attempts", "\(row.attempts)"),
                    ("output cap", row.outputCap.map { "\($0) tokens, where the caller names none" }),
                    ("priority", row.priority.rawValue), ("hints", hints.joined(separator: ", ")),
                    ("set", row.changed?.short ?? "never; this is usual"),
                ]))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the workspaces of a tenant that have set their routing.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: TenantOption

        func run() async throws {
            let context = CommandContext(options)
            let rows = try await context.control { [place] control in
                try await control.listRouting(in: control.tenantID(orNil: place.tenant))
            }
            try context.terminal.list(
                rows, asJSON: listing.json,
                none: "No workspace of the tenant has set its routing. `volery routing set` does."
            ) { rows in
                Table(
                    [
                        .init("WORKSPACE"), .init("NAME"), .init("STRATEGY"), .init("REGIONS"), .init("DATA POLICIES"),
                        .init("STICKY"), .init("PRIORITY"), .init("HINTS", .right), .init("SET"),
                    ],
                    rows: rows.map { row in
                        [
                            "\(row.workspace)", row.name, row.strategy.rawValue, row.regions.joined(separator: ", "),
                            row.dataPolicies.joined(separator: ", "), row.sticky?.rawValue ?? "",
                            row.priority.rawValue, "\(row.hints.count)", row.changed?.short ?? "",
                        ]
                    })
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes away what a workspace has set: its requests are routed as usual then.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: WorkspaceOption

        func run() async throws {
            let context = CommandContext(options)
            let gone = try await context.control { [place] control in
                try await control.removeRouting(of: control.routedWorkspace(place))
            }
            try context.terminal.changed(
                gone, asJSON: listing.json,
                "Requests of \(gone.name) (\(gone.workspace)) are routed as usual: by priority, then by weight.")
        }
    }
}

extension [String: String] {
    fileprivate func merging(_ changes: [String: String?]) -> [String: String] {
        var merged = self
        for (key, value) in changes { merged[key] = value }
        return merged
    }
}

extension RoutingView {
    /// `cheapest, in eu-west, with no-training`.
    fileprivate var told: String {
        var words = [strategy.rawValue]
        if !regions.isEmpty { words.append("in " + regions.joined(separator: " or ")) }
        if !dataPolicies.isEmpty { words.append("with " + dataPolicies.joined(separator: " and ")) }
        if let maxCost { words.append("for at most \(maxCost) \(currency.rawValue)") }
        if let maxLatencyMilliseconds { words.append("within \(maxLatencyMilliseconds) ms") }
        if let sticky { words.append("the same endpoint for the same \(sticky.rawValue)") }
        return words.joined(separator: ", ")
    }
}
