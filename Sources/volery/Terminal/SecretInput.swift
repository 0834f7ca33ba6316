import ArgumentParser
import Foundation
import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where a secret comes from. Never from an argument: every user of the machine can read those.
enum SecretInput: Equatable, Sendable {
    case file(String)
    case environment(String)
    case standardInput
    /// Asked for without echo.
    case prompt

    private static let longest = 64 << 10

    /// - Parameters:
    ///   - what: completes "the …".
    ///   - asksTwice: for one that is made up now, so that a typing error does not lock anybody out.
    func read(
        _ what: String, environment: [String: String], terminal: Terminal, asksTwice: Bool = false
    ) throws -> Secret {
        switch self {
        case .file(let path):
            guard let handle = FileHandle(forReadingAtPath: path),
                let data = try handle.read(upToCount: Self.longest + 1)
            else { throw Self.missing("The file\(Self.shown(path)) with the \(what) cannot be read, or is empty.") }
            return try Self.checked(data, what)
        case .environment(let name):
            guard let text = environment[name], !text.isEmpty else {
                throw Self.missing("The environment variable with the \(what) is not set.")
            }
            return Secret(text)
        case .standardInput:
            let data = try FileHandle.standardInput.read(upToCount: Self.longest + 1) ?? Data()
            return try Self.checked(data, what)
        case .prompt:
            let secret = try Self.ask("The \(what): ", terminal)
            if asksTwice, try Self.ask("Once more: ", terminal) != secret {
                throw ValidationError("The two are not the same; nothing was changed.")
            }
            return secret
        }
    }

    /// No wrong usage: the command is written as it must be, and something that it names is not there.
    private static func missing(_ message: String) -> Problem {
        Problem(.notFound, message, hint: "Check what the option names, and whether this account may read it.")
    }

    /// A path, as far as it is one for sure: somebody may have put the secret itself there.
    private static func shown(_ path: String) -> String {
        path.contains("/") || path.hasSuffix(".txt") || path.hasSuffix(".key")
            ? " \(Terminal.printable(String(path.prefix(200))))" : ""
    }

    /// One line's worth: an editor ends a file with a line break that is no part of the secret.
    private static func checked(_ data: Data, _ what: String) throws -> Secret {
        var bytes = Array(data)
        while let last = bytes.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") { bytes.removeLast() }
        guard !bytes.isEmpty, bytes.count <= longest, let text = String(validating: bytes, as: UTF8.self) else {
            throw Problem(
                .validationError, "What was given as the \(what) is empty, too long, or not UTF-8.",
                hint: "A secret is one line of text.")
        }
        return Secret(text)
    }

    private static func ask(_ prompt: String, _ terminal: Terminal) throws -> Secret {
        guard isatty(STDIN_FILENO) == 1 else {
            throw ValidationError("There is no terminal to ask on; give a file, or standard input.")
        }
        var before = termios()
        guard tcgetattr(STDIN_FILENO, &before) == 0 else { throw ValidationError("The terminal cannot be silenced.") }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        terminal.talk(prompt)
        guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0 else {
            throw ValidationError("The terminal cannot be silenced.")
        }
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
            terminal.talk("\n")
        }
        guard let line = readLine(strippingNewline: true), !line.isEmpty else {
            throw ValidationError("Nothing was entered.")
        }
        return Secret(line)
    }
}
