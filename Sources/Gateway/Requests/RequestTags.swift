package import Kernel

/// The labels that a caller gives a request: `volery-tags: team-a,nightly`.
package enum RequestTags {
    package static let header = "volery-tags"
    package static let most = 8
    package static let longest = 64

    /// - Returns: each once, in the caller's order.
    /// - Throws: `VALIDATION_ERROR`.
    package static func read(_ headers: some HeaderLookup) throws(Problem) -> [String] {
        guard headers.contains(name: header) else { return [] }
        var tags: [String] = []
        for line in headers[header] {
            for part in line.split(separator: ",", omittingEmptySubsequences: false) {
                let tag = part.drop { $0 == " " || $0 == "\t" }
                let end = tag.lastIndex { $0 != " " && $0 != "\t" }
                let text = String(end.map { tag[...$0] } ?? "")
                guard isTag(text) else { throw wrong("is not a list of labels") }
                if !tags.contains(text) { tags.append(text) }
                guard tags.count <= most else { throw wrong("has more than \(most) labels") }
            }
        }
        return tags
    }

    private static func isTag(_ text: String) -> Bool {
        (1...longest).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "-"): true
                default: false
                }
            }
    }

    private static func wrong(_ what: String) -> Problem {
        Problem(
            .validationError, "The header `\(header)` \(what).", parameter: header,
            hint: "Send at most \(most), with commas between them, each of 1 to \(longest) characters of "
                + "A-Z a-z 0-9 . _ : -.")
    }
}
