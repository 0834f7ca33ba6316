package import Database
package import Kernel
package import Tenancy

/// Accounts as rows. People belong to the platform; a service account is in its tenant's scope.
package struct DatabaseUserStore: UserStore {
    private let database: any Database
    private let audit: AuditLog

    package init(_ database: any Database, sealing sealer: any AuditSealer) {
        self.database = database
        audit = AuditLog(sealer)
    }

    package func insert(_ user: User, audit entry: AuditEntry) async throws {
        let scope: Scope = user.tenant.map { .tenant($0) } ?? .system
        try await database.storing(scope) { tx in
            let isNew = try tx.run(
                """
                INSERT INTO account (id, kind, tenant_id, name, is_operator, suspended, created)
                VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING
                """,
                [
                    user.id, user.kind.rawValue, user.tenant, user.name, user.isOperator, user.standing.suspended,
                    user.created,
                ])
            guard isNew == 1 else { return }
            if let tenant = user.tenant { try audit.append(entry, to: tenant, tx) } else { try audit.append(entry, tx) }
        }
    }

    package func find(_ id: UserID) async throws -> User? {
        try await database.fetching(.system) { tx in
            try tx.row("SELECT * FROM account WHERE id = $1", [id]).map(User.init(row:))
        }
    }

    package func find(person name: String) async throws -> User? {
        try await database.fetching(.system) { tx in
            try tx.row("SELECT * FROM account WHERE name = $1 AND tenant_id IS NULL", [name]).map(User.init(row:))
        }
    }

    package func list(serviceAccountsOf tenant: TenantID?, page: PageRequest) async throws -> Page<User> {
        let cursor = try page.cursor(UserKind.self)
        let rows: [User]
        if let tenant {
            rows = try await database.fetching(.tenant(tenant)) { tx in
                try tx.rows(
                    "SELECT * FROM account WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                    [tenant, cursor, page.limit + 1]
                ).map(User.init(row:))
            }
        } else {
            rows = try await database.fetching(.system) { tx in
                try tx.rows(
                    "SELECT * FROM account WHERE tenant_id IS NULL AND id < $1 ORDER BY id DESC LIMIT $2",
                    [cursor, page.limit + 1]
                ).map(User.init(row:))
            }
        }
        return Page(rows: rows, limit: page.limit) { $0.id.description }
    }

    package func change(_ id: UserID, to standing: Standing, audit entry: AuditEntry) async throws -> User? {
        try await database.storing(.system) { tx in
            guard let before = try tx.row("SELECT * FROM account WHERE id = $1", [id]).map(User.init(row:)) else {
                return nil
            }
            let row = try tx.row(
                "UPDATE account SET suspended = $2 WHERE id = $1 RETURNING *", [id, standing.suspended])
            guard let after = try row.map(User.init(row:)), after != before else { return before }
            if after.standing.changesCredentials(from: before.standing) { try tx.revoke(.user(id), of: after.tenant) }
            if !after.standing.isActive { try Self.endSessions(of: id, at: tx.now, tx) }
            try audit.append(entry, tx)
            return after
        }
    }

    private static func endSessions(of id: UserID, at now: Instant, _ tx: any Tx) throws {
        let ended = try tx.rows(
            """
            UPDATE session SET ended = $2 WHERE user_id = $1 AND ended IS NULL AND expires > $2 RETURNING id
            """,
            [id, now])
        for row in ended { try tx.revoke(.session(try row.value("id")), of: nil) }
    }

    package func secrets(of id: UserID) async throws -> SignInSecrets? {
        try await database.fetching(.system) { tx in
            let row = try tx.row("SELECT password_hash, totp, totp_step FROM account WHERE id = $1", [id])
            guard let row, let hash: String = try row.value("password_hash", as: String?.self) else { return nil }
            return SignInSecrets(
                passwordHash: hash, sealedTOTP: try row.value("totp", as: Bytes?.self)?.bytes,
                lastTOTPStep: try row.value("totp_step"))
        }
    }

    package func setSecrets(
        _ secrets: SignInSecrets, of id: UserID, at now: Instant, audit entry: AuditEntry
    ) async throws {
        try await database.storing(.system) { tx in
            let isThere = try tx.run(
                "UPDATE account SET password_hash = $2, totp = $3, totp_step = $4 WHERE id = $1 AND kind = 'person'",
                [id, secrets.passwordHash, secrets.sealedTOTP.map { Bytes($0) }, secrets.lastTOTPStep])
            guard isThere == 1 else { throw Problem(.notFound) }
            try Self.endSessions(of: id, at: now, tx)
            try audit.append(entry, tx)
        }
    }

    package func useTOTPStep(_ step: Int64, of id: UserID) async throws -> Bool {
        try await database.storing(.system) { tx in
            try tx.run(
                "UPDATE account SET totp_step = $2 WHERE id = $1 AND (totp_step IS NULL OR totp_step < $2)",
                [id, step]) == 1
        }
    }
}

extension Standing {
    /// An account is active or suspended; one that is deleted is suspended too.
    fileprivate var suspended: Instant? {
        switch self {
        case .active: nil
        case .suspended(let since), .deleted(let since, _, _): since
        }
    }
}

extension User {
    fileprivate init(row: Row) throws {
        let suspended: Instant? = try row.value("suspended")
        self.init(
            id: try row.value("id"), kind: try row.value("kind"), tenant: try row.value("tenant_id"),
            name: try row.value("name"), isOperator: try row.value("is_operator"),
            standing: suspended.map { .suspended(since: $0) } ?? .active, created: try row.value("created"))
    }
}
