import Database
import Kernel
import Tenancy

extension Standing {
    /// - Parameter prefix: before the names of the three columns.
    init(row: Row, prefix: String = "") throws {
        let deleted: Instant? = try row.value(prefix + "deleted")
        let suspended: Instant? = try row.value(prefix + "suspended")
        if let deleted {
            guard let purge: Instant = try row.value(prefix + "purge", as: Instant?.self) else {
                throw DatabaseFailure.corrupt("what is deleted has no time to go")
            }
            self = .deleted(since: deleted, purge: purge, suspended: suspended)
        } else {
            self = suspended.map { .suspended(since: $0) } ?? .active
        }
    }

    /// For the columns `suspended`, `deleted` and `purge`.
    var columns: [any SQLRepresentable] {
        switch self {
        case .active: [Instant?.none, Instant?.none, Instant?.none]
        case .suspended(let since): [since, Instant?.none, Instant?.none]
        case .deleted(let since, let purge, let suspended): [suspended, since, purge]
        }
    }

    /// Whether credentials that worked with `before` do not with this, or those that were refused do.
    func changesCredentials(from before: Standing) -> Bool { before.isActive != isActive }
}
