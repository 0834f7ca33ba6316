import Database

/// A statement over a list, in a few lengths, so that an engine prepares each once.
struct ListStatement: Sendable {
    private let texts: [(length: Int, sql: String)]
    private static let lengths = [1, 8, 64]

    /// - Parameters:
    ///   - before: up to the list; `IN` follows it.
    ///   - after: what follows the list.
    init(_ before: String, _ after: String = "") {
        texts = Self.lengths.map { length in
            let places = (1...length).map { "$" + String($0) }
            return (length, before + " IN (" + places.joined(separator: ", ") + ")" + after)
        }
    }

    /// The rows for all items, in as many statements as it takes. Items come in the order given.
    func rows(_ items: [any SQLRepresentable], _ tx: any Tx, locking: String = "") throws(DatabaseFailure) -> [Row] {
        var rest = items[...]
        var found: [Row] = []
        while let last = rest.prefix(64).last {
            let part = rest.prefix(64)
            guard let text = texts.first(where: { $0.length >= part.count }) else { break }
            // The last one again, up to the length: it is in the list already.
            let padding = repeatElement(last, count: text.length - part.count)
            found += try tx.rows(text.sql + locking, Array(part) + padding)
            rest = rest.dropFirst(part.count)
        }
        return found
    }
}

/// A statement over several rows of values, in a few lengths, so that an engine prepares each once.
struct RowsStatement: Sendable {
    private let texts: [(length: Int, sql: String)]
    private let columns: Int
    /// The longest first; the last takes a single row. Engines bind at least 32,766 values.
    private static let lengths = [50, 10, 1]

    /// - Parameters:
    ///   - before: up to the rows; `VALUES` follows it.
    ///   - after: what follows the rows.
    init(_ before: String, columns: Int, _ after: String) {
        self.columns = columns
        texts = Self.lengths.map { length in
            let tuples = (0..<length).map { row -> String in
                let places = (1...columns).map { column -> String in "$" + String(row * columns + column) }
                return "(" + places.joined(separator: ", ") + ")"
            }
            return (length, before + " VALUES " + tuples.joined(separator: ", ") + after)
        }
    }

    /// - Parameter rows: each of as many values as there are columns.
    /// - Returns: how many rows were changed.
    @discardableResult
    func run(_ rows: [[any SQLRepresentable]], _ tx: any Tx) throws(DatabaseFailure) -> Int {
        var changed = 0
        for (sql, values) in parts(rows) { changed += try tx.run(sql, values) }
        return changed
    }

    /// For a statement that returns rows.
    func rows(_ rows: [[any SQLRepresentable]], _ tx: any Tx) throws(DatabaseFailure) -> [Row] {
        var found: [Row] = []
        for (sql, values) in parts(rows) { found += try tx.rows(sql, values) }
        return found
    }

    private func parts(_ rows: [[any SQLRepresentable]]) -> [(String, [any SQLRepresentable])] {
        var rest = rows[...]
        var parts: [(String, [any SQLRepresentable])] = []
        for text in texts {
            while rest.count >= text.length {
                var values: [any SQLRepresentable] = []
                values.reserveCapacity(text.length * columns)
                for row in rest.prefix(text.length) { values += row }
                parts.append((text.sql, values))
                rest = rest.dropFirst(text.length)
            }
        }
        return parts
    }
}
