import Database
import Foundation
import GRDB
import Kernel

/// A transaction on one of GRDB's connections.
final class SQLiteTx: Tx {
    let now: Instant
    let dialect: Dialect
    private let db: Connection

    init(_ db: Connection, now: Instant, dialect: Dialect) {
        self.db = db
        self.now = now
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
        let statement = try db.cachedStatement(sql: sql)
        var named: [String: DatabaseValue] = [:]
        for (index, argument) in arguments.enumerated() {
            named[String(index + 1)] = DatabaseValue(argument.sqlValue)
        }
        try statement.setArguments(StatementArguments(named))
        return statement
    }

    private func translating<T>(_ work: () throws -> T) throws(DatabaseFailure) -> T {
        do {
            return try work()
        } catch let error as DatabaseError {
            throw error.failure
        } catch let failure as DatabaseFailure {
            throw failure
        } catch {
            throw .statement("\(error)")
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
