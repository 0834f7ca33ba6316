package import Billing
package import Database
package import Kernel
package import Tenancy

/// Budgets as rows, with the accounts of their periods.
package struct DatabaseBudgetStore: BudgetStore {
    private let database: any Database
    private let audit: AuditLog

    package init(_ database: any Database, sealing sealer: any AuditSealer) {
        self.database = database
        audit = AuditLog(sealer)
    }

    package func set(_ budget: Budget, by act: MoneyAct) async throws -> Budget {
        try budget.check()
        return try await database.storing(.system) { tx in
            guard let known = try Self.live(like: budget, tx) else { return try add(budget, by: act, tx) }
            let changed = known.changed(to: budget)
            if changed == known { return known }
            // First the accounts, which others post to all the time.
            if changed.isHard { try Self.limit(changed, tx) }
            try tx.run(
                "UPDATE budget SET amount = $2, alerts = $3 WHERE id = $1",
                [known.id, changed.amount, WordList.text(changed.alerts.map(String.init))])
            try record("budget.set", changed, by: act, tx)
            return changed
        }
    }

    private func add(_ budget: Budget, by act: MoneyAct, _ tx: any Tx) throws -> Budget {
        try Self.checkPlace(of: budget, tx)
        let isNew = try tx.run(
            "INSERT INTO budget (" + Budget.columns
                + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING",
            budget.values)
        guard isNew == 1 else {
            return try tx.row("SELECT * FROM budget WHERE id = $1", [budget.id]).map(Budget.init(row:)) ?? budget
        }
        // So that the period can be looked at before anything is spent.
        try DatabaseLedger.open([budget.account(at: tx.now)], tx)
        try record("budget.set", budget, by: act, tx)
        return budget
    }

    package func remove(_ id: BudgetID, of tenant: TenantID, by act: MoneyAct) async throws -> Budget? {
        try await database.storing(.system) { tx in
            let row = try tx.row(
                "UPDATE budget SET removed = $3 WHERE id = $1 AND tenant_id = $2 AND removed IS NULL RETURNING *",
                [id, tenant, tx.now])
            guard let budget = try row.map(Budget.init(row:)) else { return nil }
            try record("budget.remove", budget, by: act, tx)
            return budget
        }
    }

    private func record(_ action: String, _ budget: Budget, by act: MoneyAct, _ tx: any Tx) throws {
        try tx.spendingChanged()
        try audit.append(
            act.entry(
                action, tenant: budget.tenant, workspace: budget.scope.workspace, subject: budget.id.description,
                facts: budget.facts), tx)
    }

    // MARK: - Reading

    package func budget(_ id: BudgetID) async throws -> Budget? {
        try await database.fetching(.system) { tx in
            try tx.row("SELECT * FROM budget WHERE id = $1", [id]).map(Budget.init(row:))
        }
    }

    package func list(of tenant: TenantID, workspace: WorkspaceID?, page: PageRequest) async throws -> Page<Budget> {
        let cursor = try page.cursor(BudgetKind.self)
        let rows = try await database.fetching(.tenant(tenant)) { tx in
            try tx.rows(
                """
                SELECT * FROM budget
                WHERE tenant_id = $1 AND id < $2 AND removed IS NULL AND (workspace_id = $3 OR $4 = 0)
                ORDER BY id DESC LIMIT $5
                """,
                [tenant, cursor, workspace, workspace != nil, page.limit + 1]
            ).map(Budget.init(row:))
        }
        return Page(rows: rows, limit: page.limit) { $0.id.description }
    }

    package func periods(of id: BudgetID, limit: Int) async throws -> [(account: Account, sums: AccountSums)] {
        try await database.fetching(.system) { tx in
            try tx.rows(
                """
                SELECT * FROM ledger_account WHERE subject = $1 AND kind = 'budget' ORDER BY begins DESC LIMIT $2
                """,
                [id, limit]
            ).map { (account: try Account(row: $0), sums: try AccountSums(row: $0)) }
        }
    }

    /// A page goes on after `account/share`.
    package func events(of id: BudgetID, page: PageRequest) async throws -> Page<BudgetEvent> {
        let rows = try await database.fetching(.system) { tx in
            let last = try Self.event(of: id, named: page.after, tx)
            return try tx.rows(
                """
                SELECT * FROM budget_event WHERE budget_id = $1 AND (happened, account_id, share) < ($2, $3, $4)
                ORDER BY happened DESC, account_id DESC, share DESC LIMIT $5
                """,
                [
                    id, last?.at ?? Instant(microseconds: .max), last?.account.description ?? "~", last?.share ?? 0,
                    page.limit + 1,
                ]
            ).map(BudgetEvent.init(row:))
        }
        return Page(rows: rows, limit: page.limit) { "\($0.account)/\($0.share)" }
    }
}

