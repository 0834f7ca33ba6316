/// How long a file, a function and a line may be.
enum Shape {
    static let longestFile = 500
    static let longestFunction = 70
    static let longestLine = 120

    static func violations(in source: SwiftSource) throws -> [Violation] {
        guard !source.isGenerated else { return [] }
        return longLines(in: source) + longFile(source) + (try longFunctions(in: source))
    }

    private static func longLines(in source: SwiftSource) -> [Violation] {
        source.lines.enumerated().filter { $0.element.count > longestLine }.map { index, line in
            Violation(
                rule: "long-line", path: source.path, line: index + 1,
                reason: "\(line.count) columns; the limit is \(longestLine)")
        }
    }

    private static func longFile(_ source: SwiftSource) -> [Violation] {
        guard source.lines.count > longestFile else { return [] }
        return [
            Violation(
                rule: "long-file", path: source.path, line: source.lines.count,
                reason: "\(source.lines.count) lines; the limit is \(longestFile), and most files stay below 200")
        ]
    }

    private static func longFunctions(in source: SwiftSource) throws -> [Violation] {
        try functions(in: source).filter { $0.length > longestFunction }.map { function in
            Violation(
                rule: "long-function", path: source.path, line: function.line,
                reason: "\(function.length) lines; a function fits a screen of \(longestFunction)")
        }
    }

    struct Function: Equatable {
        let line: Int
        let length: Int
    }

    /// Every function, initializer and deinitializer that has a body, from its first line to its closing brace.
    static func functions(in source: SwiftSource) throws -> [Function] {
        let start = try Pattern(#"(\bfunc\s+\S|(?<![.\w])init[?]?\s*[(<]|\bdeinit\s*\{)"#)
        return start.lineNumbers(in: source.code).compactMap { line in
            bodyEnd(in: source.code, from: line).map { Function(line: line, length: $0 - line + 1) }
        }
    }

    /// The line of the brace that closes the body of the declaration on `line`; nil where it has no body, as in a
    /// protocol.
    private static func bodyEnd(in code: [String], from line: Int) -> Int? {
        var braces = 0
        var parentheses = 0
        for index in (line - 1)..<code.count {
            let text = code[index]
            for character in text {
                switch character {
                case "(", "[": parentheses += braces == 0 ? 1 : 0
                case ")", "]": parentheses -= braces == 0 ? 1 : 0
                case "{" where braces > 0 || parentheses == 0: braces += 1
                case "}" where braces > 0:
                    braces -= 1
                    if braces == 0 { return index + 1 }
                case "}" where parentheses == 0: return nil
                default: break
                }
            }
            guard braces == 0, parentheses == 0 else { continue }
            if !continues(after: text, into: index + 1 < code.count ? code[index + 1] : "") { return nil }
        }
        return nil
    }

    /// Whether a signature that is complete so far goes on in the next line.
    private static func continues(after text: String, into next: String) -> Bool {
        let last = text.split(separator: " ").last ?? ""
        let first = next.split(separator: " ").first ?? ""
        return ["->", "where", ",", "throws", "async"].contains { last.hasSuffix($0) }
            || ["{", "->", "where", "throws", "async", "rethrows"].contains { first.hasPrefix($0) }
    }
}
