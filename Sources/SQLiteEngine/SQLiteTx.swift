import Database
import GRDB
import GRDBSQLite
import Kernel

/// A transaction on one of GRDB's connections.
final class SQLiteTx: Tx {
    let now: Instant
    let dialect: Dialect
    /// Of the first statement that failed. The transaction may be gone with it, and what came after it would be one of
    /// its own: there is nothing after it.
    private(set) var failure: DatabaseFailure?
    private let db: Connection
    private let watch: StatementWatch

    init(_ db: Connection, watch: StatementWatch, dialect: Dialect) {
        self.db = db
        self.watch = watch
        now = watch.now
        self.dialect = dialect
    }

    func run(_ sql: String, _ arguments: [any SQLRepresentable]) throws(DatabaseFailure) -> Int {
        try translating { try changes { try prepared(sql, arguments) { statement in try statement.execute() } } }
    }

    func run(_ statement: RowsStatement, _ rows: RowBlock) throws(DatabaseFailure) -> Int {
        try translating {
            var changed = 0
            var place = 0
            for (text, times) in statement.runs(of: rows.count) {
                let cells = place..<place + text.length * times * rows.columns
                place = cells.upperBound
                changed += try run(text, times, rows, cells)
            }
            return changed
        }
    }

    /// Runs one statement as often as its rows take. What one run has in common with the one before stays bound: most
    /// of what a batch says.
    private func run(
        _ text: RowsStatement.Text, _ times: Int, _ rows: RowBlock, _ cells: Range<Int>
    ) throws -> Int {
        let width = cells.count / times
        let (statement, _) = try prepared(text.sql, count: width)
        let handle = statement.sqliteStatement
        return try rows.bytes.withUnsafeBytes { bytes in
            defer { sqlite3_clear_bindings(handle) }
            // Never nil, which SQLite takes for null.
            let base = bytes.baseAddress ?? UnsafeRawPointer(handle)
            var changed = 0
            for begin in stride(from: cells.lowerBound, to: cells.upperBound, by: width) {
                if begin > cells.lowerBound {
                    try watch.check()
                    sqlite3_reset(handle)
                }
                try rows.bind(begin..<begin + width, isFirst: begin == cells.lowerBound, to: handle, from: base)
                changed += try changes { try statement.execute() }
            }
            return changed
        }
    }

    private func changes(_ work: () throws -> Void) rethrows -> Int {
        let before = db.totalChangesCount
        try work()
        // A statement that changes nothing leaves SQLite's own count at that of the one before.
        return db.totalChangesCount == before ? 0 : db.changesCount
    }

    func rows(_ sql: String, _ arguments: [any SQLRepresentable]) throws(DatabaseFailure) -> [ResultRow] {
        try translating {
            try prepared(sql, arguments) { statement in
                let columns = statement.columnNames
                let cursor = try GRDB.Row.fetchCursor(statement)
                var rows: [ResultRow] = []
                // Read where they stand: GRDB's row would name every value.
                while try cursor.next() != nil {
                    let values = columns.indices.map { SQLValue(statement.sqliteStatement, CInt($0)) }
                    rows.append(ResultRow(columns: columns, values: values))
                }
                return rows
            }
        }
    }

    /// What GRDB is told of a statement whose parameters stand in order. It is never bound.
    private static let inOrder: StatementArguments = ["in order"]

    /// The values are there while `body` runs.
    private func prepared<T>(
        _ sql: String, _ arguments: [any SQLRepresentable], _ body: (Statement) throws -> T
    ) throws -> T {
        let (statement, order) = try prepared(sql, count: arguments.count)
        let values =
            if let order {
                order.map { arguments[$0 - 1].sqlValue }
            } else {
                arguments.prefix(Int(sqlite3_bind_parameter_count(statement.sqliteStatement))).map { $0.sqlValue }
            }
        return try binding(values, to: statement.sqliteStatement) { try body(statement) }
    }

    /// SQLite takes `$1` for a named parameter and numbers the names by their first appearance. Values are bound by
    /// that number, and past GRDB, whose arguments cost more than many a statement.
    /// - Parameter count: of the arguments that there are.
    /// - Returns: the order of its arguments too, where that is not 1, 2, 3 …
    private func prepared(_ sql: String, count: Int) throws -> (Statement, order: [Int]?) {
        try watch.check()
        guard !Self.endsTransactions(sql) else {
            throw DatabaseFailure.statement("a body does not end its transaction")
        }
        let statement = try db.cachedStatement(sql: sql)
        var order: [Int]?
        if statement.arguments.isEmpty {
            let found = Self.order(of: sql)
            let isPlain = found.elementsEqual(1..<found.count + 1)
            // For GRDB it has its arguments, and they are none of those of before.
            statement.setUncheckedArguments(isPlain ? Self.inOrder : StatementArguments())
            order = isPlain ? nil : found
        } else {
            sqlite3_reset(statement.sqliteStatement)
        }
        let needed = order?.max() ?? Int(sqlite3_bind_parameter_count(statement.sqliteStatement))
        guard needed <= count else { throw DatabaseFailure.statement("the argument $\(count + 1) is missing") }
        return (statement, order)
    }

    /// All texts and blobs stand in one block of memory while `body` runs: SQLite's own copies cost more than twice as
    /// much.
    private func binding<T>(_ values: [SQLValue], to statement: OpaquePointer, _ body: () throws -> T) throws -> T {
        let bytes = values.reduce(0) { $0 + $1.byteCount }
        return try withUnsafeTemporaryAllocation(byteCount: max(bytes, 1), alignment: 1) { block in
            defer { sqlite3_clear_bindings(statement) }
            var free = block
            for (place, value) in values.enumerated() {
                let code = value.bind(to: statement, at: CInt(place + 1), keptIn: &free)
                guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
            }
            return try body()
        }
    }

