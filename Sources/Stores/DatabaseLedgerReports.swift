package import Billing
package import Database
package import Kernel

/// The ledger as it is read: balances, statements, and everything for verification.
package struct DatabaseLedgerReports: LedgerReports {
    let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func examine<Result: Sendable>(
        _ body: @escaping @Sendable (any LedgerView) throws -> Result
    ) async throws -> Result {
        try await database.surveying(.system) { tx in try body(DatabaseLedgerView(tx)) }
    }

    package func balances(of tenant: TenantID, workspace: WorkspaceID?) async throws -> [WalletBalance] {
        try await database.fetching(.system) { tx in
            var sheets: [Currency: BalanceSheet] = [:]
            for (account, sums) in try WalletAccounts.all(of: tenant, tx) {
                guard let currency = account.asset.currency else { continue }
                if workspace == nil || account.workspace == workspace {
                    sheets[currency, default: BalanceSheet()].add(account, sums, now: tx.now)
                } else if account.workspace == nil {
                    sheets[currency, default: BalanceSheet()].share(account, sums, now: tx.now)
                }
            }
            // A receivable is opened in every currency; those in which nothing ever moved say nothing.
            return sheets.filter(\.value.hasMoved).sorted { $0.key.rawValue < $1.key.rawValue }
                .map { $0.value.balance(in: $0.key) }
        }
    }
}

/// Sums of wallet accounts in one currency. What does not fit stays at the end of the range.
private struct BalanceSheet {
    private var posted: Int128 = 0
    private var pending: Int128 = 0
    private var available: Int128 = 0
    private var shared: Int128 = 0
    private(set) var hasMoved = false

    mutating func add(_ account: Account, _ sums: AccountSums, now: Instant) {
        if sums != AccountSums() { hasMoved = true }
        posted += Int128(sums.credits) - Int128(sums.debits)
        pending += Int128(sums.pending)
        available += Self.available(account, sums, now)
    }

    mutating func share(_ account: Account, _ sums: AccountSums, now: Instant) {
        if sums != AccountSums() { hasMoved = true }
        shared += Self.available(account, sums, now)
    }

    /// Credit that has ended pays for nothing, also while it has not been taken back.
    private static func available(_ account: Account, _ sums: AccountSums, _ now: Instant) -> Int128 {
        if let ends = account.ends, ends <= now { return 0 }
        return Int128(sums.credits) - Int128(sums.debits) - Int128(sums.pending)
    }

    func balance(in currency: Currency) -> WalletBalance {
        WalletBalance(
            currency: currency, posted: Int64(clamping: posted), pending: Int64(clamping: pending),
            available: Int64(clamping: available), shared: Int64(clamping: shared))
    }
}

/// The accounts that tenants pay from.
enum WalletAccounts {
    static func all(of tenant: TenantID, _ tx: any Tx) throws -> [(account: Account, sums: AccountSums)] {
        let rows = try tx.rows(
            """
            SELECT * FROM ledger_account WHERE tenant_id = $1 AND kind IN ('credit', 'receivable') ORDER BY id
            """, [tenant])
        let accounts = try rows.map { (account: try Account(row: $0), sums: try AccountSums(row: $0)) }
        let summed = try DatabaseLedger.sums(of: accounts.map(\.account).filter { !$0.keepsSums }.map(\.id), tx)
        return accounts.map { $0.account.keepsSums ? $0 : ($0.account, summed[$0.account.id] ?? AccountSums()) }
    }
}
