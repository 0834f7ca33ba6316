import App
import ArgumentParser

/// The command `volery`.
struct Volery: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volery",
        abstract: "Serves AI models on this machine over OpenAI's API, and administers them.",
        discussion: """
            Data goes to standard output, talk to standard error. NO_COLOR is respected.

            Exit codes: 0 ok, 1 failed, 3 not found, 4 credential not good, 5 refused (not allowed, not valid, or in \
            conflict), 64 wrong usage.
            """,
        version: "volery \(Version.text)",
        subcommands: [
            ServeCommand.self, ChatCommand.self, TenantsCommand.self, WorkspacesCommand.self, UsersCommand.self,
            ServiceAccountsCommand.self, MembersCommand.self, KeysCommand.self, RulesCommand.self, AuditCommand.self,
            OwnerCommand.self, ProvidersCommand.self, SecretsCommand.self, ConfigCommand.self, ModelsCommand.self,
            RuntimesCommand.self, RegistryCommand.self, RoutingCommand.self, UsageCommand.self, RequestsCommand.self,
            PricesCommand.self, BudgetsCommand.self,
            QuotasCommand.self, LimitsCommand.self, CreditsCommand.self, WalletsCommand.self, PlansCommand.self,
            LedgerCommand.self, JournalCommand.self, DoctorCommand.self,
            CompletionsCommand.self, VersionCommand.self,
        ])

    @OptionGroup var options: GlobalOptions
}

/// Accepted before and after the subcommand: the parser reads the root's options wherever they stand.
struct GlobalOptions: ParsableArguments {
    @Option(
        name: .customLong("data-dir"),
        help: ArgumentHelp(
            "Where everything is kept. VOLERY_DATA_DIR says it too; ~/.volery otherwise.", valueName: "folder"),
        completion: .directory)
    var dataDir: String?

    @Option(
        help: ArgumentHelp("The settings file; volery.yaml in the data folder otherwise.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    var flags: [String: String] {
        var flags: [String: String] = [:]
        flags["data_dir"] = dataDir
        flags["config"] = config
        return flags
    }
}

/// What every listing offers.
struct ListingOptions: ParsableArguments {
    @Flag(help: "Print JSON: an array for a listing, an object for one thing.")
    var json = false
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Prints the version.")

    func run() throws { try Terminal.standard().write(Volery.configuration.version + "\n") }
}

struct CompletionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions", abstract: "Prints a completion script for a shell.",
        discussion: """
            bash: volery completions bash > ~/.local/share/bash-completion/completions/volery
            zsh:  volery completions zsh > "${fpath[1]}/_volery"
            fish: volery completions fish > ~/.config/fish/completions/volery.fish
            """)

    enum Shell: String, ExpressibleByArgument, CaseIterable { case bash, zsh, fish }

    @Argument(help: "bash, zsh or fish.") var shell: Shell

    func run() throws {
        let kind: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        try Terminal.standard().write(Volery.completionScript(for: kind) + "\n")
    }
}
