package import Kernel

/// Rows of values for a `RowsStatement`, each value once: texts and bytes stand in one piece of memory, from which an
/// engine binds them. So a batch needs no box for a value, and no list for a row.
package struct RowBlock: Sendable {
    /// A value; texts and bytes are stretches of `bytes`.
    package enum Cell: Sendable, Hashable {
        case null
        case integer(Int64)
        case text(begin: Int, count: Int)
        case blob(begin: Int, count: Int)
    }

    package let columns: Int
    package private(set) var cells: [Cell] = []
    package private(set) var bytes: [UInt8] = []
    /// The last identifier of each column and where it stands: batches name the same few again and again.
    private var recent: [(ulid: ULID, cell: Cell)?]
    private var column = 0

    /// - Parameter rows: about as many as there will be.
    package init(columns: Int, rows: Int) {
        self.columns = columns
        recent = Array(repeating: nil, count: columns)
        cells.reserveCapacity(columns * rows)
        bytes.reserveCapacity(columns * rows * 12)
    }

    package var count: Int { cells.count / columns }

    /// The value as it is told to who takes no block.
    package func value(_ cell: Cell) -> SQLValue {
        switch cell {
        case .null: .null
        case .integer(let number): .integer(number)
        case .text(let begin, let count): .text(String(decoding: bytes[begin..<begin + count], as: UTF8.self))
        case .blob(let begin, let count): .blob(Array(bytes[begin..<begin + count]))
        }
    }

    // MARK: The next column of the row

    package mutating func add(_ number: Int64?) { add(cell: number.map(Cell.integer) ?? .null) }
    package mutating func add(_ number: Int) { add(Int64(number)) }
    package mutating func add(_ isTrue: Bool) { add(isTrue ? 1 : 0 as Int64) }
    package mutating func add(_ time: Instant?) { add(time?.microseconds) }
    package mutating func add(_ duration: Duration?) { add(duration?.microseconds) }

    package mutating func add(_ text: String?) {
        guard var text else { return add(cell: .null) }
        let begin = bytes.count
        text.withUTF8 { bytes.append(contentsOf: $0) }
        add(cell: .text(begin: begin, count: bytes.count - begin))
    }

    package mutating func add(_ blob: [UInt8]) {
        let begin = bytes.count
        bytes.append(contentsOf: blob)
        add(cell: .blob(begin: begin, count: blob.count))
    }

    /// A column has identifiers of one kind.
    package mutating func add<Kind>(_ id: ID<Kind>?) { add(id?.ulid, after: Kind.prefix) }

    /// What `keep` returned: a value that stands in several rows.
    package mutating func add(_ kept: Cell) { add(cell: kept) }

    private mutating func add(_ ulid: ULID?, after prefix: String) {
        guard let ulid else { return add(cell: .null) }
        if let last = recent[column], last.ulid == ulid { return add(cell: last.cell) }
        let cell = write(ulid, after: prefix)
        recent[column] = (ulid, cell)
        add(cell: cell)
    }

    // MARK: Values for later

    /// Writes an identifier for rows that are yet to come.
    package mutating func keep<Kind>(_ id: ID<Kind>?) -> Cell {
        guard let id else { return .null }
        return write(id.ulid, after: Kind.prefix)
    }

    private mutating func write(_ ulid: ULID, after prefix: String) -> Cell {
        let begin = bytes.count
        var prefix = prefix
        prefix.withUTF8 { prefix in
            let start = prefix.count + 1
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: start + ULID.length) { text in
                for place in prefix.indices { text[place] = prefix[place] }
                text[start - 1] = UInt8(ascii: "_")
                ulid.write(to: text, at: start)
                bytes.append(contentsOf: text)
            }
        }
        return .text(begin: begin, count: bytes.count - begin)
    }

    private mutating func add(cell: Cell) {
        cells.append(cell)
        column += 1
        if column == columns { column = 0 }
    }
}
