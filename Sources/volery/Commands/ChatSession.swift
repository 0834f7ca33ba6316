import App
import Kernel
import Synchronization

/// One conversation with a model, in the terminal.
struct ChatSession {
    private static let demonstration = "demo-echo"
    /// Messages that are sent along; older ones are forgotten, the system's stays.
    private static let longestHistory = 40

    private let client: ChatClient
    private let terminal: Terminal
    private let isModelChosen: Bool
    private var model: String
    private let isStreamed: Bool
    private let maximumTokens: Int?
    private let opening: [ChatRequest.Message]
    private var history: [ChatRequest.Message] = []

    /// - Parameter model: nil takes the usual one, and what answers in its place while that is not there.
    init(
        client: ChatClient, terminal: Terminal, model: String?, isStreamed: Bool, maximumTokens: Int?, system: String?
    ) {
        self.client = client
        self.terminal = terminal
        isModelChosen = model != nil
        self.model = model ?? ChatCommand.usualModel
        self.isStreamed = isStreamed
        self.maximumTokens = maximumTokens
        opening = system.map { [ChatRequest.Message(role: "system", content: $0)] } ?? []
    }

    /// Asks, and writes the answer as it comes.
    mutating func ask(_ text: String) async throws {
        history.append(ChatRequest.Message(role: "user", content: text))
        let answer: ChatAnswer
        do {
            answer = try await send()
        } catch let problem as Problem {
            guard try await takesReplacement(for: problem) else { throw try await explained(problem) }
            answer = try await send()
        }
        history.append(ChatRequest.Message(role: "assistant", content: answer.text))
        history = Array(history.suffix(Self.longestHistory))
        if answer.finish == "length" { terminal.talk("(the answer ended at the limit of tokens)\n") }
    }

    /// Asks again and again until the input ends. An error ends only its own turn.
    mutating func converse() async throws {
        terminal.talk("Talking to \(model). Ctrl-D ends it.\n")
        while true {
            terminal.talk("> ")
            guard let line = readLine() else { break }
            guard line.contains(where: { !$0.isWhitespace }) else { continue }
            do {
                try await ask(line)
            } catch let problem as Problem {
                history.removeLast()
                terminal.talk("error: \(problem.message) (\(problem.code.rawValue))\n  \(problem.hint)\n")
            }
        }
        terminal.talk("\n")
    }

    private func send() async throws -> ChatAnswer {
        let request = ChatRequest(
            model: model, messages: opening + history, stream: isStreamed, maximumTokens: maximumTokens)
        let last = Mutex<Character?>(nil)
        defer {
            // The shell's prompt, or the error, begins on a line of its own.
            if let end = last.withLock({ $0 }), end != "\n" { try? terminal.write("\n") }
        }
        return try await client.answer(request) { [terminal] text in
            try terminal.write(text)
            last.withLock { $0 = text.last ?? $0 }
        }
    }

    /// Nobody chose a model, and the usual one cannot answer: demo-echo does, and says what it is.
    private mutating func takesReplacement(for problem: Problem) async throws -> Bool {
        guard !isModelChosen, model != Self.demonstration, [.modelNotFound, .modelLoading].contains(problem.code),
            try await client.models().contains(Self.demonstration)
        else { return false }
        let state = problem.code == .modelLoading ? "is still loading" : "is not here"
        terminal.talk("The default model \(state); \(Self.demonstration) answers. `volery models list` shows more.\n")
        model = Self.demonstration
        return true
    }

    private func explained(_ problem: Problem) async throws -> Problem {
        guard problem.code == .modelNotFound else { return problem.onCommandLine }
        let names = try await client.models()
        guard let meant = Suggestion.closest(to: model, among: names) else { return problem }
        return Problem(
            problem.code, problem.message, parameter: problem.parameter,
            hint: "Did you mean `\(meant)`? `volery models list` shows all.")
    }
}

extension Problem {
    /// The API's parameters by the names that they have on the command line.
    var onCommandLine: Problem {
        Problem(
            code, message, parameter: parameter, hint: hint.replacing("`max_tokens`", with: "`--max-tokens`"),
            members: members)
    }
}
