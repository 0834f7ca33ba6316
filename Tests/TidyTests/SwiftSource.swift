/// One Swift file, read so that a rule can tell code from comments and from the text of string literals.
struct SwiftSource: Sendable {
    /// A string literal: where it begins, its text with interpolations blanked, and whether it had any.
    struct Literal: Equatable, Sendable {
        let line: Int
        let text: String
        let isInterpolated: Bool
    }

    /// Relative to the root of the package: `Sources/Kernel/ULID.swift`.
    let path: String
    let lines: [String]
    /// The same lines with comments and the text of string literals replaced by blanks.
    let code: [String]
    /// The same lines with everything but comments replaced by blanks.
    let comments: [String]
    let literals: [Literal]

    init(path: String, text: String) {
        var scanner = SourceScanner(Array(text.utf8))
        scanner.scan()
        self.path = path
        lines = Self.split(Array(text.utf8))
        code = Self.split(scanner.code)
        comments = Self.split(scanner.comments)
        literals = scanner.literals
    }

    private static func split(_ bytes: [UInt8]) -> [String] {
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    /// The folder below `Sources/` or `Tests/`, or the folder itself for those that lie beside them.
    var room: String {
        let parts = path.split(separator: "/")
        guard parts.count > 1 else { return "" }
        return parts[0] == "Sources" || parts[0] == "Tests" ? String(parts[1]) : String(parts[0])
    }

    var isTest: Bool { path.hasPrefix("Tests/") }
    var isGenerated: Bool { path.contains("/Generated/") }
}

/// Walks a file once. Interpolations are code again, also inside raw and multi-line strings.
private struct SourceScanner {
    private let input: [UInt8]
    private var index = 0
    private var line = 1
    private(set) var code: [UInt8]
    private(set) var comments: [UInt8]
    private(set) var literals: [SwiftSource.Literal] = []

    init(_ input: [UInt8]) {
        self.input = input
        code = input
        comments = input.map { $0 == UInt8(ascii: "\n") ? $0 : UInt8(ascii: " ") }
    }

    mutating func scan() { scanCode(untilClosingParenthesis: false) }

    private func at(_ offset: Int) -> UInt8? {
        let position = index + offset
        return position < input.count ? input[position] : nil
    }

    private func matches(_ text: String, at offset: Int = 0) -> Bool {
        let start = index + offset
        guard start + text.utf8.count <= input.count else { return false }
        return zip(input[start...], text.utf8).allSatisfy { $0 == $1 }
    }

    private mutating func advance(_ count: Int = 1, blanking: Bool, asComment: Bool = false) {
        for _ in 0..<count where index < input.count {
            if input[index] == UInt8(ascii: "\n") {
                line += 1
            } else {
                if blanking { code[index] = UInt8(ascii: " ") }
                if asComment { comments[index] = input[index] }
            }
            index += 1
        }
    }

    private mutating func scanCode(untilClosingParenthesis: Bool) {
        var depth = 1
        while let byte = at(0) {
            if matches("//") {
                while let next = at(0), next != UInt8(ascii: "\n") { advance(blanking: true, asComment: true) }
            } else if matches("/*") {
                scanBlockComment()
            } else if let pounds = openingPounds() {
                scanString(pounds: pounds)
            } else {
                if untilClosingParenthesis {
                    if byte == UInt8(ascii: "(") { depth += 1 }
                    if byte == UInt8(ascii: ")") { depth -= 1 }
                    if depth == 0 { return }
                }
                advance(blanking: false)
            }
        }
    }

    private mutating func scanBlockComment() {
        var depth = 0
        while at(0) != nil {
            if matches("/*") {
                depth += 1
                advance(2, blanking: true, asComment: true)
            } else if matches("*/") {
                depth -= 1
                advance(2, blanking: true, asComment: true)
                if depth == 0 { return }
            } else {
                advance(blanking: true, asComment: true)
            }
        }
    }

    /// How many `#` stand before the quote of a string literal that begins here; nil where none begins.
    private func openingPounds() -> Int? {
        var count = 0
        while at(count) == UInt8(ascii: "#") { count += 1 }
        return at(count) == UInt8(ascii: "\"") ? count : nil
    }

    private mutating func scanString(pounds: Int) {
        let startLine = line
        let fence = String(repeating: "#", count: pounds)
        advance(pounds, blanking: false)
        let quote = matches("\"\"\"") ? "\"\"\"" : "\""
        advance(quote.utf8.count, blanking: false)
        var text: [UInt8] = []
        var isInterpolated = false
        while let byte = at(0) {
            if matches(quote + fence) {
                advance(quote.utf8.count + pounds, blanking: false)
                break
            } else if matches("\\" + fence + "(") {
                isInterpolated = true
                text.append(UInt8(ascii: " "))
                advance(2 + pounds, blanking: true)
                scanCode(untilClosingParenthesis: true)
                advance(blanking: true)
            } else if matches("\\" + fence) {
                advance(1 + pounds + 1, blanking: true)
            } else if quote.utf8.count == 1, byte == UInt8(ascii: "\n") {
                break
            } else {
                text.append(byte)
                advance(blanking: true)
            }
        }
        literals.append(
            SwiftSource.Literal(
                line: startLine, text: String(decoding: text, as: UTF8.self), isInterpolated: isInterpolated))
    }
}
