package import Database
package import Kernel
package import Tenancy

/// The audit log as rows: a chain for each tenant, in that tenant's scope, and one for the platform.
package struct DatabaseAuditStore: AuditStore {
    private let database: any Database
    private let audit: AuditLog

    package init(_ database: any Database, sealing sealer: any AuditSealer) {
        self.database = database
        audit = AuditLog(sealer)
    }

    private func scope(of tenant: TenantID?) -> Scope { tenant.map { .tenant($0) } ?? .system }

    package func append(_ entry: AuditEntry) async throws {
        try await database.storing(scope(of: entry.tenant)) { tx in try audit.append(entry, tx) }
    }

    package func list(of tenant: TenantID?, page: PageRequest) async throws -> Page<AuditEvent> {
        guard let before = page.after.map({ Int64($0) }) ?? .max else {
            throw Problem(
                .validationError, "`after` is not the number of an event.", parameter: "after",
                hint: "Use the `last_id` of the page before.")
        }
        let rows = try await database.fetching(scope(of: tenant)) { tx in
            try tx.rows(
                "SELECT * FROM audit_event WHERE chain = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3",
                [AuditLog.chain(of: tenant), before, page.limit + 1]
            ).map { AuditEvent(row: $0, of: tenant) }
        }
        return Page(rows: rows, limit: page.limit) { String($0.sequence) }
    }

    package func events(of tenant: TenantID?, after sequence: Int64, limit: Int) async throws -> [AuditEvent] {
        try await database.fetching(scope(of: tenant)) { tx in
            try tx.rows(
                "SELECT * FROM audit_event WHERE chain = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
                [AuditLog.chain(of: tenant), sequence, limit]
            ).map { AuditEvent(row: $0, of: tenant) }
        }
    }

    /// Without rows that name no chain: somebody else's work, which must not keep the others from being verified.
    package func heads(changedAfter time: Instant?) async throws -> [AuditHead] {
        let since = time ?? Instant(microseconds: .min)
        return try await database.fetching(.system) { tx in
            try tx.rows("SELECT chain, sequence, seal FROM audit_head WHERE changed > $1 ORDER BY chain", [since])
                .compactMap { try? AuditHead(row: $0) }
        }
    }
}

extension AuditHead {
    fileprivate init(row: Row) throws {
        let chain: String = try row.value("chain")
        let tenant: TenantID? = chain == AuditLog.platform ? nil : try row.value("chain")
        self.init(
            tenant: tenant, sequence: try row.value("sequence"), seal: try row.value("seal", as: Bytes.self).bytes)
    }
}
