import Billing
import Database
import Kernel
import Stores
import Tenancy
import TestKit

extension StoreWorld {
    /// Something in every table of money that belongs to a tenant or workspace.
    func furnishMoney(_ workspace: Workspace, _ database: any Database) async throws {
        let ledger = DatabaseLedger(database, sealing: TestLedgerSealer(), ids: samples.ids)
        try await ledger.openPlatformAccounts()
        let budget: BudgetID = samples.ids.next()
        let account: AccountID = samples.ids.next()
        try await ledger.open([
            Account(
                id: account, kind: .budget, asset: .money(.usd), tenant: workspace.tenant, workspace: workspace.id,
                subject: "\(budget)", limit: 100)
        ])
        let transfer = Transfer(
            id: TransferID("town/\(account)"), reason: .count, debit: account,
            credit: PlatformAccounts.id(.consumed, .money(.usd)), amount: Amount(units: 60, .money(.usd)),
            accepted: samples.clock.now)
        let rows = rows(of: workspace, budget, account)
        try await database.write(.system) { tx in for (sql, values) in rows { try tx.run(sql, values) } }
        // The budget's alert is written by this.
        _ = try await ledger.post([TransferGroup([transfer])])
    }

    private func rows(
        of workspace: Workspace, _ budget: BudgetID, _ account: AccountID
    ) -> [(String, [any SQLRepresentable])] {
        let tenant = workspace.tenant
        let request: RequestID = samples.ids.next()
        return [
            (
                """
                INSERT INTO budget (id, tenant_id, workspace_id, asset, amount, period, is_hard, alerts, identity,
                    created) VALUES ($1, $2, $3, 'USD', 100, 'total', 1, '50', $1, 0)
                """, [budget, tenant, workspace.id]
            ),
            (
                """
                INSERT INTO rate_limit (id, tenant_id, workspace_id, subject_kind, subject_id, model, quantity, amount,
                    changed) VALUES ($1, $2, $3, 'workspace', $3, '', 'requests', 1, 0)
                """, [samples.ids.next(LimitKind.self), tenant, workspace.id]
            ),
            (
                """
                INSERT INTO wallet_rule (tenant_id, workspace_id, mode, currency, changed)
                VALUES ($1, $2, 'prepaid', 'USD', 0)
                """, [tenant, workspace.id]
            ),
            (
                """
                INSERT INTO credit_grant (id, account_id, tenant_id, workspace_id, amount, currency, priority, created,
                    note) VALUES ($1, $2, $3, $4, 1, 'USD', 0, 0, '')
                """, [samples.ids.next(GrantKind.self), account, tenant, workspace.id]
            ),
            (
                "INSERT INTO tenant_plan (tenant_id, plan, since) VALUES ($1, 'pro', 0) ON CONFLICT DO NOTHING",
                [tenant]
            ),
            (
                """
                INSERT INTO attempt (request_id, number, workspace_id, deployment_id, cost_state)
                VALUES ($1, 1, $2, 'dep_x', 'none')
                """, [request, workspace.id]
            ),
            (
                """
                INSERT INTO suspense_item (request_id, workspace_id, tenant_id, reason, accepted, written)
                VALUES ($1, $2, $3, 'late', 0, 0)
                """, [request, workspace.id, tenant]
            ),
        ]
    }

    /// Something in every table of money that belongs to nobody.
    func furnishPlatformMoney(_ database: any Database) async throws {
        let ledger = DatabaseLedger(database, sealing: TestLedgerSealer(), ids: samples.ids)
        let (holder, _) = try await ledger.begin(samples.ids.next(), lasting: .seconds(60))
        let account: AccountID = samples.ids.next()
        try await ledger.open([
            Account(id: account, kind: .budget, asset: .tokens, subject: "", limit: 100)
        ])
        let request = EscrowRequest(
            account: account, escrow: samples.ids.next(), needed: 1, wanted: 1, id: TransferID("town/take"))
        _ = try await ledger.take(request, for: holder)
        try await ledger.want([account], by: holder)
        try await database.write(.system) { tx in
            for sql in [
                """
                INSERT INTO price_book (kind, version, effective, written, entries, content)
                VALUES ('price', 1, 0, 0, 0, '{}')
                """,
                """
                INSERT INTO rate_bucket (limit_id, level, changed, amount, held, held_before)
                VALUES ('lim_x', 0, 0, 1, 0, 0)
                """,
                "INSERT INTO rate_slot (limit_id, node_id, slots, expires) VALUES ('lim_x', 'nod_x', 1, 0)",
            ] {
                try tx.run(sql)
            }
            try tx.run(
                "INSERT INTO ledger_link (number, posting_id, previous, seal, linked) VALUES (1, 'pst_x', $1, $1, 0)",
                [TownBytes()])
        }
    }
}

private struct TownBytes: SQLRepresentable {
    static var sqlName: String { "bytes" }
    var sqlValue: SQLValue { .blob([1, 2, 3]) }
    init() {}
    init?(sqlValue: SQLValue) { return nil }
}
