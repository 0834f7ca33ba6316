package import Kernel

/// Why the database did not do what it was asked. The words in it are for the log: `problem` holds none of them.
package enum DatabaseFailure: Error, Sendable, Equatable {
    /// A row breaks a rule of the schema. Often expected: the caller decides what it means.
    case constraint(Constraint, detail: String)
    /// As many transactions wait as may wait.
    case overloaded
    /// Cannot be reached, is locked for too long, or its disk fails.
    case unavailable(String)
    /// The disk is full.
    case full
    /// The file or a value in it is damaged.
    case corrupt(String)
    /// The connection was lost, or the disk failed, at COMMIT: only the caller's own identifier tells whether the
    /// transaction took place.
    case commitUnknown(String)
    /// The database was closed.
    case closed
    /// The statement is wrong: a bug of ours.
    case statement(String)

    package enum Constraint: Sendable, Equatable { case unique, foreignKey, notNull, check, other }

    /// Whether a row with the same key is there already.
    package var isDuplicate: Bool {
        guard case .constraint(.unique, _) = self else { return false }
        return true
    }

    /// The one mapping to what a caller may see.
    package var problem: Problem {
        switch self {
        case .constraint(.unique, _): Problem(.alreadyExists)
        case .constraint, .statement: Problem(.internalError)
        case .overloaded: Problem(.overloaded, retryAfter: 1)
        case .unavailable, .closed: Problem(.storageUnavailable, retryAfter: 1)
        case .commitUnknown:
            Problem(
                .storageUnavailable, "The database broke off while it saved, so it is not known whether it did.",
                hint: "Look whether the change is there before you repeat it.", retryAfter: 1)
        case .full: Problem(.storageFull)
        case .corrupt:
            Problem(
                .storageUnavailable, "The database is damaged.",
                hint: "Stop the platform, keep a copy of the data folder, and run `volery doctor`.")
        }
    }
}
