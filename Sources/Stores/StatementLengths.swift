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

extension RowsStatement {
    /// A block for about so many rows, with so many bytes of their own in each.
    func block(rows: Int, rowBytes: Int? = nil) -> RowBlock {
        RowBlock(columns: columns, rows: rows, rowBytes: rowBytes)
    }
}
