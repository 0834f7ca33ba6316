package import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Rows of values for a `RowsStatement`, each value once: texts and bytes stand in one piece of memory, from which an
/// engine binds them. So a batch needs no box for a value, and no list for a row.
package struct RowBlock: Sendable {
    /// A value; texts and bytes are stretches of `bytes`. In 16 bytes: a batch has tens of thousands.
    package enum Cell: Sendable, Hashable {
        case null
        case integer(Int64)
        case text(Stretch)
        case blob(Stretch)
    }

    package struct Stretch: Sendable, Hashable {
        private let first: UInt32
        private let length: UInt32

        fileprivate init(_ range: Range<Int>) {
            first = UInt32(range.lowerBound)
            length = UInt32(range.count)
        }

        package var begin: Int { Int(first) }
        package var count: Int { Int(length) }
        package var range: Range<Int> { begin..<begin + count }
    }

    package let columns: Int
    package private(set) var cells: [Cell] = []
    package private(set) var bytes: [UInt8] = []
    /// The last text of each column, where it stands, and which identifier it is: batches say the same again and again.
    private var recent: [(text: Stretch, ulid: ULID?)]
    private var column = 0

    /// - Parameters:
    ///   - rows: about as many as there will be.
    ///   - rowBytes: about as many bytes of texts and blobs as a row has that are not those of the row before.
    package init(columns: Int, rows: Int, rowBytes: Int? = nil) {
        self.columns = columns
        recent = Array(repeating: (Stretch(0..<0), nil), count: columns)
        cells.reserveCapacity(columns * rows)
        bytes.reserveCapacity(rows * (rowBytes ?? columns * 6) + 512)
    }

    package var count: Int { cells.count / columns }

    /// The value as it is told to who takes no block.
    package func value(_ cell: Cell) -> SQLValue {
        switch cell {
        case .null: .null
        case .integer(let number): .integer(number)
        case .text(let stretch): .text(String(decoding: bytes[stretch.range], as: UTF8.self))
        case .blob(let stretch): .blob(Array(bytes[stretch.range]))
        }
    }

    // MARK: The next column of the row

    package mutating func add(_ number: Int64?) { add(cell: number.map(Cell.integer) ?? .null) }
    package mutating func add(_ number: Int) { add(Int64(number)) }
    package mutating func add(_ isTrue: Bool) { add(isTrue ? 1 : 0 as Int64) }
    package mutating func add(_ time: Instant?) { add(time?.microseconds) }
    package mutating func add(_ duration: Duration?) { add(duration?.microseconds) }

    package mutating func add(_ text: String?) {
        guard var text else { return addNull() }
        text.withUTF8 { text in
            let last = recent[column].text
            if holds(text, at: last) { return add(cell: .text(last)) }
            let begin = bytes.count
            bytes.append(contentsOf: text)
            add(new: Stretch(begin..<bytes.count), nil)
        }
    }

    package mutating func add(_ blob: [UInt8]) {
        let begin = bytes.count
        bytes.append(contentsOf: blob)
        add(cell: .blob(Stretch(begin..<bytes.count)))
    }

    /// A column has identifiers of one kind.
    package mutating func add<Kind>(_ id: ID<Kind>?) { add(id?.ulid, after: Kind.prefix) }

    /// What `keep` returned: a value that stands in several rows.
    package mutating func add(_ kept: Cell) { add(cell: kept) }

    package mutating func addNull() { add(cell: .null) }

    private mutating func add(_ ulid: ULID?, after prefix: String) {
        guard let ulid else { return addNull() }
        if let last = recent[column].ulid, last.low == ulid.low, last.high == ulid.high {
            return add(cell: .text(recent[column].text))
        }
        add(new: write(ulid, after: prefix), ulid)
    }

    private mutating func add(new text: Stretch, _ ulid: ULID?) {
        recent[column] = (text, ulid)
        add(cell: .text(text))
    }

    // MARK: Values for later

    /// Writes an identifier for rows that are yet to come.
    package mutating func keep<Kind>(_ id: ID<Kind>?) -> Cell {
        guard let id else { return .null }
        return .text(write(id.ulid, after: Kind.prefix))
    }

    private mutating func write(_ ulid: ULID, after prefix: String) -> Stretch {
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
        return Stretch(begin..<bytes.count)
    }

    private func holds(_ text: UnsafeBufferPointer<UInt8>, at stretch: Stretch) -> Bool {
        guard stretch.count == text.count else { return false }
        return bytes.withUnsafeBytes { bytes in
            guard let held = bytes.baseAddress, let sought = text.baseAddress else { return text.isEmpty }
            return memcmp(held + stretch.begin, sought, text.count) == 0
        }
    }

    // MARK: For an engine

    /// The values of a range that are not, as is seen without reading them, those that stand so far before them; all
    /// for nil.
    package func forEachNew(
        in range: Range<Int>, after distance: Int?, _ body: (_ place: Int, _ cell: Cell) throws -> Void
    ) rethrows {
        precondition(range.lowerBound >= (distance ?? 0) && range.upperBound <= cells.count)
        try cells.withUnsafeBufferPointer { cells in
            for place in range {
                if let distance, cells[place] == cells[place - distance] { continue }
                try body(place, cells[place])
            }
        }
    }

    private mutating func add(cell: Cell) {
        cells.append(cell)
        column += 1
        if column == columns { column = 0 }
    }
}
