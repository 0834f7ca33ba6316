/// A statement over several rows of values, in a few lengths, so that an engine prepares each once.
package struct RowsStatement: Sendable {
    /// The statement for so many rows.
    package struct Text: Sendable {
        package let length: Int
        package let sql: String
    }

    package let columns: Int
    private let texts: [Text]
    /// The longest first; the last takes a single row. Engines bind at least 32,766 values.
    private static let lengths = [50, 10, 1]

    /// - Parameters:
    ///   - before: up to the rows; `VALUES` follows it.
    ///   - after: what follows the rows.
    package init(_ before: String, columns: Int, _ after: String) {
        self.columns = columns
        texts = Self.lengths.map { length in
            let tuples = (0..<length).map { row -> String in
                let places = (1...columns).map { column -> String in "$" + String(row * columns + column) }
                return "(" + places.joined(separator: ", ") + ")"
            }
            return Text(length: length, sql: before + " VALUES " + tuples.joined(separator: ", ") + after)
        }
    }

    /// What to run for so many rows, in their order.
    package func parts(of count: Int) -> [Text] {
        runs(of: count).flatMap { repeatElement($0.text, count: $0.times) }
    }

    /// The same, for who prepares each once.
    package func runs(of count: Int) -> [(text: Text, times: Int)] {
        var rest = count
        return texts.compactMap { text in
            let times = rest / text.length
            rest -= times * text.length
            return times > 0 ? (text, times) : nil
        }
    }
}
