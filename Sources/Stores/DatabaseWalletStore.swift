package import Billing
package import Database
package import Kernel
package import Tenancy

/// Wallet rules, credit and plans as rows; credit with its account and its transfer.
package struct DatabaseWalletStore: WalletStore {
    let database: any Database
    let audit: AuditLog
    private let sealer: any LedgerSealer
    private let ids: IDSource

    package init(
        _ database: any Database, sealing sealer: any AuditSealer, ledger: any LedgerSealer, ids: IDSource
    ) {
        self.database = database
        audit = AuditLog(sealer)
        self.sealer = ledger
        self.ids = ids
    }

    func posting() -> PostingSeal { PostingSeal(id: ids.next(), sealer: sealer) }

    // MARK: - Wallets

    package func set(_ rule: WalletRule, by act: MoneyAct) async throws {
        try await database.storing(.system) { tx in
            try Self.check(rule.workspace, of: rule.tenant, tx)
            let values: [any SQLRepresentable] = [
                rule.tenant, rule.workspace?.description ?? "", rule.mode.rawValue, rule.currency.rawValue, tx.now,
            ]
            let changed = try tx.run(
                """
                INSERT INTO wallet_rule (tenant_id, workspace_id, mode, currency, changed) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (tenant_id, workspace_id)
                    DO UPDATE SET mode = excluded.mode, currency = excluded.currency, changed = excluded.changed
                    WHERE wallet_rule.mode <> excluded.mode OR wallet_rule.currency <> excluded.currency
                """, values)
            guard changed == 1 else { return }
            try tx.spendingChanged()
            try audit.append(
                act.entry(
                    "wallet.set", tenant: rule.tenant, workspace: rule.workspace,
                    subject: rule.workspace?.description ?? rule.tenant.description,
                    facts: ["mode": rule.mode.rawValue, "currency": rule.currency.rawValue]), tx)
        }
    }

    package func removeRule(of tenant: TenantID, workspace: WorkspaceID?, by act: MoneyAct) async throws -> Bool {
        try await database.storing(.system) { tx in
            let gone = try tx.run(
                "DELETE FROM wallet_rule WHERE tenant_id = $1 AND workspace_id = $2",
                [tenant, workspace?.description ?? ""])
            guard gone == 1 else { return false }
            try tx.spendingChanged()
            try audit.append(
                act.entry(
                    "wallet.remove", tenant: tenant, workspace: workspace,
                    subject: workspace?.description ?? tenant.description, facts: [:]), tx)
            return true
        }
    }

    package func rules(of tenant: TenantID) async throws -> [WalletRule] {
        try await database.fetching(.tenant(tenant)) { tx in
            try tx.rows("SELECT * FROM wallet_rule WHERE tenant_id = $1 ORDER BY workspace_id", [tenant])
                .map(WalletRule.init(row:))
        }
    }

    // MARK: - Credit

    package func grant(_ grant: CreditGrant, by act: MoneyAct) async throws {
        let posting = posting()
        try await database.storing(.system) { tx in
            try Self.check(grant, tx)
            guard try Self.add(grant, posting, tx) else { return }
            try audit.append(
                act.entry(
                    "credit.grant", tenant: grant.tenant, workspace: grant.workspace, subject: grant.id.description,
                    facts: grant.facts), tx)
        }
    }

    /// - Returns: false when it is there already.
    static func add(_ grant: CreditGrant, _ posting: PostingSeal, _ tx: any Tx) throws -> Bool {
        guard try tx.row("SELECT 1 AS n FROM credit_grant WHERE id = $1", [grant.id]) == nil else { return false }
        let issued = PlatformAccounts.account(.issued, .money(grant.currency))
        try DatabaseLedger.open([issued, grant.ledgerAccount], tx)
        if let refusal = try DatabaseLedger.postAll([TransferGroup([grant.gift])], posting, tx) {
            throw DatabaseFailure.corrupt("credit could not be granted: \(refusal)")
        }
        try tx.run(CreditGrant.inserting, grant.values)
        try tx.spendingChanged()
        return true
    }

    package func grants(
        of tenant: TenantID, workspace: WorkspaceID?
    ) async throws -> [(grant: CreditGrant, sums: AccountSums)] {
        try await database.fetching(.tenant(tenant)) { tx in
            try tx.rows(
                """
                SELECT g.*, a.debits, a.credits, a.pending
                FROM credit_grant g JOIN ledger_account a ON a.id = g.account_id
                WHERE g.tenant_id = $1 AND g.lapsed IS NULL
                    AND (g.workspace_id IS NULL OR g.workspace_id = $2 OR $3 = 0)
                """ + " " + CreditGrant.order + " LIMIT 1000",
                [tenant, workspace, workspace != nil]
            ).map { (grant: try CreditGrant(row: $0), sums: try AccountSums(row: $0)) }
        }
    }

    package func revoke(
        _ id: CreditGrantID, by act: MoneyAct
    ) async throws -> (grant: CreditGrant, sums: AccountSums)? {
        let found = try await database.storing(.system) { tx -> (grant: CreditGrant, sums: AccountSums)? in
            let row = try tx.row(
                """
                SELECT g.*, a.debits, a.credits, a.pending
                FROM credit_grant g JOIN ledger_account a ON a.id = g.account_id WHERE g.id = $1
                """,
                [id])
            guard let row else { return nil }
            let (grant, sums) = (try CreditGrant(row: row), try AccountSums(row: row))
            if let expires = grant.expires, expires <= tx.now { return (grant, sums) }
            // First the account, as whoever lapses it does.
            try tx.run("UPDATE ledger_account SET ends = $2 WHERE id = $1", [grant.account, tx.now])
            let isFirst = try tx.run(
                "UPDATE credit_grant SET expires = $2 WHERE id = $1 AND (expires IS NULL OR expires > $2)",
                [id, tx.now])
            guard isFirst == 1 else { throw Problem(.conflict, "Somebody else ends this credit now.") }
            try tx.spendingChanged()
            let ended = grant.ended(at: tx.now)
            try audit.append(
                act.entry(
                    "credit.revoke", tenant: grant.tenant, workspace: grant.workspace, subject: id.description,
                    facts: ended.facts), tx)
            return (ended, sums)
        }
        if let found { _ = try await lapse(found.grant) }
        return found
    }

    package func lapse(at now: Instant, limit: Int) async throws -> Int {
        let due = try await database.fetching(.system) { tx in
            try tx.rows(
                """
                SELECT g.* FROM credit_grant g JOIN ledger_account a ON a.id = g.account_id
                WHERE g.expires <= $1 AND g.lapsed IS NULL AND a.pending = 0 ORDER BY g.expires, g.id LIMIT $2
                """,
                [min(now, tx.now), limit]
            ).map(CreditGrant.init(row:))
        }
        var lapsed = 0
        for grant in due where try await lapse(grant) { lapsed += 1 }
        return lapsed
    }

    /// - Returns: false when somebody else was here first, or holds a slice of it.
    private func lapse(_ grant: CreditGrant) async throws -> Bool {
        let posting = posting()
        return try await database.guarding(.system) { tx in
            let row = try tx.row(
                "SELECT debits, credits, pending FROM ledger_account WHERE id = $1" + tx.dialect.locked,
                [grant.account])
            guard let sums = try row.map(AccountSums.init(row:)), sums.pending == 0 else { return false }
            let isFirst = try tx.run(
                "UPDATE credit_grant SET lapsed = $2 WHERE id = $1 AND lapsed IS NULL", [grant.id, tx.now])
            guard isFirst == 1 else { return false }
            let rest = sums.credits - sums.debits
            guard rest > 0 else { return true }
            let group = TransferGroup([grant.lapse(of: rest, at: tx.now)])
            if let refusal = try DatabaseLedger.postAll([group], posting, tx) {
                throw DatabaseFailure.corrupt("credit could not lapse: \(refusal)")
            }
            return true
        }
    }

    private static func check(_ grant: CreditGrant, _ tx: any Tx) throws {
        guard grant.amount > 0 else {
            throw Problem(.validationError, "Credit is more than nothing.", parameter: "amount")
        }
        guard grant.expires.map({ $0 > tx.now }) ?? true else {
            throw Problem(.validationError, "Credit ends later than now.", parameter: "expires")
        }
        try check(grant.workspace, of: grant.tenant, tx)
    }

    private static func check(_ workspace: WorkspaceID?, of tenant: TenantID, _ tx: any Tx) throws {
        guard let workspace else { return }
        let known = try tx.row("SELECT 1 AS n FROM workspace WHERE id = $1 AND tenant_id = $2", [workspace, tenant])
        guard known != nil else {
            throw Problem(.validationError, "The tenant has no workspace \(workspace).", parameter: "workspace")
        }
    }
}

extension CreditGrant {
    /// By priority, then what ends first, then the workspace's own, since others may still use the tenant's, then the
    /// older one.
    static let order =
        """
        ORDER BY g.priority, CASE WHEN g.expires IS NULL THEN 1 ELSE 0 END, g.expires,
            CASE WHEN g.workspace_id IS NULL THEN 1 ELSE 0 END, g.created, g.id
        """
}
