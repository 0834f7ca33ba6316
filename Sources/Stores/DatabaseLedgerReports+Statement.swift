package import Billing
import Database
package import Kernel

extension DatabaseLedgerReports {
    package func statement(_ query: StatementQuery, page: PageRequest) async throws -> Statement? {
        try await database.fetching(.system) { tx in
            guard let accounts = try Self.accounts(of: query.subject, tx), let asset = accounts.first?.asset else {
                return nil
            }
            let sums = StatementSums(
                accounts: accounts.map(\.id), isWallet: query.subject.isWallet, from: query.from, until: query.until)
            let opening = try sums.balance(before: nil, tx)
            let closing = try sums.closing(opening, tx)
            let start = try page.after.map { try sums.place(of: $0, tx) }
            var balance = try start.map { try sums.balance(before: $0, tx) } ?? opening
            let lines = try sums.lines(after: start, limit: page.limit + 1, tx).map { row in
                let line = try sums.line(row, after: balance)
                balance = line.balance
                return line
            }
            return Statement(
                asset: asset, opening: opening, closing: closing, pending: try sums.pending(tx),
                lines: Page(rows: lines, limit: page.limit) { $0.transfer.id.text })
        }
    }

    /// - Returns: nil when there is no such account. A wallet may have none yet: then what is owed stands for it.
    private static func accounts(of subject: StatementQuery.Subject, _ tx: any Tx) throws -> [Account]? {
        switch subject {
        case .account(let id):
            guard let row = try tx.row("SELECT * FROM ledger_account WHERE id = $1", [id]) else { return nil }
            return [try Account(row: row)]
        case .wallet(let tenant, let workspace, let currency):
            let found = try WalletAccounts.all(of: tenant, tx).map(\.account)
                .filter { $0.asset == .money(currency) && (workspace == nil || $0.workspace == workspace) }
            return found.isEmpty ? [Account(empty: tenant, workspace, currency)] : found
        }
    }
}

extension Account {
    fileprivate init(empty tenant: TenantID, _ workspace: WorkspaceID?, _ currency: Currency) {
        let asset = Asset.money(currency)
        self.init(
            id: workspace.map { PlatformAccounts.receivable(of: $0, asset) }
                ?? AccountID(ULID(high: 0, low: 0)),
            kind: .receivable, asset: asset, tenant: tenant, workspace: workspace, subject: "", limit: nil)
    }
}

extension StatementQuery.Subject {
    fileprivate var isWallet: Bool {
        switch self {
        case .account: false
        case .wallet: true
        }
    }
}

/// The transfers of some accounts in a span of time. Their order is that of postings, whose identifiers go by their
/// time; two nodes' clocks may differ by a little, and then a line stands a little too early or too late.
private struct StatementSums {
    let accounts: [AccountID]
    /// Then what is only set aside, and given back, is no line: nothing came in or went out.
    let isWallet: Bool
    let from: Instant
    let until: Instant

    struct Place: Sendable {
        let posting: String
        let place: Int64
    }

    /// Of what was posted before the span, or up to a line of it.
    func balance(before line: Place?, _ tx: any Tx) throws -> Int64 {
        try sum(from: nil, until: from, through: nil, tx)
            + (line.map { try sum(from: from, until: until, through: $0, tx) } ?? 0)
    }

    func closing(_ opening: Int64, _ tx: any Tx) throws -> Int64 {
        let (closing, overflow) = opening.addingReportingOverflow(
            try sum(from: from, until: until, through: nil, tx))
        guard !overflow else { throw DatabaseFailure.corrupt("the sums of a statement do not fit") }
        return closing
    }

