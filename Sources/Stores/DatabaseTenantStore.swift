package import Database
package import Kernel
package import Tenancy

/// Tenants as rows. They belong to the platform: whoever asks for one has been allowed to.
package struct DatabaseTenantStore: TenantStore {
    private let database: any Database
    private let audit: AuditLog

    package init(_ database: any Database, sealing sealer: any AuditSealer) {
        self.database = database
        audit = AuditLog(sealer)
    }

    package func insert(_ tenant: Tenant, audit entry: AuditEntry) async throws {
        try await database.storing(.system) { tx in
            let isNew = try tx.run(
                """
                INSERT INTO tenant (id, name, suspended, deleted, purge, created) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (id) DO NOTHING
                """,
                [tenant.id, tenant.name] + tenant.standing.columns + [tenant.created])
            if isNew == 1 { try audit.append(entry, tx) }
        }
    }

    package func find(_ id: TenantID) async throws -> Tenant? {
        try await database.fetching(.system) { tx in try Self.tenant(id, tx) }
    }

    private static func tenant(_ id: TenantID, _ tx: any Tx) throws -> Tenant? {
        try tx.row("SELECT * FROM tenant WHERE id = $1 AND purged IS NULL", [id]).map(Tenant.init(row:))
    }

    package func find(named name: String) async throws -> Tenant? {
        try await database.fetching(.system) { tx in
            try tx.row("SELECT * FROM tenant WHERE name = $1 AND purged IS NULL", [name]).map(Tenant.init(row:))
        }
    }

    package func list(page: PageRequest) async throws -> Page<Tenant> {
        let cursor = try page.cursor(TenantKind.self)
        let rows = try await database.fetching(.system) { tx in
            try tx.rows(
                "SELECT * FROM tenant WHERE id < $1 AND purged IS NULL ORDER BY id DESC LIMIT $2",
                [cursor, page.limit + 1]
            ).map(Tenant.init(row:))
        }
        return Page(rows: rows, limit: page.limit) { $0.id.description }
    }

    package func change(_ id: TenantID, _ change: DirectoryChange, audit entry: AuditEntry) async throws -> Tenant? {
        try await database.storing(.system) { tx in
            guard let before = try Self.tenant(id, tx) else { return nil }
            let after = Tenant(
                id: id, name: change.name ?? before.name, standing: change.standing ?? before.standing,
                created: before.created)
            if after == before { return before }
            try tx.run(
                "UPDATE tenant SET name = $2, suspended = $3, deleted = $4, purge = $5 WHERE id = $1",
                [id, after.name] + after.standing.columns)
            if after.standing.changesCredentials(from: before.standing) { try tx.revoke(.tenant(id), of: id) }
            try audit.append(entry, tx)
            return after
        }
    }
}

extension Tenant {
    fileprivate init(row: Row) throws {
        self.init(
            id: try row.value("id"), name: try row.value("name"), standing: try Standing(row: row),
            created: try row.value("created"))
    }
}
