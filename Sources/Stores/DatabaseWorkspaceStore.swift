package import Database
package import Kernel
package import Tenancy

/// Workspaces as rows, in the scope of their tenant.
package struct DatabaseWorkspaceStore: WorkspaceStore {
    let database: any Database
    let audit: AuditLog

    package init(_ database: any Database, sealing sealer: any AuditSealer) {
        self.database = database
        audit = AuditLog(sealer)
    }

    package func ensure(tenant: String, workspace: String, ids: IDSource, now: Instant) async throws -> Workspace {
        let newTenant = ids.next(TenantKind.self)
        let newWorkspace = ids.next(WorkspaceKind.self)
        return try await database.storing(.system) { tx in
            try tx.run(
                "INSERT INTO tenant (id, name, created) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
                [newTenant, tenant, now])
            guard let row = try tx.row("SELECT id FROM tenant WHERE name = $1", [tenant]) else { throw Self.vanished }
            let tenantID: TenantID = try row.value("id")
            try tx.run(
                """
                INSERT INTO workspace (id, tenant_id, name, created) VALUES ($1, $2, $3, $4)
                ON CONFLICT (tenant_id, name) DO NOTHING
                """,
                [newWorkspace, tenantID, workspace, now])
            guard
                let row = try tx.row(
                    "SELECT * FROM workspace WHERE tenant_id = $1 AND name = $2", [tenantID, workspace])
            else { throw Self.vanished }
            return try Workspace(row: row)
        }
    }

    private static let vanished = DatabaseFailure.corrupt("a row vanished inside its transaction")

    package func insert(_ workspace: Workspace, audit entry: AuditEntry) async throws {
        try await database.storing(.tenant(workspace.tenant)) { tx in
            let isNew = try tx.run(
                """
                INSERT INTO workspace (id, tenant_id, name, suspended, deleted, purge, created)
                VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING
                """,
                [workspace.id, workspace.tenant, workspace.name] + workspace.standing.columns + [workspace.created])
            if isNew == 1 { try audit.append(entry, to: workspace.tenant, tx) }
        }
    }

    package func find(_ id: WorkspaceID) async throws -> Workspace? {
        try await database.fetching(.system) { tx in
            try tx.row("SELECT * FROM workspace WHERE id = $1 AND purged IS NULL", [id]).map(Workspace.init(row:))
        }
    }

    package func find(_ id: WorkspaceID, in tenant: TenantID) async throws -> Workspace? {
        try await database.fetching(.tenant(tenant)) { tx in try Self.workspace(id, in: tenant, tx) }
    }

    private static func workspace(_ id: WorkspaceID, in tenant: TenantID, _ tx: any Tx) throws -> Workspace? {
        try tx.row("SELECT * FROM workspace WHERE id = $1 AND tenant_id = $2 AND purged IS NULL", [id, tenant])
            .map(Workspace.init(row:))
    }

    package func find(named name: String, in tenant: TenantID) async throws -> Workspace? {
        try await database.fetching(.tenant(tenant)) { tx in
            try tx.row(
                "SELECT * FROM workspace WHERE tenant_id = $1 AND name = $2 AND purged IS NULL", [tenant, name]
            ).map(Workspace.init(row:))
        }
    }

    package func list(in tenant: TenantID, page: PageRequest) async throws -> Page<Workspace> {
        let cursor = try page.cursor(WorkspaceKind.self)
        let rows = try await database.fetching(.tenant(tenant)) { tx in
            try tx.rows(
                """
                SELECT * FROM workspace WHERE tenant_id = $1 AND id < $2 AND purged IS NULL ORDER BY id DESC LIMIT $3
                """,
                [tenant, cursor, page.limit + 1]
            ).map(Workspace.init(row:))
        }
        return Page(rows: rows, limit: page.limit) { $0.id.description }
    }

    package func change(
        _ id: WorkspaceID, in tenant: TenantID, _ change: DirectoryChange, audit entry: AuditEntry
    ) async throws -> Workspace? {
        try await database.storing(.tenant(tenant)) { tx in
            guard let before = try Self.workspace(id, in: tenant, tx) else { return nil }
            let after = Workspace(
                id: id, tenant: tenant, name: change.name ?? before.name, standing: change.standing ?? before.standing,
                created: before.created)
            if after == before { return before }
            try tx.run(
                """
                UPDATE workspace SET name = $3, suspended = $4, deleted = $5, purge = $6
                WHERE id = $1 AND tenant_id = $2
                """,
                [id, tenant, after.name] + after.standing.columns)
            if after.standing.changesCredentials(from: before.standing) { try tx.revoke(.workspace(id), of: tenant) }
            try audit.append(entry, to: tenant, tx)
            return after
        }
    }
}

extension Workspace {
    init(row: Row) throws {
        self.init(
            id: try row.value("id"), tenant: try row.value("tenant_id"), name: try row.value("name"),
            standing: try Standing(row: row), created: try row.value("created"))
    }
}