    /// Credits less debits of all accounts.
    private func sum(from: Instant?, until: Instant, through place: Place?, _ tx: any Tx) throws -> Int64 {
        var total: Int128 = 0
        for account in accounts {
            let row = try tx.row(
                """
                SELECT
                    (SELECT COALESCE(CAST(SUM(amount) AS BIGINT), 0) FROM transfer
                        WHERE credit_account = $1 AND kind IN ('posted', 'post') AND posted >= $2 AND posted < $3
                            AND (posting_id, place) <= ($4, $5)) AS credits,
                    (SELECT COALESCE(CAST(SUM(amount) AS BIGINT), 0) FROM transfer
                        WHERE debit_account = $1 AND kind IN ('posted', 'post') AND posted >= $2 AND posted < $3
                            AND (posting_id, place) <= ($4, $5)) AS debits
                """,
                [
                    account, from ?? Instant(microseconds: .min), until, place?.posting ?? "~",
                    place?.place ?? Int64.max,
                ])
            guard let row else { continue }
            total += Int128(try row.value("credits", as: Int64.self)) - Int128(try row.value("debits", as: Int64.self))
        }
        return Int64(clamping: total)
    }

    func pending(_ tx: any Tx) throws -> Int64 {
        var total: Int128 = 0
        for account in accounts {
            let row = try tx.row("SELECT pending FROM ledger_account WHERE id = $1", [account])
            total += Int128(try row?.value("pending", as: Int64.self) ?? 0)
        }
        return Int64(clamping: total)
    }

    func lines(after start: Place?, limit: Int, _ tx: any Tx) throws -> [Row] {
        var found: [(posting: String, place: Int64, row: Row)] = []
        for account in accounts {
            let rows = try tx.rows(
                """
                SELECT * FROM (
                    SELECT * FROM (
                        SELECT * FROM transfer WHERE debit_account = $1 AND (posting_id, place) > ($2, $3)
                            AND posted >= $4 AND posted < $5
                            AND ($7 = 0 OR kind IN ('posted', 'post')) ORDER BY posting_id, place LIMIT $6) AS debited
                    UNION ALL
                    SELECT * FROM (
                        SELECT * FROM transfer WHERE credit_account = $1 AND (posting_id, place) > ($2, $3)
                            AND posted >= $4 AND posted < $5
                            AND ($7 = 0 OR kind IN ('posted', 'post')) ORDER BY posting_id, place LIMIT $6) AS credited
                ) AS touched ORDER BY posting_id, place LIMIT $6
                """,
                [account, start?.posting ?? "", start?.place ?? Int64(-1), from, until, limit, isWallet])
            for row in rows { found.append((try row.value("posting_id"), try row.value("place"), row)) }
        }
        var seen: Set<String> = []
        // One between two of the accounts is found twice, and is one line.
        return found.sorted { ($0.posting, $0.place) < ($1.posting, $1.place) }
            .filter { seen.insert("\($0.posting) \($0.place)").inserted }.prefix(limit).map(\.row)
    }

    func line(_ row: Row, after balance: Int64) throws -> StatementLine {
        let transfer = try Transfer(row: row)
        let moves = transfer.kind == .posted || transfer.kind == .post
        let into = moves && accounts.contains(transfer.credit) ? transfer.amount.units : 0
        let outOf = moves && accounts.contains(transfer.debit) ? transfer.amount.units : 0
        let change = into - outOf
        let (sum, overflow) = balance.addingReportingOverflow(change)
        guard !overflow else { throw DatabaseFailure.corrupt("the sums of a statement do not fit") }
        return StatementLine(transfer: transfer, posted: try row.value("posted"), change: change, balance: sum)
    }

    func place(of after: String, _ tx: any Tx) throws -> Place {
        let row = try tx.row(
            "SELECT posting_id, place, debit_account, credit_account, posted FROM transfer WHERE id = $1", [after])
        let known = Set(accounts.map(\.description))
        guard let row,
            try known.contains(row.value("debit_account")) || known.contains(row.value("credit_account")),
            try (from..<until).contains(row.value("posted"))
        else {
            throw Problem(
                .validationError, "`after` is not a transfer of this statement.", parameter: "after",
                hint: "Use the `last_id` of the page before.")
        }
        return Place(posting: try row.value("posting_id"), place: try row.value("place"))
    }
}
