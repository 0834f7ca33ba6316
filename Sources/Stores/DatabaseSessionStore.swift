package import Database
package import Kernel
package import Tenancy

/// Sessions as rows. They belong to people, and so to the platform.
package struct DatabaseSessionStore: SessionStore {
    /// How long one that is over stays to be looked at.
    private static let kept = Duration.seconds(7 * 86_400)

    private let database: any Database
    private let audit: AuditLog

    package init(_ database: any Database, sealing sealer: any AuditSealer) {
        self.database = database
        audit = AuditLog(sealer)
    }

    package func insert(_ session: Session, audit entry: AuditEntry) async throws {
        try await database.storing(.system) { tx in
            let isNew = try tx.run(
                """
                INSERT INTO session (id, user_id, digest, created, expires, ended) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (id) DO NOTHING
                """,
                [
                    session.id, session.user, Bytes(session.digest), session.created, session.expires, session.ended,
                ])
            guard isNew == 1 else { return }
            // Each new one sweeps away a few old ones, so there is no more of them than of a week.
            try tx.run(
                "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE expires < $1 ORDER BY expires LIMIT 20)",
                [session.created - Self.kept])
            try audit.append(entry, tx)
        }
    }

    package func find(digest: [UInt8]) async throws -> Session? {
        try await database.fetching(.system) { tx in
            try tx.row("SELECT * FROM session WHERE digest = $1", [Bytes(digest)]).map(Session.init(row:))
        }
    }

    package func end(_ id: SessionID, at now: Instant, audit entry: AuditEntry) async throws {
        try await database.storing(.system) { tx in
            let ended = try tx.run("UPDATE session SET ended = $2 WHERE id = $1 AND ended IS NULL", [id, now])
            guard ended == 1 else { return }
            try tx.revoke(.session(id), of: nil)
            try audit.append(entry, tx)
        }
    }
}

extension Session {
    fileprivate init(row: Row) throws {
        self.init(
            id: try row.value("id"), user: try row.value("user_id"),
            digest: try row.value("digest", as: Bytes.self).bytes, created: try row.value("created"),
            expires: try row.value("expires"), ended: try row.value("ended"))
    }
}
