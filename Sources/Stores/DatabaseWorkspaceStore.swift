package import Database
package import Kernel
package import Tenancy

/// Tenants and workspaces as rows.
package struct DatabaseWorkspaceStore: WorkspaceStore {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func ensure(tenant: String, workspace: String, ids: IDSource, now: Instant) async throws -> Workspace {
        let newTenant = ids.next(TenantKind.self)
        let newWorkspace = ids.next(WorkspaceKind.self)
        return try await database.storing(.system) { tx in
            try tx.run(
                "INSERT INTO tenant (id, name, created) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
                [newTenant, tenant, now])
            let tenantID: TenantID = try tx.expect("SELECT id FROM tenant WHERE name = $1", [tenant])
            try tx.run(
                """
                INSERT INTO workspace (id, tenant_id, name, created) VALUES ($1, $2, $3, $4)
                ON CONFLICT (tenant_id, name) DO NOTHING
                """,
                [newWorkspace, tenantID, workspace, now])
            let id: WorkspaceID = try tx.expect(
                "SELECT id FROM workspace WHERE tenant_id = $1 AND name = $2", [tenantID, workspace])
            return Workspace(id: id, tenant: tenantID, name: workspace)
        }
    }
}

extension Tx {
    /// The identifier in a row that this transaction has just made sure of.
    fileprivate func expect<Kind: IDKind>(
        _ sql: String, _ arguments: [any SQLRepresentable]
    ) throws(DatabaseFailure) -> ID<Kind> {
        guard let row = try row(sql, arguments) else { throw .corrupt("a row vanished inside its transaction") }
        return try row.value("id")
    }
}
