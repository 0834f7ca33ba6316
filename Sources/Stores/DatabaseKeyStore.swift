package import Database
package import Kernel
package import Tenancy

/// API keys as rows.
package struct DatabaseKeyStore: KeyStore {
    private let database: any Database
    private let audit: AuditLog

    package init(_ database: any Database, sealing sealer: any AuditSealer) {
        self.database = database
        audit = AuditLog(sealer)
    }

    package func insert(_ key: APIKey, audit entry: AuditEntry) async throws {
        try await database.storing(.workspace(key.workspace)) { tx in try add(key, entry, tx) }
    }

    package func insertFirst(_ key: APIKey, audit entry: AuditEntry) async throws -> Bool {
        try await database.storing(.workspace(key.workspace)) { tx in
            guard try Self.countUsable(in: key.workspace, at: key.created, tx) == 0 else { return false }
            try add(key, entry, tx)
            return true
        }
    }

    private func add(_ key: APIKey, _ entry: AuditEntry, _ tx: any Tx) throws {
        guard try Self.insert(key, tx) else { return }
        try audit.append(entry, to: key.tenant, tx)
    }

    /// - Returns: false when it was there.
    private static func insert(_ key: APIKey, _ tx: any Tx) throws(DatabaseFailure) -> Bool {
        try tx.run(
            """
            INSERT INTO api_key (id, tenant_id, workspace_id, user_id, name, prefix, hash, scopes, environment,
                addresses, created, expires, revoked, successor_id, last_used)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (id) DO NOTHING
            """,
            [
                key.id, key.tenant, key.workspace, key.user, key.name, key.prefix, key.hash,
                WordList.text(key.scopes.words), key.environment.rawValue,
                WordList.text(key.addresses.map(\.description)), key.created, key.expires, key.revoked, key.successor,
                key.lastUsed,
            ]) == 1
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

    package func find(_ id: KeyID, in workspace: WorkspaceID) async throws -> APIKey? {
        try await database.fetching(.workspace(workspace)) { tx in try Self.key(id, in: workspace, tx) }
    }

    private static func key(_ id: KeyID, in workspace: WorkspaceID, _ tx: any Tx) throws -> APIKey? {
        try tx.row("SELECT * FROM api_key WHERE id = $1 AND workspace_id = $2", [id, workspace])
            .map(APIKey.init(row:))
    }

    package func revoke(
        _ id: KeyID, in workspace: WorkspaceID, at now: Instant, audit entry: AuditEntry
    ) async throws -> APIKey? {
        try await database.storing(.workspace(workspace)) { tx in
            let row = try tx.row(
                """
                UPDATE api_key SET revoked = $3 WHERE id = $1 AND workspace_id = $2 AND revoked IS NULL RETURNING *
                """,
                [id, workspace, now])
            guard let key = try row.map(APIKey.init(row:)) else { return try Self.key(id, in: workspace, tx) }
            try tx.revoke(.key(id), of: key.tenant)
            try audit.append(entry, to: key.tenant, tx)
            return key
        }
    }

    package func rotate(
        _ id: KeyID, in workspace: WorkspaceID, to successor: APIKey, oldEndsAt end: Instant, audit entry: AuditEntry
    ) async throws -> APIKey? {
        try await database.storing(.workspace(workspace)) { tx in
            let row = try tx.row(
                """
                UPDATE api_key SET successor_id = $3,
                    expires = CASE WHEN expires IS NULL OR expires > $4 THEN $4 ELSE expires END
                WHERE id = $1 AND workspace_id = $2 AND revoked IS NULL AND successor_id IS NULL
                    AND (expires IS NULL OR expires > $5)
                RETURNING *
                """,
                [id, workspace, successor.id, end, successor.created])
            guard let older = try row.map(APIKey.init(row:)) else { return nil }
            _ = try Self.insert(successor, tx)
            try tx.revoke(.key(id), of: older.tenant)
            try audit.append(entry, to: older.tenant, tx)
            return older
        }
    }

    package func workspace(of id: KeyID) async throws -> (tenant: TenantID, workspace: WorkspaceID)? {
        try await database.fetching(.system) { tx in
            guard let row = try tx.row("SELECT tenant_id, workspace_id FROM api_key WHERE id = $1", [id]) else {
                return nil
            }
            return (try row.value("tenant_id"), try row.value("workspace_id"))
        }
    }

    package func touch(_ uses: [KeyID: Instant]) async throws {
        // In one order everywhere, so that two nodes do not wait for each other.
        let sorted = uses.sorted { $0.key < $1.key }
        for start in stride(from: 0, to: sorted.count, by: 100) {
            let batch = sorted[start..<min(start + 100, sorted.count)]
            try await database.storing(.system) { tx in
                for (key, used) in batch {
                    try tx.run(
                        """
                        UPDATE api_key SET last_used = $2 WHERE id = $1 AND (last_used IS NULL OR last_used < $2)
                        """,
                        [key, used])
                }
            }
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

    /// In one transaction: a change of one of these comes before all of it or after it. Of the tenant's rules, those
    /// that can ever be about the key.
    package func find(prefix: String) async throws -> KeyFacts? {
        try await database.fetching(.system) { tx in
            guard let row = try tx.row(Self.factsSQL, [prefix]) else { return nil }
            let key = try APIKey(row: row)
            var members: [Member] = []
            if let user = key.user {
                members = try tx.rows(
                    "SELECT * FROM member WHERE user_id = $1 AND tenant_id = $2 ORDER BY id", [user, key.tenant]
                ).map(Member.init(row:))
            }
            let rules = try tx.rows(
                """
                SELECT * FROM access_rule WHERE tenant_id = $1 AND (workspace_id IS NULL OR workspace_id = $2)
                ORDER BY id
                """,
                [key.tenant, key.workspace]
            ).map(AccessRule.init(row:))
            let forebears = rules.contains { !$0.keys.isEmpty } ? try Self.forebears(of: key, tx) : []
            let userSuspended: Instant? = try row.value("user_suspended")
            return KeyFacts(
                key: key, tenant: try Standing(row: row, prefix: "tenant_"),
                workspace: try Standing(row: row, prefix: "workspace_"),
                user: key.user.map { _ in userSuspended.map { .suspended(since: $0) } ?? .active }, members: members,
                rules: rules.map { $0.following(key.id, in: forebears) })
        }
    }

    /// The keys that rotations put this one in the place of.
    private static func forebears(of key: APIKey, _ tx: any Tx) throws -> Set<KeyID> {
        let rows = try tx.rows(
            """
            WITH RECURSIVE forebear (id) AS (
                SELECT id FROM api_key WHERE successor_id = $1 AND workspace_id = $2
                UNION SELECT k.id FROM api_key k JOIN forebear f ON k.successor_id = f.id WHERE k.workspace_id = $2
            )
            SELECT id FROM forebear
            """,
            [key.id, key.workspace])
        return Set(try rows.map { try $0.value("id") })
    }

    private static let factsSQL =
        """
        SELECT k.*, t.suspended AS tenant_suspended, t.deleted AS tenant_deleted, t.purge AS tenant_purge,
            w.suspended AS workspace_suspended, w.deleted AS workspace_deleted, w.purge AS workspace_purge,
            a.suspended AS user_suspended
        FROM api_key k JOIN tenant t ON t.id = k.tenant_id JOIN workspace w ON w.id = k.workspace_id
            LEFT JOIN account a ON a.id = k.user_id
        WHERE k.prefix = $1
        """
}

extension APIKey {
    fileprivate init(row: Row) throws {
        self.init(
            id: try row.value("id"), tenant: try row.value("tenant_id"), workspace: try row.value("workspace_id"),
            user: try row.value("user_id"), name: try row.value("name"), prefix: try row.value("prefix"),
            hash: try row.value("hash"), scopes: try KeyScopes(stored: try row.value("scopes")),
            environment: try row.value("environment"),
            addresses: try WordList.words(in: row.value("addresses")) { AddressRange($0) },
            created: try row.value("created"), expires: try row.value("expires"), revoked: try row.value("revoked"),
            successor: try row.value("successor_id"), lastUsed: try row.value("last_used"))
    }
}

extension KeyScopes {
    /// Reads what `words` gave. Nothing stands for more than is written: no permission means none.
    fileprivate init(stored text: String) throws(DatabaseFailure) {
        var permissions: Set<Permission> = []
        var endpoints: Set<KeyEndpoint> = []
        var models: [ModelPattern] = []
        for word in text.split(separator: " ") {
            if let permission = Permission(rawValue: String(word)) {
                permissions.insert(permission)
            } else if word.hasPrefix("endpoint="), let endpoint = KeyEndpoint(rawValue: String(word.dropFirst(9))) {
                endpoints.insert(endpoint)
            } else if word.hasPrefix("model="), let model = ModelPattern(String(word.dropFirst(6))) {
                models.append(model)
            } else {
                throw .corrupt("column scopes holds an unknown scope")
            }
        }
        self.init(permissions: permissions, endpoints: endpoints, models: models)
    }
}
