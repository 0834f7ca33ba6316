package import Billing
import Database
package import Kernel

extension DatabaseWalletStore: AllowanceStore {
    package func setPlan(_ plan: Plan.Name?, of tenant: TenantID, by act: MoneyAct) async throws {
        guard let plan else { return try await removePlan(of: tenant, by: act) }
        let posting = posting()
        try await database.storing(.system) { tx in
            let changed = try tx.run(
                """
                INSERT INTO tenant_plan (tenant_id, plan, since) VALUES ($1, $2, $3)
                ON CONFLICT (tenant_id) DO UPDATE SET plan = excluded.plan, since = excluded.since, granted_until = NULL
                    WHERE tenant_plan.plan <> excluded.plan
                """,
                [tenant, plan.rawValue, tx.now])
            guard changed == 1 else { return }
            try tx.spendingChanged()
            try Self.grantAllowance(of: plan, to: tenant, posting, tx)
            try audit.append(
                act.entry(
                    "plan.set", tenant: tenant, subject: tenant.description, facts: ["plan": plan.rawValue]), tx)
        }
    }

    private func removePlan(of tenant: TenantID, by act: MoneyAct) async throws {
        try await database.storing(.system) { tx in
            guard try tx.run("DELETE FROM tenant_plan WHERE tenant_id = $1", [tenant]) == 1 else { return }
            try tx.spendingChanged()
            try audit.append(
                act.entry("plan.remove", tenant: tenant, subject: tenant.description, facts: [:]), tx)
        }
    }

    package func plan(of tenant: TenantID) async throws -> Plan.Name? {
        try await database.fetching(.tenant(tenant)) { tx in
            try tx.row("SELECT plan FROM tenant_plan WHERE tenant_id = $1", [tenant]).map { try $0.value("plan") }
        }
    }

    package func grantAllowances(at now: Instant, limit: Int) async throws -> Int {
        var given = 0
        var last: TenantID?
        repeat {
            let due = try await due(at: now, after: last, limit: limit)
            for tenant in due where try await grantAllowance(to: tenant) { given += 1 }
            last = due.count == limit ? due.last : nil
        } while last != nil
        return given
    }

    private func due(at now: Instant, after last: TenantID?, limit: Int) async throws -> [TenantID] {
        try await database.fetching(.system) { tx in
            guard let book = try Self.prices(tx), !book.content.umuPrice.isEmpty else { return [] }
            return try tx.rows(
                """
                SELECT p.tenant_id FROM tenant_plan p JOIN tenant t ON t.id = p.tenant_id
                WHERE (p.granted_until IS NULL OR p.granted_until <= $1) AND t.deleted IS NULL AND t.suspended IS NULL
                    AND p.tenant_id > $2
                ORDER BY p.tenant_id LIMIT $3
                """,
                [min(now, tx.now), last?.description ?? "", limit]
            ).map { try $0.value("tenant_id") }
        }
    }

    /// - Returns: whether the month is settled now, and was not before.
    private func grantAllowance(to tenant: TenantID) async throws -> Bool {
        let posting = posting()
        return try await database.storing(.system) { tx in
            let row = try tx.row(
                """
                SELECT plan FROM tenant_plan
                WHERE tenant_id = $1 AND (granted_until IS NULL OR granted_until <= $2)
                """,
                [tenant, tx.now])
            guard let plan: Plan.Name = try row?.value("plan") else { return false }
            return try Self.grantAllowance(of: plan, to: tenant, posting, tx)
        }
    }

    /// What this month has more of than was given in it already. Where nothing says what a credit is worth, the month
    /// stays open until something does.
    @discardableResult
    private static func grantAllowance(
        of plan: Plan.Name, to tenant: TenantID, _ posting: PostingSeal, _ tx: any Tx
    ) throws -> Bool {
        guard let month = Allowance.month(of: tx.now) else { return false }
        var rest = Plan(plan).credits ?? 0
        for other in Plan.all {
            let id = Allowance.grant(of: other.name, to: tenant, month: month.begins)
            let isThere = try tx.row("SELECT 1 AS n FROM credit_grant WHERE id = $1", [id]) != nil
            // Each was given what it had more than those before it, so the largest is what all of them were.
            if isThere { rest = min(rest, max(0, (Plan(plan).credits ?? 0) - (other.credits ?? 0))) }
        }
        if rest > 0 {
            guard let book = try prices(tx),
                let money = Allowance.money(for: rest, in: try currency(of: tenant, tx), by: book.content)
            else { return false }
            let grant = CreditGrant(
                id: Allowance.grant(of: plan, to: tenant, month: month.begins),
                account: AccountID(Allowance.grant(of: plan, to: tenant, month: month.begins).ulid), tenant: tenant,
                workspace: nil, amount: money.units, currency: money.currency, priority: Allowance.priority,
                created: tx.now, expires: month.ends, note: Allowance.note(plan, month: month.begins),
                priceVersion: book.version)
            // Credits that are worth nothing are no transfer.
            if money.units > 0 { _ = try add(grant, posting, tx) }
        }
        try tx.run("UPDATE tenant_plan SET granted_until = $2 WHERE tenant_id = $1", [tenant, month.ends])
        return true
    }

    private static func prices(_ tx: any Tx) throws -> PriceBook? {
        try tx.row(
            """
            SELECT * FROM price_book WHERE kind = 'price' AND effective <= $1
            ORDER BY effective DESC, version DESC LIMIT 1
            """,
            [tx.now]
        ).map(PriceBook.init(row:))
    }

    private static func currency(of tenant: TenantID, _ tx: any Tx) throws -> Currency? {
        try tx.row("SELECT currency FROM wallet_rule WHERE tenant_id = $1 AND workspace_id = ''", [tenant])
            .map { try $0.value("currency") }
    }
}
