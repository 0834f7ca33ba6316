package import Billing
package import Database
package import Kernel

/// Moves the windows of rolling budgets.
package struct DatabaseRollingBudgets: RollingBudgetStore {
    /// Steps of one budget in one transaction; what is beyond them comes with the next look.
    private static let mostSteps = 400

    private let database: any Database
    private let ledger: any Ledger

    package init(_ database: any Database, ledger: any Ledger) {
        self.database = database
        self.ledger = ledger
    }

    private struct Window: Sendable {
        let budget: Budget
        let account: AccountID
    }

    package func roll(at now: Instant, after: BudgetID?, limit: Int) async throws -> BudgetID? {
        let windows = try await database.fetching(.system) { tx in
            try tx.rows(
                """
                SELECT b.*, a.id AS account FROM budget b JOIN ledger_account a ON a.subject = b.id
                WHERE b.removed IS NULL AND b.period >= 'rolling:' AND b.period < 'rolling;' AND a.kind = 'budget'
                    AND a.debits > a.credits AND b.id > $1
                ORDER BY b.id LIMIT $2
                """,
                [after?.description ?? "", limit]
            ).map { Window(budget: try Budget(row: $0), account: try $0.value("account")) }
        }
        for window in windows { try await roll(window, at: now) }
        return windows.count == limit ? windows.last?.budget.id : nil
    }

    /// All steps or none: a node that did some of them meanwhile is found out by the next look.
    private func roll(_ window: Window, at now: Instant) async throws {
        guard case .rolling(let length) = window.budget.period, let step = window.budget.period.step else { return }
        let transfers = try await database.fetching(.system) { tx in
            let left = min(now, tx.now) - length
            let border = left.microseconds / step.microseconds * step.microseconds
            return try Self.spent(window, step, before: Instant(microseconds: border), tx).map { step, amount in
                Transfer(
                    id: TransferID("\(window.account)/roll/\(step.seconds)"), reason: .roll,
                    debit: PlatformAccounts.id(.consumed, window.budget.asset), credit: window.account,
                    amount: Amount(units: amount, window.budget.asset), accepted: step)
            }
        }
        if transfers.isEmpty { return }
        switch try await ledger.post([TransferGroup(transfers)]).first {
        case .posted, .repeated, .conflict: return
        case .insufficient, .escrowShort, .invalid, nil:
            throw Problem(.internalError, "A rolling budget could not be moved: \(window.budget.id).")
        }
    }

    /// What each step spent that left the window and has not been brought back.
    private static func spent(
        _ window: Window, _ step: Duration, before border: Instant, _ tx: any Tx
    ) throws -> [(step: Instant, amount: Int64)] {
        // By the step, and not by who posted last: identifiers go by the nodes' clocks, and those differ.
        let last = try tx.row(
            "SELECT MAX(accepted) AS step FROM transfer WHERE credit_account = $1 AND reason = 'roll'",
            [window.account])
        let rolled: Instant? = try last?.value("step")
        return try tx.rows(
            """
            SELECT posted / $2 AS step, CAST(SUM(amount) AS BIGINT) AS amount FROM transfer
            WHERE debit_account = $1 AND reason IN ('count', 'write_off') AND kind IN ('posted', 'post')
                AND posted >= $3 AND posted < $4
            GROUP BY posted / $2 ORDER BY step LIMIT $5
            """,
            [
                window.account, step.microseconds, rolled.map { $0 + step } ?? Instant(microseconds: 0), border,
                mostSteps,
            ]
        ).map {
            let number: Int64 = try $0.value("step")
            return (Instant(microseconds: number * step.microseconds), try $0.value("amount"))
        }
    }
}
