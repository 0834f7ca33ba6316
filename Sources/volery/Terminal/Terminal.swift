import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where a command writes: data to standard output, talk to standard error.
struct Terminal: Sendable {
    /// Whether a person reads standard error as it is written, so that a line may be drawn over.
    let isLive: Bool
    let usesColor: Bool
    /// Columns of a live terminal.
    let width: Int

    /// - Parameter environment: `NO_COLOR` with any text turns colour off (https://no-color.org).
    init(isDataTerminal: Bool, isTalkTerminal: Bool, width: Int, environment: [String: String]) {
        isLive = isTalkTerminal && environment["TERM"] != "dumb"
        usesColor = isDataTerminal && environment["TERM"] != "dumb" && (environment["NO_COLOR"] ?? "").isEmpty
        self.width = max(20, width)
    }

    static func standard() -> Terminal {
        var size = winsize()
        let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return Terminal(
            isDataTerminal: isatty(STDOUT_FILENO) == 1, isTalkTerminal: isatty(STDERR_FILENO) == 1,
            width: isKnown ? Int(size.ws_col) : 80, environment: ProcessInfo.processInfo.environment)
    }

    /// Writes data, all of it.
    func write(_ text: String) throws {
        try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    }

    /// Writes talk. Nobody may be listening, and then there is nobody to tell either.
    func talk(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }

    /// Writes a value as JSON that reads well and is always the same for the same value.
    func write(json value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try write(Self.tight(String(decoding: try encoder.encode(value), as: UTF8.self)) + "\n")
    }

    /// The encoder spreads what is empty over three lines. No text in JSON has a line break of its own.
    static func tight(_ json: String) -> String {
        json.replacing(/\[\n\s*\]/, with: "[]").replacing(/\{\n\s*\}/, with: "{}")
    }

    /// Writes a listing: an array as JSON, or a table; talk says it when there is nothing.
    func list<Item: Encodable>(
        _ items: [Item], asJSON: Bool, none: String, table: ([Item]) -> Table
    ) throws {
        if asJSON { return try write(json: items) }
        guard !items.isEmpty else { return talk(none + "\n") }
        try write(table(items).text(usesColor: usesColor))
    }

    /// The text without what could move the cursor or colour the screen: it may come from a model or another machine.
    static func printable(_ text: String) -> String {
        var clean = ""
        for scalar in text.unicodeScalars {
            clean.unicodeScalars.append(scalar.properties.generalCategory == .control ? " " : scalar)
        }
        return clean
    }
}
