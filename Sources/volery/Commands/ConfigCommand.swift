import App
import ArgumentParser
import Flows
import Kernel

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Tenants, rules, providers and deployments from a file.",
        discussion: """
            The file is volery.yaml, the one that holds the settings too, or any other. `volery serve` applies its own \
            at the start and at SIGHUP; docs/declaration.md describes it.
            """,
        subcommands: [Check.self, Diff.self, Apply.self])

    /// `diff` found a difference, as `git diff --exit-code` says it.
    static let different = ExitCode(1)
    /// `diff` could not find out.
    static let unknown = ExitCode(2)
}

/// Which file.
struct DeclarationArgument: ParsableArguments {
    @Argument(
        help: ArgumentHelp("The file; the settings file otherwise.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var file: String?

    func read(_ context: CommandContext) throws -> DeclarationFile {
        guard let path = file ?? context.report.file else {
            throw Problem(
                .configurationInvalid, "There is no file: neither an argument nor a volery.yaml in the data folder.",
                hint: "Name the file.")
        }
        return try DeclarationFile.read(path)
    }
}

extension ConfigCommand {
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says everything that is wrong with a file. Needs no platform and changes nothing.",
            discussion: "Ends with 1 when anything is.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: DeclarationArgument

        private struct Report: Encodable {
            let ok: Bool
            let file: String
            let faults: [DeclarationFault]
            let warnings: [String]
        }

        func run() async throws {
            let context = CommandContext(options)
            let file = try which.read(context)
            let warnings = file.keyFaults(environment: context.environment)
            if listing.json {
                try context.terminal.write(
                    json: Report(ok: file.faults.isEmpty, file: file.path, faults: file.faults, warnings: warnings))
            } else {
                try context.terminal.write(file.faults.map { Terminal.printable("\(file.path):\($0)") + "\n" }.joined())
                for warning in warnings { context.terminal.talk("warning: \(Terminal.printable(warning))\n") }
                context.terminal.talk(
                    file.faults.isEmpty
                        ? "The file is good.\n" : "The file is not usable: \(file.faults.count) to mend.\n")
            }
            guard file.faults.isEmpty else { throw ExitCode(ExitStatus.failed.rawValue) }
        }
    }

    struct Diff: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows what applying a file would do: + is made, ~ changes, - goes.",
            discussion:
                "Ends with 0 when there is nothing to do, with 1 when there is, and with 2 when that is not known.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: DeclarationArgument
        @Flag(help: "Also what goes because the file does not have it.") var prune = false

        func run() async throws {
            let context = CommandContext(options)
            let plan: DeclarationPlan
            do {
                let work = try context.declaration(which)
                plan = try await context.control { [prune] in try await work.plan(on: $0, prunes: prune) }
            } catch {
                guard case .told(let text, .failed) = Failure(error) else { throw error }
                context.terminal.talk(text)
                throw ConfigCommand.unknown
            }
            try show(plan, context.terminal, asJSON: listing.json)
            guard plan.steps.isEmpty else { throw ConfigCommand.different }
        }
    }

    struct Apply: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes the platform what a file says, step by step; stops at the first that fails.",
            discussion: """
                Applying a file twice does nothing the second time. What the file does not have stays, unless --prune \
                is given. Keys never go, nor does the default tenant.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: DeclarationArgument
        @Flag(help: "Take away what the file has a list for and does not have in it.") var prune = false
        @Flag(help: "Only show what would be done.") var dryRun = false

        private struct Report: Encodable {
            let changes: [DeclarationStep]
        }

        func run() async throws {
            let context = CommandContext(options)
            let work = try context.declaration(which)
            let terminal = context.terminal
            if dryRun {
                let plan = try await context.control { [prune] in try await work.plan(on: $0, prunes: prune) }
                return try show(plan, terminal, asJSON: listing.json)
            }
            let steps = try await context.control(begins: true) { [prune, listing] control in
                try await work.apply(on: control, prunes: prune) { step in
                    if !listing.json { try terminal.write(Terminal.printable(step.text) + "\n") }
                }
            }
            if listing.json { return try terminal.write(json: Report(changes: steps)) }
            terminal.talk(steps.isEmpty ? "There is nothing to do.\n" : "\(steps.count) done.\n")
        }
    }
}

private func show(_ plan: DeclarationPlan, _ terminal: Terminal, asJSON: Bool) throws {
    if asJSON { return try terminal.write(json: plan) }
    for step in plan.steps { try terminal.write(Terminal.printable(step.text) + "\n") }
    if plan.steps.isEmpty { terminal.talk("There is nothing to do.\n") }
}

extension CommandContext {
    fileprivate func declaration(_ which: DeclarationArgument) throws -> DeclarationWork {
        try DeclarationWork(
            try which.read(self), environment: environment, folder: DataFolder(try configuration().dataDir),
            random: random)
    }
}