    /// The numbers of the statement's parameters in the order in which they appear first.
    private static func order(of sql: String) -> [Int] {
        var sql = sql
        return sql.withUTF8 { text in
            var order: [Int] = []
            // As long as it is 1, 2, 3 …, what is there need not be looked for.
            var isPlain = true
            var isQuoted = false
            var place = 0
            while place < text.count {
                let byte = text[place]
                place += 1
                if byte == UInt8(ascii: "'") { isQuoted.toggle() }
                guard byte == UInt8(ascii: "$"), !isQuoted else { continue }
                var number = 0
                while place < text.count, case let digit = text[place] &- UInt8(ascii: "0"), digit < 10 {
                    number = number * 10 + Int(digit)
                    place += 1
                }
                if number == 0 || isPlain && number <= order.count { continue }
                isPlain = isPlain && number == order.count + 1
                if isPlain || !order.contains(number) { order.append(number) }
            }
            return order
        }
    }

    /// A body that committed would commit its neighbours too, before they are told so.
    private static func endsTransactions(_ sql: String) -> Bool {
        switch sql.utf8.first {
        case UInt8(ascii: "S"), UInt8(ascii: "I"), UInt8(ascii: "U"), UInt8(ascii: "W"), UInt8(ascii: "D"):
            return sql.utf8.starts(with: "SAVEPOINT".utf8)
        default:
            let word = sql.drop { !$0.isLetter }.prefix { $0.isLetter }.uppercased()
            return ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"].contains(word)
        }
    }

    private func translating<T>(_ work: () throws -> T) throws(DatabaseFailure) -> T {
        if let failure { throw failure }
        do {
            return try work()
        } catch {
            let failure = (error as? DatabaseError)?.failure ?? (error as? DatabaseFailure) ?? .statement("\(error)")
            self.failure = failure
            throw failure
        }
    }
}

extension RowBlock {
    /// Binds cells where they stand.
    /// - Parameters:
    ///   - isFirst: whether nothing is bound yet. Else it is what stands as many cells before.
    ///   - base: of `bytes`, which outlive the binding.
    fileprivate func bind(
        _ range: Range<Int>, isFirst: Bool, to statement: OpaquePointer, from base: UnsafeRawPointer
    ) throws {
        try forEachNew(in: range, after: isFirst ? nil : range.count) { place, cell in
            let code = cell.bind(to: statement, at: CInt(place - range.lowerBound + 1), from: base)
            guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
        }
    }
}

extension RowBlock.Cell {
    fileprivate func bind(to statement: OpaquePointer, at place: CInt, from base: UnsafeRawPointer) -> CInt {
        switch self {
        case .null: sqlite3_bind_null(statement, place)
        case .integer(let number): sqlite3_bind_int64(statement, place, number)
        case .text(let stretch):
            sqlite3_bind_text(
                statement, place, (base + stretch.begin).assumingMemoryBound(to: CChar.self), CInt(stretch.count), nil)
        case .blob(let stretch):
            sqlite3_bind_blob(statement, place, base + stretch.begin, CInt(stretch.count), nil)
        }
    }
}

extension SQLValue {
    /// How much memory `bind` needs.
    fileprivate var byteCount: Int {
        switch self {
        case .null, .integer, .real: 0
        case .text(let text): text.utf8.count
        case .blob(let bytes): bytes.count
        }
    }

    /// - Parameter free: loses what is taken of it. It outlives the binding.
    fileprivate func bind(
        to statement: OpaquePointer, at place: CInt, keptIn free: inout UnsafeMutableRawBufferPointer
    ) -> CInt {
        switch self {
        case .null: return sqlite3_bind_null(statement, place)
        case .integer(let number): return sqlite3_bind_int64(statement, place, number)
        case .real(let number): return sqlite3_bind_double(statement, place, number)
        case .text(var text):
            let kept = text.withUTF8 { Self.keep(UnsafeRawBufferPointer($0), in: &free) }
            return sqlite3_bind_text(
                statement, place, kept?.assumingMemoryBound(to: CChar.self), CInt(text.utf8.count), nil)
        case .blob(let bytes):
            let kept = bytes.withUnsafeBytes { Self.keep($0, in: &free) }
            return sqlite3_bind_blob(statement, place, kept, CInt(bytes.count), nil)
        }
    }

    /// - Returns: where they are now; never nil, which SQLite takes for null.
    private static func keep(
        _ bytes: UnsafeRawBufferPointer, in free: inout UnsafeMutableRawBufferPointer
    ) -> UnsafeRawPointer? {
        let kept = UnsafeMutableRawBufferPointer(rebasing: free[..<bytes.count])
        kept.copyMemory(from: bytes)
        free = UnsafeMutableRawBufferPointer(rebasing: free[bytes.count...])
        return UnsafeRawPointer(kept.baseAddress)
    }

    /// - Parameter column: of the row on which the statement stands.
    fileprivate init(_ statement: OpaquePointer, _ column: CInt) {
        switch sqlite3_column_type(statement, column) {
        case SQLITE_INTEGER: self = .integer(sqlite3_column_int64(statement, column))
        case SQLITE_FLOAT: self = .real(sqlite3_column_double(statement, column))
        case SQLITE_TEXT:
            let text = sqlite3_column_text(statement, column)
            let count = text == nil ? 0 : Int(sqlite3_column_bytes(statement, column))
            self = .text(String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self))
        case SQLITE_BLOB:
            let bytes = sqlite3_column_blob(statement, column)
            let count = Int(sqlite3_column_bytes(statement, column))
            self = .blob([UInt8](UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : count)))
        default: self = .null
        }
    }
}
