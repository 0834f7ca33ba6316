/// Finds what somebody may have meant.
package enum Suggestion {
    /// The known name that is closest to `text`, when it is close enough to be a typing error or one continues the other.
    package static func closest(to text: String, among known: [String]) -> String? {
        let wanted = Array(text.lowercased().prefix(100).utf8)
        let scored = known.map { (name: $0, distance: distance(wanted, Array($0.lowercased().utf8))) }
        guard let best = scored.min(by: { ($0.distance, $0.name) < ($1.distance, $1.name) }) else { return nil }
        if best.distance <= max(1, wanted.count / 3) { return best.name }
        guard wanted.count >= 3 else { return nil }
        return known.filter { $0.lowercased().hasPrefix(text.lowercased()) }.min()
    }

    /// Levenshtein distance: insertions, deletions and replacements.
    static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (i, a) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in right.enumerated() {
                let replaced = diagonal + (a == b ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, diagonal + 1, row[j] + 1)
            }
        }
        return row[right.count]
    }
}
