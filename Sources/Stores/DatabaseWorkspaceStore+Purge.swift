import Database
package import Kernel
package import Tenancy

extension DatabaseWorkspaceStore {
    /// One transaction for each workspace, so that a large one holds up nobody for longer than it must.
    package func purge(
        at now: Instant, limit: Int, audit entry: @Sendable (Workspace) -> AuditEntry
    ) async throws -> Int {
        let due = try await database.fetching(.system) { tx in
            try tx.rows(
                """
                SELECT w.* FROM workspace w JOIN tenant t ON t.id = w.tenant_id
                WHERE w.purged IS NULL AND (w.purge <= $1 OR t.purge <= $1) ORDER BY w.id LIMIT $2
                """,
                [now, limit]
            ).map(Workspace.init(row:))
        }
        var purged = 0
        // One that cannot go holds up no other.
        var failure: (any Error)?
        for workspace in due {
            do {
                if try await purge(workspace, at: now, audit: entry(workspace)) { purged += 1 }
            } catch {
                failure = error
            }
        }
        try await purgeTenants(at: now, limit: limit)
        if let failure { throw failure }
        return purged
    }

    /// - Returns: false when it was restored, or somebody else was here first.
    private func purge(_ workspace: Workspace, at now: Instant, audit entry: AuditEntry) async throws -> Bool {
        try await database.storing(.system) { tx in
            let isDue = try tx.run(
                """
                UPDATE workspace SET purged = $2, name = name || $3, deleted = COALESCE(deleted, $2),
                    purge = COALESCE(purge, $2)
                WHERE id = $1 AND purged IS NULL AND (purge <= $2
                    OR EXISTS (SELECT 1 FROM tenant t WHERE t.id = workspace.tenant_id AND t.purge <= $2))
                """,
                [workspace.id, now, Self.tail(of: workspace.id)])
            guard isDue == 1 else { return false }
            // First the accounts, which others post to.
            for sql in Self.ending { try tx.run(sql, [workspace.id, workspace.tenant, tx.now]) }
            try tx.run(Self.unlimiting, [workspace.id, workspace.tenant])
            try tx.spendingChanged()
            let unrouted = try tx.run("DELETE FROM workspace_routing WHERE workspace_id = $1", [workspace.id])
            if unrouted > 0 { try tx.routingChanged() }
            for sql in [
                "DELETE FROM wallet_rule WHERE workspace_id = $1",
                "DELETE FROM api_key WHERE workspace_id = $1", "DELETE FROM member WHERE workspace_id = $1",
                "DELETE FROM access_rule WHERE workspace_id = $1", "DELETE FROM idempotency WHERE scope = $1",
                "DELETE FROM routing_decision WHERE workspace_id = $1",
                "DELETE FROM routing_batch WHERE workspace_id = $1",
            ] { try tx.run(sql, [workspace.id]) }
            try audit.append(entry, to: workspace.tenant, tx)
            return true
        }
    }

    /// What binds nobody any more. The ledger stays, with every account and transfer; credit that nobody can use ends,
    /// and goes back to where it came from.
    private static let ending = [
        """
        UPDATE ledger_account SET ends = $3
        WHERE tenant_id = $2 AND workspace_id = $1 AND kind = 'credit' AND (ends IS NULL OR ends > $3)
        """,
        """
        UPDATE credit_grant SET expires = $3
        WHERE tenant_id = $2 AND workspace_id = $1 AND lapsed IS NULL AND (expires IS NULL OR expires > $3)
        """,
        """
        UPDATE budget SET removed = $3 WHERE tenant_id = $2 AND removed IS NULL
            AND (workspace_id = $1 OR key_id IN (SELECT id FROM api_key WHERE workspace_id = $1))
        """,
    ]
    private static let unlimiting =
        """
        DELETE FROM rate_limit WHERE tenant_id = $2 AND (workspace_id = $1
            OR subject_kind = 'key' AND subject_id IN (SELECT id FROM api_key WHERE workspace_id = $1))
        """

    /// The same of what belongs to a tenant as a whole.
    private static let endingOfTenant = [
        """
        UPDATE ledger_account SET ends = $2 WHERE tenant_id = $1 AND kind = 'credit' AND (ends IS NULL OR ends > $2)
        """,
        """
        UPDATE credit_grant SET expires = $2
        WHERE tenant_id = $1 AND lapsed IS NULL AND (expires IS NULL OR expires > $2)
        """,
        "UPDATE budget SET removed = $2 WHERE tenant_id = $1 AND removed IS NULL",
    ]

    /// Makes a name free again. No name that somebody gives can end so: a line break is refused.
    private static func tail(of id: some CustomStringConvertible) -> String { "\n" + id.description }

    /// Those whose workspaces are all gone. The name is free again.
    private func purgeTenants(at now: Instant, limit: Int) async throws {
        try await database.storing(.system) { tx in
            let rows = try tx.rows(
                """
                SELECT id FROM tenant t WHERE purge <= $1 AND purged IS NULL
                    AND NOT EXISTS (SELECT 1 FROM workspace w WHERE w.tenant_id = t.id AND w.purged IS NULL)
                ORDER BY id LIMIT $2
                """,
                [now, limit])
            for row in rows {
                let tenant: TenantID = try row.value("id")
                for sql in Self.endingOfTenant { try tx.run(sql, [tenant, tx.now]) }
                try tx.spendingChanged()
                for sql in [
                    "DELETE FROM rate_limit WHERE tenant_id = $1", "DELETE FROM wallet_rule WHERE tenant_id = $1",
                    "DELETE FROM tenant_plan WHERE tenant_id = $1",
                    "DELETE FROM member WHERE tenant_id = $1", "DELETE FROM access_rule WHERE tenant_id = $1",
                    "DELETE FROM account WHERE tenant_id = $1",
                ] { try tx.run(sql, [tenant]) }
                try tx.run(
                    "UPDATE tenant SET purged = $2, name = name || $3 WHERE id = $1",
                    [tenant, now, Self.tail(of: tenant)])
            }
        }
    }
}
