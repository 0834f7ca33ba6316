package import Billing
import Database
package import Kernel

extension DatabaseLedger {
    package func account(_ id: AccountID) async throws -> (account: Account, sums: AccountSums)? {
        try await database.fetching(.system) { tx in
            guard let row = try tx.row("SELECT * FROM ledger_account WHERE id = $1", [id]) else { return nil }
            let account = try Account(row: row)
            guard !account.keepsSums else { return (account, try AccountSums(row: row)) }
            return (account, try Self.sums(of: [id], tx)[id] ?? AccountSums())
        }
    }

    package func accounts(
        of tenant: TenantID?, workspace: WorkspaceID?
    ) async throws -> [(account: Account, sums: AccountSums)] {
        try await database.fetching(.system) { tx in
            let rows =
                if let workspace {
                    try tx.rows(
                        Self.current + " AND tenant_id = $2 AND workspace_id = $3 ORDER BY id",
                        [tx.now, tenant, workspace])
                } else if let tenant {
                    try tx.rows(Self.current + " AND tenant_id = $2 ORDER BY id", [tx.now, tenant])
                } else {
                    try tx.rows("SELECT * FROM ledger_account WHERE tenant_id IS NULL ORDER BY id")
                }
            let found = try rows.map { (account: try Account(row: $0), sums: try AccountSums(row: $0)) }
            let summed = try Self.sums(of: found.map(\.account).filter { !$0.keepsSums }.map(\.id), tx)
            return found.map { $0.account.keepsSums ? $0 : ($0.account, summed[$0.account.id] ?? AccountSums()) }
        }
    }

    package func transfers(of account: AccountID, page: PageRequest) async throws -> Page<Transfer> {
        let rows = try await database.fetching(.system) { tx in
            let place = try Self.place(of: page.after, tx)
            return try tx.rows(
                """
                SELECT * FROM (
                    SELECT * FROM (
                        SELECT * FROM transfer WHERE debit_account = $1 AND (posting_id, place) < ($2, $3)
                        ORDER BY posting_id DESC, place DESC LIMIT $4) AS debited
                    UNION ALL
                    SELECT * FROM (
                        SELECT * FROM transfer WHERE credit_account = $1 AND (posting_id, place) < ($2, $3)
                        ORDER BY posting_id DESC, place DESC LIMIT $4) AS credited
                ) AS touched ORDER BY posting_id DESC, place DESC LIMIT $4
                """,
                [account, place.posting, place.place, page.limit + 1]
            ).map(Transfer.init(row:))
        }
        return Page(rows: rows, limit: page.limit) { $0.id.text }
    }

    package func transfers(of request: RequestID) async throws -> [Transfer] {
        try await database.fetching(.system) { tx in
            // Their identifiers begin with the request's and a `/`, before which only `0` comes next.
            let own = try tx.rows(
                """
                SELECT * FROM transfer WHERE id > $1 AND id < $2 AND request_id = $3 ORDER BY posting_id, place
                """, ["\(request)/", "\(request)0", request]
            ).map(Transfer.init(row:))
            // Its row is written once: what it has in bundles was posted before what is named after it.
            return try Transfer.shares(of: request, tx) + own
        }
    }

    /// A budget by day leaves an account for every day.
    private static let current =
        """
        SELECT * FROM ledger_account WHERE (kind <> 'budget' OR ends IS NULL OR ends > $1 OR pending <> 0)
        """

    private static let debited = ListStatement(
        """
        SELECT debit_account AS id, CAST(SUM(amount) AS BIGINT) AS amount FROM transfer
        WHERE kind IN ('posted', 'post') AND debit_account
        """, " GROUP BY debit_account")
    private static let credited = ListStatement(
        """
        SELECT credit_account AS id, CAST(SUM(amount) AS BIGINT) AS amount FROM transfer
        WHERE kind IN ('posted', 'post') AND credit_account
        """, " GROUP BY credit_account")

    /// Of accounts that do not keep them. Nothing is set aside of those.
    static func sums(of accounts: [AccountID], _ tx: any Tx) throws -> [AccountID: AccountSums] {
        var sums: [AccountID: AccountSums] = [:]
        for row in try debited.rows(accounts, tx) {
            sums[try row.value("id"), default: AccountSums()].debits = try row.value("amount")
        }
        for row in try credited.rows(accounts, tx) {
            sums[try row.value("id"), default: AccountSums()].credits = try row.value("amount")
        }
        return sums
    }

    /// Where the page begins: after the transfer of that name.
    private static func place(of after: String?, _ tx: any Tx) throws -> (posting: String, place: Int64) {
        guard let after else { return ("~", 0) }
        guard let row = try tx.row("SELECT posting_id, place FROM transfer WHERE id = $1", [after]) else {
            throw Problem(
                .validationError, "`after` is not an identifier of this listing.", parameter: "after",
                hint: "Use the `last_id` of the page before.")
        }
        return (try row.value("posting_id"), try row.value("place"))
    }
}
