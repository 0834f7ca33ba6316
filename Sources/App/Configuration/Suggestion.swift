/// Finds what somebody may have meant.
package enum Suggestion {
    /// The known name that is closest to `text`, when it is close enough to be a typing error, or continues it.
    package static func closest(to text: String, among known: [String]) -> String? {
        let wanted = Array(text.lowercased().prefix(100).utf8)
        let scored = known.map { (name: $0, distance: distance(wanted, Array($0.lowercased().utf8))) }
        guard let best = scored.min(by: { ($0.distance, $0.name) < ($1.distance, $1.name) }) else { return nil }
        if best.distance <= max(1, wanted.count / 3) { return best.name }
        guard wanted.count >= 3 else { return nil }
        return known.filter { $0.lowercased().hasPrefix(text.lowercased()) }.min()
    }

    /// Insertions, deletions, replacements and swaps of neighbours that lead from one to the other.
    static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforeLast = Array(repeating: 0, count: right.count + 1)
        var last = Array(0...right.count)
        for (i, a) in left.enumerated() {
            var row = [i + 1]
            for (j, b) in right.enumerated() {
                var best = min(last[j] + (a == b ? 0 : 1), last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a == right[j - 1], b == left[i - 1] { best = min(best, beforeLast[j - 1] + 1) }
                row.append(best)
            }
            (beforeLast, last) = (last, row)
        }
        return last[right.count]
    }
}
