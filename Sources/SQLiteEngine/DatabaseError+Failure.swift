import Database
import GRDB

/// GRDB's connection. The plain name would be mistaken for our port.
typealias Connection = GRDB.Database

extension DatabaseError {
    /// What SQLite's result code means to a caller. Arguments of statements are never part of it.
    var failure: DatabaseFailure {
        let words = "\(extendedResultCode): \(message ?? "no message")"
        switch resultCode {
        case .SQLITE_CONSTRAINT: return .constraint(constraint, detail: words)
        case .SQLITE_FULL: return .full
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: return .corrupt(words)
        case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_NOMEM,
            .SQLITE_PROTOCOL, .SQLITE_INTERRUPT, .SQLITE_ABORT, .SQLITE_READONLY:
            return .unavailable(words)
        default: return .statement(words)
        }
    }

    /// A disk that fails while COMMIT syncs may have taken the transaction all the same.
    var commitFailure: DatabaseFailure {
        resultCode == .SQLITE_IOERR
            ? .commitUnknown("\(extendedResultCode): \(message ?? "no message")") : failure
    }

    private var constraint: DatabaseFailure.Constraint {
        switch extendedResultCode {
        case .SQLITE_CONSTRAINT_UNIQUE, .SQLITE_CONSTRAINT_PRIMARYKEY, .SQLITE_CONSTRAINT_ROWID: .unique
        case .SQLITE_CONSTRAINT_FOREIGNKEY: .foreignKey
        case .SQLITE_CONSTRAINT_NOTNULL: .notNull
        case .SQLITE_CONSTRAINT_CHECK: .check
        default: .other
        }
    }
}

extension DatabaseFailure {
    /// Whether an operator should look, also when no caller complains.
    var isAlarming: Bool {
        switch self {
        case .unavailable, .full, .corrupt, .commitUnknown, .statement: true
        case .constraint, .overloaded, .closed: false
        }
    }
}
