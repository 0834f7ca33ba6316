import App
import ArgumentParser
import Foundation
import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat", abstract: "Asks a model of the running platform.",
        discussion: """
            The answer goes to standard output as it comes. Without a prompt it is read from standard input, or, on a \
            terminal, asked for until Ctrl-D. The key is VOLERY_API_KEY, else the data folder's initial-api-key.
            """)

    static let usualModel = "default"
    static let longestInput = 10 << 20

    @OptionGroup var options: GlobalOptions

    @Argument(help: "What to ask.") var prompt: String?
    @Option(help: "The model's name; `default` otherwise.") var model: String?
    @Option(help: "What the model is told beforehand.") var system: String?
    @Option(help: "The longest answer, in tokens.") var maxTokens: Int?
    @Flag(help: "Print the answer when it is whole.") var noStream = false

    func validate() throws {
        if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens must be at least 1.") }
        if let prompt, prompt.isEmpty { throw ValidationError("The prompt is empty.") }
    }

    func run() async throws {
        let context = CommandContext(options)
        try await context.access { access, client in
            guard let platform = try await access.runningPlatform() else { throw try notRunning(context) }
            let chat = ChatClient(client: client, base: platform.controlURL, key: try key(context))
            var session = ChatSession(
                client: chat, terminal: context.terminal, model: model, isStreamed: !noStream,
                maximumTokens: maxTokens, system: system)
            if let prompt { return try await session.ask(prompt) }
            if isatty(STDIN_FILENO) == 1 { return try await session.converse() }
            let input = try FileHandle.standardInput.read(upToCount: Self.longestInput) ?? Data()
            let text = String(decoding: input, as: UTF8.self)
            guard text.contains(where: { !$0.isWhitespace }) else { throw ValidationError("There is no prompt.") }
            try await session.ask(text)
        }
    }

    private func notRunning(_ context: CommandContext) throws -> Problem {
        Problem(
            .platformSilent, "No platform serves the data folder \(try context.configuration().dataDir).",
            hint: "Start it with `volery serve`, in another terminal and with the same --data-dir.")
    }

    private func key(_ context: CommandContext) throws -> Secret {
        if let text = context.environment["VOLERY_API_KEY"], !text.isEmpty { return Secret(text) }
        let folder = DataFolder(try context.configuration().dataDir)
        guard let text = try FirstKeyFile(folder).read(), !text.isEmpty else {
            throw Problem(
                .authenticationRequired, "There is no key: neither VOLERY_API_KEY nor \(folder.firstKeyFile).",
                hint: "export VOLERY_API_KEY=$(volery keys create --name chat)")
        }
        return Secret(text)
    }
}
