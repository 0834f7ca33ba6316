package import Database
package import Kernel
package import Tenancy

/// Members as rows, in the scope of their tenant.
package struct DatabaseMemberStore: MemberStore {
    private let database: any Database
    private let audit: AuditLog

    package init(_ database: any Database, sealing sealer: any AuditSealer) {
        self.database = database
        audit = AuditLog(sealer)
    }

    package func insert(_ member: Member, audit entry: AuditEntry) async throws {
        try await database.storing(.tenant(member.tenant)) { tx in
            let isNew = try tx.run(
                """
                INSERT INTO member (id, tenant_id, workspace_id, user_id, role, created)
                VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING
                """,
                [member.id, member.tenant, member.workspace, member.user, member.role.rawValue, member.created])
            guard isNew == 1 else { return }
            try tx.revoke(.user(member.user), of: member.tenant)
            try audit.append(entry, to: member.tenant, tx)
        }
    }

    package func find(_ id: MemberID, in tenant: TenantID) async throws -> Member? {
        try await database.fetching(.tenant(tenant)) { tx in
            try tx.row("SELECT * FROM member WHERE id = $1 AND tenant_id = $2", [id, tenant]).map(Member.init(row:))
        }
    }

    package func tenant(of id: MemberID) async throws -> TenantID? {
        try await database.fetching(.system) { tx in
            try tx.row("SELECT tenant_id FROM member WHERE id = $1", [id]).map { try $0.value("tenant_id") }
        }
    }

    package func list(
        in tenant: TenantID, workspace: WorkspaceID?, page: PageRequest
    ) async throws -> Page<Member> {
        let cursor = try page.cursor(MemberKind.self)
        let rows = try await database.fetching(.tenant(tenant)) { tx in
            if let workspace {
                return try tx.rows(
                    """
                    SELECT * FROM member WHERE tenant_id = $1 AND workspace_id = $2 AND id < $3
                    ORDER BY id DESC LIMIT $4
                    """,
                    [tenant, workspace, cursor, page.limit + 1]
                ).map(Member.init(row:))
            }
            return try tx.rows(
                "SELECT * FROM member WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                [tenant, cursor, page.limit + 1]
            ).map(Member.init(row:))
        }
        return Page(rows: rows, limit: page.limit) { $0.id.description }
    }

    package func places(of user: UserID) async throws -> [Member] {
        try await database.fetching(.system) { tx in
            try tx.rows("SELECT * FROM member WHERE user_id = $1 ORDER BY id", [user]).map(Member.init(row:))
        }
    }

    package func change(
        _ id: MemberID, in tenant: TenantID, to role: Role, audit entry: AuditEntry
    ) async throws -> Member? {
        try await database.storing(.tenant(tenant)) { tx in
            let before = try tx.row("SELECT * FROM member WHERE id = $1 AND tenant_id = $2", [id, tenant])
            guard let member = try before.map(Member.init(row:)) else { return nil }
            if member.role == role { return member }
            if member.ownsTenant { try Self.checkAnotherOwner(than: member, tx) }
            try tx.run("UPDATE member SET role = $3 WHERE id = $1 AND tenant_id = $2", [id, tenant, role.rawValue])
            try tx.revoke(.user(member.user), of: tenant)
            try audit.append(entry, to: tenant, tx)
            return Member(
                id: id, tenant: tenant, workspace: member.workspace, user: member.user, role: role,
                created: member.created)
        }
    }

    /// In the transaction of the change: of two owners who demote each other at once, one finds the other gone.
    private static func checkAnotherOwner(than member: Member, _ tx: any Tx) throws {
        let others = try tx.row(
            """
            SELECT 1 AS n FROM member WHERE tenant_id = $1 AND role = 'owner' AND workspace_id IS NULL AND id <> $2
            LIMIT 1
            """,
            [member.tenant, member.id])
        guard others != nil else { throw Problem.lastOwner }
    }

    package func remove(_ id: MemberID, in tenant: TenantID, audit entry: AuditEntry) async throws -> Member? {
        try await database.storing(.tenant(tenant)) { tx in
            let row = try tx.row("DELETE FROM member WHERE id = $1 AND tenant_id = $2 RETURNING *", [id, tenant])
            guard let member = try row.map(Member.init(row:)) else { return nil }
            if member.ownsTenant { try Self.checkAnotherOwner(than: member, tx) }
            try tx.revoke(.user(member.user), of: tenant)
            try audit.append(entry, to: tenant, tx)
            return member
        }
    }
}

extension Member {
    init(row: Row) throws {
        self.init(
            id: try row.value("id"), tenant: try row.value("tenant_id"), workspace: try row.value("workspace_id"),
            user: try row.value("user_id"), role: try row.value("role"), created: try row.value("created"))
    }
}
