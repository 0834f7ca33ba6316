package import Database
package import Kernel
package import Tenancy

/// The feed of revocations as rows.
package struct DatabaseRevocationStore: RevocationStore {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func head() async throws -> Int64 {
        try await database.fetching(.system) { tx in try Self.head(tx) }
    }

    package func after(_ sequence: Int64, limit: Int) async throws -> [Revocation]? {
        try await database.fetching(.system) { tx in
            let head = try Self.head(tx)
            if sequence == head { return [] }
            // A node that is ahead of the database has known another one: a copy from before was put back.
            if sequence > head { return nil }
            let rows = try tx.rows(
                "SELECT sequence, kind, subject FROM revocation WHERE sequence > $1 ORDER BY sequence LIMIT $2",
                [sequence, limit])
            let found = try rows.map(Revocation.init(row:))
            let isWhole = found.enumerated().allSatisfy { $0.element.sequence == sequence + 1 + Int64($0.offset) }
            return isWhole && (limit < 1 || !found.isEmpty) ? found : nil
        }
    }

    package func prune(before time: Instant) async throws {
        try await database.storing(.system) { tx in
            try tx.run("DELETE FROM revocation WHERE written < $1", [time])
        }
    }

    private static func head(_ tx: any Tx) throws -> Int64 {
        guard let row = try tx.row("SELECT last FROM revocation_counter") else {
            throw DatabaseFailure.corrupt("the counter of revocations is gone")
        }
        return try row.value("last")
    }
}

extension Tx {
    /// Adds to the feed, as part of the change that takes something away.
    /// - Parameter tenant: whose the subject is; nil for what belongs to the platform, which only the system writes.
    func revoke(_ subject: Revocation.Subject, of tenant: TenantID?) throws(DatabaseFailure) {
        guard let number = try row(dialect.draw(from: "revocation")) else {
            throw .corrupt("the counter of revocations is gone")
        }
        try run(
            "INSERT INTO revocation (sequence, kind, subject, tenant_id, written) VALUES ($1, $2, $3, $4, $5)",
            [try number.value("number", as: Int64.self), subject.kind, subject.text, tenant, now])
    }
}

extension Revocation.Subject {
    fileprivate var kind: String {
        switch self {
        case .key: "key"
        case .workspace: "workspace"
        case .tenant: "tenant"
        case .user: "user"
        case .session: "session"
        case .providers: "providers"
        }
    }

    fileprivate var text: String {
        switch self {
        case .key(let id): id.description
        case .workspace(let id): id.description
        case .tenant(let id): id.description
        case .user(let id): id.description
        case .session(let id): id.description
        case .providers: ""
        }
    }
}

extension Revocation {
    fileprivate init(row: Row) throws {
        let kind: String = try row.value("kind")
        let subject: Subject =
            switch kind {
            case "key": .key(try row.value("subject"))
            case "workspace": .workspace(try row.value("subject"))
            case "tenant": .tenant(try row.value("subject"))
            case "user": .user(try row.value("subject"))
            case "session": .session(try row.value("subject"))
            case "providers": .providers
            default: throw DatabaseFailure.corrupt("a revocation of an unknown kind")
            }
        self.init(sequence: try row.value("sequence"), subject: subject)
    }
}
