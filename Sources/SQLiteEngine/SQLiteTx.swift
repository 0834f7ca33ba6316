import Database
import Foundation
import GRDB
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
        try translating {
            let before = db.totalChangesCount
            try prepared(sql, arguments).execute()
            // A statement that changes nothing leaves SQLite's own count at that of the one before.
            return db.totalChangesCount == before ? 0 : db.changesCount
        }
    }

    func rows(_ sql: String, _ arguments: [any SQLRepresentable]) throws(DatabaseFailure) -> [ResultRow] {
        try translating {
            let statement = try prepared(sql, arguments)
            let columns = statement.columnNames
            let cursor = try GRDB.Row.fetchCursor(statement)
            var rows: [ResultRow] = []
            while let row = try cursor.next() {
                let values = row.map { _, value in SQLValue(value.storage) }
                rows.append(ResultRow(columns: columns, values: Array(values)))
            }
            return rows
        }
    }

    /// SQLite takes `$1` for a named parameter and numbers the names by their first appearance, so they are bound by
    /// name.
    private func prepared(_ sql: String, _ arguments: [any SQLRepresentable]) throws -> Statement {
        try watch.check()
        guard !Self.endsTransactions(sql) else {
            throw DatabaseFailure.statement("a body does not end its transaction")
        }
        let statement = try db.cachedStatement(sql: sql)
        var named: [String: DatabaseValue] = [:]
        for (index, argument) in arguments.enumerated() {
            named[String(index + 1)] = DatabaseValue(argument.sqlValue)
        }
        try statement.setArguments(StatementArguments(named))
        return statement
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

extension DatabaseValue {
    fileprivate init(_ value: SQLValue) {
        switch value {
        case .null: self = .null
        case .integer(let number): self = number.databaseValue
        case .real(let number): self = number.databaseValue
        case .text(let text): self = text.databaseValue
        case .blob(let bytes): self = Data(bytes).databaseValue
        }
    }
}

extension SQLValue {
    fileprivate init(_ storage: DatabaseValue.Storage) {
        switch storage {
        case .null: self = .null
        case .int64(let number): self = .integer(number)
        case .double(let number): self = .real(number)
        case .string(let text): self = .text(text)
        case .blob(let data): self = .blob([UInt8](data))
        }
    }
}
