import Billing
import Database
import Kernel

/// Events of budgets whose posted spend passes a share of their amount, in the transaction that posts it.
enum BudgetAlerts {
    private static let budgets = ListStatement(
        "SELECT id, tenant_id, amount, alerts FROM budget WHERE removed IS NULL AND id")
    private static let inserting =
        """
        INSERT INTO budget_event (account_id, share, budget_id, tenant_id, spent, happened)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, share) DO NOTHING
        """

    static func write(for changed: [LedgerRows.AccountRow], _ tx: any Tx) throws -> [BudgetEvent] {
        let risen = changed.filter { $0.account.kind == .budget && $0.spent > $0.spentBefore }
        guard !risen.isEmpty else { return [] }
        let subjects = Set(risen.map(\.account.subject)).sorted()
        let rows = Dictionary(
            try budgets.rows(subjects, tx).map { (try $0.value("id", as: String.self), $0) }
        ) { first, _ in first }
        var events: [BudgetEvent] = []
        for account in risen {
            guard let row = rows[account.account.subject] else { continue }
            let amount: Int64 = try row.value("amount")
            let alerts: String = try row.value("alerts")
            for share in shares(of: alerts) where passes(account, share: share, of: amount) {
                let event = BudgetEvent(
                    budget: try row.value("id"), account: account.account.id, share: share, spent: account.spent,
                    at: tx.now)
                let tenant: TenantID = try row.value("tenant_id")
                let added = try tx.run(
                    inserting, [event.account, share, event.budget, tenant, event.spent, event.at])
                if added == 1 { events.append(event) }
            }
        }
        return events
    }

    private static func shares(of alerts: String) -> [Int] {
        alerts.split { !$0.isASCII || !$0.isNumber }.compactMap { Int($0) }
    }

    private static func passes(_ account: LedgerRows.AccountRow, share: Int, of amount: Int64) -> Bool {
        let mark = Int128(amount) * Int128(share)
        return Int128(account.spentBefore) * 100 < mark && Int128(account.spent) * 100 >= mark
    }
}