// MARK: - Inside a transaction

extension DatabaseBudgetStore {
    private static func live(like budget: Budget, _ tx: any Tx) throws -> Budget? {
        try tx.row(
            "SELECT * FROM budget WHERE tenant_id = $1 AND identity = $2 AND removed IS NULL",
            [budget.tenant, budget.identity]
        ).map(Budget.init(row:))
    }

    /// Periods that are over stay as they were.
    private static func limit(_ budget: Budget, _ tx: any Tx) throws {
        try tx.run(
            """
            UPDATE ledger_account SET credit_limit = $2, highest_limit =
                CASE WHEN highest_limit >= credit_limit THEN highest_limit ELSE credit_limit END
            WHERE subject = $1 AND kind = 'budget' AND credit_limit IS NOT NULL AND credit_limit <> $2
                AND (ends IS NULL OR ends > $3)
            """,
            [budget.id, budget.amount, tx.now])
    }

    /// What it names is the tenant's, and there is room for one more.
    private static func checkPlace(of budget: Budget, _ tx: any Tx) throws {
        if let workspace = budget.scope.workspace,
            try tx.row("SELECT 1 AS n FROM workspace WHERE id = $1 AND tenant_id = $2", [workspace, budget.tenant])
                == nil
        {
            throw Problem(.validationError, "The tenant has no workspace \(workspace).", parameter: "workspace")
        }
        if let key = budget.scope.key {
            let place = try tx.row("SELECT workspace_id, tenant_id FROM api_key WHERE id = $1", [key])
            let isTenants = try place?.value("tenant_id") == budget.tenant
            let isWorkspaces =
                try budget.scope.workspace == nil || place?.value("workspace_id") == budget.scope.workspace
            guard isTenants, isWorkspaces else {
                throw Problem(.validationError, "There is no key \(key) where the budget is for.", parameter: "key")
            }
        }
        let known = try tx.row(
            beside(budget.scope), [budget.tenant, budget.scope.workspace, budget.scope.user, budget.scope.key])
        guard try known?.value("n") ?? 0 < Budget.mostOfOneScope else {
            throw Problem(
                .validationError, "There are \(Budget.mostOfOneScope) budgets for the same workspace, user and key.",
                hint: "Remove some: every request is counted in all that match it.")
        }
    }

    /// Counts those for the same workspace, user and key. A condition for each, and none over an expression: only so
    /// is one key's budget found, and under SERIALIZABLE looked at, without those of all the others.
    private static func beside(_ scope: Budget.Scope) -> String {
        "SELECT COUNT(*) AS n FROM budget WHERE tenant_id = $1 AND removed IS NULL AND workspace_id "
            + (scope.workspace == nil ? "IS NULL AND CAST($2 AS TEXT) IS NULL" : "= $2") + " AND user_id "
            + (scope.user == nil ? "IS NULL AND CAST($3 AS TEXT) IS NULL" : "= $3") + " AND key_id "
            + (scope.key == nil ? "IS NULL AND CAST($4 AS TEXT) IS NULL" : "= $4")
    }

    private static func event(of id: BudgetID, named after: String?, _ tx: any Tx) throws -> BudgetEvent? {
        guard let after else { return nil }
        let words = after.split(separator: "/")
        let row =
            try words.count == 2
            ? tx.row(
                "SELECT * FROM budget_event WHERE budget_id = $1 AND account_id = $2 AND share = $3",
                [id, String(words[0]), Int(words[1]) ?? 0])
            : nil
        guard let row else {
            throw Problem(
                .validationError, "`after` is not an identifier of this listing.", parameter: "after",
                hint: "Use the `last_id` of the page before.")
        }
        return try BudgetEvent(row: row)
    }
}
