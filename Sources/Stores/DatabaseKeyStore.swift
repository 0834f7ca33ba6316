package import Database
package import Kernel
package import Tenancy

/// API keys as rows.
package struct DatabaseKeyStore: KeyStore {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func insert(_ key: APIKey) async throws {
        try await database.storing(.workspace(key.workspace)) { tx in try Self.insert(key, tx) }
    }

    package func insertFirst(_ key: APIKey) async throws -> Bool {
        try await database.storing(.workspace(key.workspace)) { tx in
            guard try Self.countUsable(in: key.workspace, at: key.created, tx) == 0 else { return false }
            try Self.insert(key, tx)
            return true
        }
    }

    private static func insert(_ key: APIKey, _ tx: any Tx) throws(DatabaseFailure) {
        try tx.run(
            """
            INSERT INTO api_key (id, tenant_id, workspace_id, name, prefix, hash, created, expires, revoked)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING
            """,
            [
                key.id, key.tenant, key.workspace, key.name, key.prefix, key.hash, key.created, key.expires,
                key.revoked,
            ])
    }

    package func find(prefix: String) async throws -> APIKey? {
        try await database.fetching(.system) { tx in
            try tx.row("SELECT * FROM api_key WHERE prefix = $1", [prefix]).map(APIKey.init(row:))
        }
    }

    package func list(in workspace: WorkspaceID, page: PageRequest) async throws -> Page<APIKey> {
        let cursor = try page.cursor(KeyKind.self)
        let rows = try await database.fetching(.workspace(workspace)) { tx in
            try tx.rows(
                """
                SELECT * FROM api_key WHERE workspace_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3
                """,
                [workspace, cursor, page.limit + 1]
            ).map(APIKey.init(row:))
        }
        return Page(rows: rows, limit: page.limit) { $0.id.description }
    }

    package func revoke(_ id: KeyID, in workspace: WorkspaceID, at now: Instant) async throws -> APIKey? {
        try await database.storing(.workspace(workspace)) { tx in
            try tx.row(
                """
                UPDATE api_key SET revoked = COALESCE(revoked, $3) WHERE id = $1 AND workspace_id = $2 RETURNING *
                """,
                [id, workspace, now]
            ).map(APIKey.init(row:))
        }
    }

    package func countUsable(in workspace: WorkspaceID, at now: Instant) async throws -> Int {
        try await database.fetching(.workspace(workspace)) { tx in
            try Self.countUsable(in: workspace, at: now, tx)
        }
    }

    private static func countUsable(
        in workspace: WorkspaceID, at now: Instant, _ tx: any Tx
    ) throws(DatabaseFailure) -> Int {
        try tx.row(
            """
            SELECT COUNT(*) AS usable FROM api_key
            WHERE workspace_id = $1 AND revoked IS NULL AND (expires IS NULL OR expires > $2)
            """,
            [workspace, now]
        )?.value("usable") ?? 0
    }
}

extension APIKey {
    fileprivate init(row: Row) throws {
        self.init(
            id: try row.value("id"), tenant: try row.value("tenant_id"), workspace: try row.value("workspace_id"),
            name: try row.value("name"), prefix: try row.value("prefix"), hash: try row.value("hash"),
            created: try row.value("created"), expires: try row.value("expires"), revoked: try row.value("revoked"))
    }
}
