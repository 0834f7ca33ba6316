import Foundation

/// A regular expression compiled once; `^` and `$` match at each line.
struct Pattern: Sendable {
    private let expression: NSRegularExpression

    init(_ pattern: String) throws {
        expression = try NSRegularExpression(pattern: pattern, options: .anchorsMatchLines)
    }

    func isFound(in text: String) -> Bool {
        expression.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)) != nil
    }

    /// The line numbers, from 1, where a match begins.
    func lineNumbers(in lines: [String]) -> [Int] {
        let text = lines.joined(separator: "\n")
        var numbers: [Int] = []
        var line = 1
        var position = text.startIndex
        for match in expression.matches(in: text, range: NSRange(text.startIndex..., in: text)) {
            guard let range = Range(match.range, in: text) else { continue }
            line += text[position..<range.lowerBound].utf8.count { $0 == UInt8(ascii: "\n") }
            position = range.lowerBound
            numbers.append(line)
        }
        return numbers
    }

    /// The captured groups of each match, in order; a group that took no part is an empty string.
    func captures(in text: String) -> [[String]] {
        expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).map { match in
            (1..<match.numberOfRanges).map { group in
                Range(match.range(at: group), in: text).map { String(text[$0]) } ?? ""
            }
        }
    }

    func removed(from text: String) -> String {
        expression.stringByReplacingMatches(
            in: text, range: NSRange(text.startIndex..., in: text), withTemplate: "")
    }
}
