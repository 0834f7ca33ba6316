import App
import ArgumentParser
import AsyncHTTPClient
import Flows
import Foundation
import Kernel

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Runs the platform in the foreground, until Ctrl-C.",
        discussion: """
            Every setting has three more ways: VOLERY_<KEY> in the environment, the settings file, the default. \
            `volery serve --check-config` shows what is in force and where it comes from.
            """)

    @OptionGroup var options: GlobalOptions

    @Option(help: "The address that the API listens on.") var host: String?
    @Option(help: "The port of the API; 0 takes a free one.") var port: String?
    @Option(help: "The port of /metrics; 0 takes a free one.") var metricsPort: String?
    @Option(help: "all, or some of gateway, api, agent, worker, controller, with commas.") var roles: String?
    @Option(help: "trace, debug, info, notice, warning, error or critical.") var logLevel: String?
    @Option(help: "auto, json or text.") var logFormat: String?
    @Flag(help: "Neither fetch nor start models; demo-echo answers.") var noDefaultModels = false
    @Flag(help: "Check the settings, print them, and end.") var checkConfig = false

    /// By setting key. Values are checked with all the others, so that the error says what is allowed.
    var flags: [String: String] {
        var flags: [String: String] = [:]
        flags["host"] = host
        flags["port"] = port
        flags["metrics_port"] = metricsPort
        flags["roles"] = roles
        flags["log_level"] = logLevel
        flags["log_format"] = logFormat
        if noDefaultModels { flags["default_models"] = "false" }
        return flags
    }

    func run() async throws {
        let context = CommandContext(options, flags: flags)
        if checkConfig { return try check(context) }
        let started = context.clock.uptime
        let configuration = try context.configuration()
        // What the file declares is applied later; that it can be read is seen to before anything starts.
        _ = try context.report.file.map(DeclarationFile.read)?.checked()
        for warning in context.report.warnings { context.terminal.talk("warning: \(warning)\n") }
        let platform = Platform(
            configuration: configuration, environment: context.environment, settings: context.settingsNow
        ) { announcement in
            let seconds = (context.clock.uptime - started).seconds
            let found = await adoptable(context)
            let banner = Banner(
                announcement, folder: configuration.dataDir, environment: context.environment, startSeconds: seconds,
                found: found,
                isLocal: ["127.0.0.1", "::1", "localhost"].contains(configuration.host))
            // Whoever closed our output still has a platform.
            try? context.terminal.write(banner.text)
        }
        try await platform.run()
    }

    private func check(_ context: CommandContext) throws {
        // That a file cannot be read is in the report, and so are the faults of its settings.
        let file = context.report.file.flatMap { try? DeclarationFile.read($0) }
        let faults = (file?.faults ?? []).filter { fault in
            !context.report.faults.contains { $0.key == fault.place }
        }
        for fault in faults {
            try context.terminal.write("error: " + Terminal.printable("\(file?.path ?? ""):\(fault)") + "\n")
        }
        try context.terminal.write(context.report.text)
        guard context.report.faults.isEmpty, faults.isEmpty else { throw ExitCode(ExitStatus.failed.rawValue) }
    }

    private func adoptable(_ context: CommandContext) async -> [Adoptable] {
        let ollama = try? await HTTPClient.withHTTPClient(configuration: .sameMachine) {
            await Adoptable.findOllama(client: $0)
        }
        return [ollama ?? nil].compactMap { $0 } + Adoptable.providerKeys(in: context.environment)
    }
}

extension Banner {
    init(
        _ announcement: Platform.Announcement, folder: String, environment: [String: String], startSeconds: Double,
        found: [Adoptable], isLocal: Bool
    ) {
        let hasKeyFile = (try? FirstKeyFile(DataFolder(folder)).read()) ?? nil
        self.init(
            program: ProgramName.called(
                startedBy: CommandLine.arguments.first ?? "volery", search: environment["PATH"] ?? "",
                workingDirectory: FileManager.default.currentDirectoryPath),
            version: Version.text, startSeconds: startSeconds, folder: folder,
            isUsualFolder: folder == Configuration.usualDataDir(environment: environment), url: announcement.url,
            metricsURL: announcement.metricsURL,
            key: announcement.newKey.map { .fresh($0) } ?? (hasKeyFile == nil ? .elsewhere : .kept),
            models: announcement.readiness.models.map {
                Model(
                    name: $0.model, aliases: $0.aliases, isReady: $0.state == "ready",
                    isStarting: ["preparing", "starting"].contains($0.state), detail: $0.detail)
            },
            found: found, isLocal: isLocal)
    }
}
