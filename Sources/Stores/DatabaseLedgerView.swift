import Billing
import Database
import Kernel

/// The rows of one transaction, for verification: as they stand, also where somebody else wrote them.
final class DatabaseLedgerView: LedgerView {
    private let tx: any Tx

    init(_ tx: any Tx) { self.tx = tx }

    var now: Instant { tx.now }

    func postings(after: PostingRow?, limit: Int) throws -> [PostingRow] {
        try tx.rows(
            """
            SELECT p.id, p.transfers, p.digest, p.posted,
                CASE WHEN l.posting_id IS NULL THEN 0 ELSE 1 END AS is_linked,
                CASE WHEN u.posting_id IS NULL THEN 0 ELSE 1 END AS is_waiting
            FROM posting p LEFT JOIN ledger_link l ON l.posting_id = p.id
                LEFT JOIN posting_unlinked u ON u.posting_id = p.id
            WHERE p.id > $1 ORDER BY p.id LIMIT $2
            """, [after?.id ?? "", limit]
        ).map { row in
            PostingRow(
                id: try row.value("id"), transfers: try row.value("transfers"),
                digest: try row.value("digest", as: Bytes.self).bytes, posted: try row.value("posted"),
                isLinked: try row.value("is_linked"), isWaiting: try row.value("is_waiting"))
        }
    }

    func transfers(in order: TransferRow.Order, after: TransferRow?, limit: Int) throws -> [TransferRow] {
        let place: [any SQLRepresentable] = [after?.posting ?? "", after?.place ?? Int64.min, after?.id ?? "", limit]
        let values =
            switch order {
            case .posting: place
            case .debit: [after?.debit ?? ""] + place
            case .credit: [after?.credit ?? ""] + place
            // They are named after their requests, and all of those begin so.
            case .request: [after?.id ?? "req_", limit] as [any SQLRepresentable]
            }
        return try tx.rows(order.sql, values).map(TransferRow.init(row:))
    }

    func accounts(after: AccountRow?, limit: Int) throws -> [AccountRow] {
        try tx.rows("SELECT * FROM ledger_account WHERE id > $1 ORDER BY id LIMIT $2", [after?.id ?? "", limit])
            .map { row in
                AccountRow(
                    id: try row.value("id"), kind: try row.value("kind"), asset: try row.value("asset"),
                    subject: try row.value("subject"), tenant: try row.value("tenant_id"),
                    workspace: try row.value("workspace_id"), limit: try row.value("credit_limit"),
                    highestLimit: try row.value("highest_limit"), sums: try AccountSums(row: row))
            }
    }

    /// A life that a later one has followed has had its right until then.
    func escrows(after: EscrowRow?, limit: Int) throws -> [EscrowRow] {
        try tx.rows(
            """
            SELECT e.id, e.account_id, e.node_id, e.remaining, e.ended,
                CASE WHEN n.life = e.life THEN n.expires ELSE n.changed END AS expires
            FROM escrow e LEFT JOIN billing_node n ON n.id = e.node_id
            WHERE (e.account_id, e.id) > ($1, $2) ORDER BY e.account_id, e.id LIMIT $3
            """, [after?.account ?? "", after?.id ?? "", limit]
        ).map { row in
            EscrowRow(
                id: try row.value("id"), account: try row.value("account_id"), node: try row.value("node_id"),
                remaining: try row.value("remaining"), expires: try row.value("expires"),
                hasEnded: try row.value("ended", as: Instant?.self) != nil)
        }
    }

    func links(after: LinkRow?, limit: Int) throws -> [LinkRow] {
        try tx.rows(LinkRow.sql, [after?.number ?? Int64.min, limit]).map(LinkRow.init(row:))
    }

    func charges(after: ChargeRow?, limit: Int) throws -> [ChargeRow] {
        try tx.rows(
            """
            SELECT request_id, bill_state, price, price_currency, cost, cost_currency, tenant_id, workspace_id, started,
                posting_id, bundle, share_1, share_2, share_3, share_4, share_5, share_6
            FROM usage WHERE request_id > $1 ORDER BY request_id LIMIT $2
            """, [after?.request ?? "", limit]
        ).map { row in
            ChargeRow(
                request: try row.value("request_id"), state: try row.value("bill_state"),
                price: try row.value("price"), currency: try row.value("price_currency"),
                cost: try row.value("cost"), costCurrency: try row.value("cost_currency"),
                tenant: try row.value("tenant_id"), workspace: try row.value("workspace_id"),
                share: try ShareRow(row: row), started: try row.value("started"))
        }
    }

    func shares(after: ShareRow?, limit: Int) throws -> [ShareRow] {
        try tx.rows(
            """
            SELECT request_id, posting_id, bundle, share_1, share_2, share_3, share_4, share_5, share_6
            FROM usage WHERE posting_id IS NOT NULL AND (posting_id, request_id) > ($1, $2)
            ORDER BY posting_id, request_id LIMIT $3
            """, [after?.posting ?? "", after?.request ?? "", limit]
        ).compactMap(ShareRow.init(row:))
    }

    func lines(of posting: String, bundle: Int64) throws -> [TransferRow] {
        try tx.rows(
            "SELECT * FROM transfer WHERE posting_id = $1 AND bundle = $2 ORDER BY place, id LIMIT $3",
            [posting, bundle, BundleLine.most + 1]
        ).map(TransferRow.init(row:))
    }

    func suspended(after: SuspendedRow?, limit: Int) throws -> [SuspendedRow] {
        try tx.rows(
            """
            SELECT request_id, reason, amount, currency, resolved FROM suspense_item WHERE request_id > $1
            ORDER BY request_id LIMIT $2
            """, [after?.request ?? "", limit]
        ).map { row in
            SuspendedRow(
                request: try row.value("request_id"), reason: try row.value("reason"),
                amount: try row.value("amount"), currency: try row.value("currency"),
                isResolved: try row.value("resolved", as: Instant?.self) != nil)
        }
    }

    func waiting() throws -> (count: Int, withoutPosting: [String]) {
        let count = try tx.row("SELECT COUNT(*) AS n FROM posting_unlinked")?.value("n", as: Int.self) ?? 0
        let gone = try tx.rows(
            """
            SELECT u.posting_id FROM posting_unlinked u LEFT JOIN posting p ON p.id = u.posting_id
            WHERE p.id IS NULL ORDER BY u.posting_id LIMIT 100
            """
        ).map { try $0.value("posting_id", as: String.self) }
        return (count, gone)
    }
}

extension TransferRow {
    fileprivate init(row: Row) throws {
        self.init(
            id: try row.value("id"), posting: try row.value("posting_id"), place: try row.value("place"),
            kind: try row.value("kind"), reason: try row.value("reason"), debit: try row.value("debit_account"),
            credit: try row.value("credit_account"), asset: try row.value("asset"), amount: try row.value("amount"),
            escrow: try row.value("escrow_id"), request: try row.value("request_id"),
            tenant: try row.value("tenant_id"), workspace: try row.value("workspace_id"),
            accepted: try row.value("accepted"), posted: try row.value("posted"), bundle: try BundleLine(row: row))
    }
}

extension ShareRow {
    /// Nil for a row that has no share.
    fileprivate init?(row: Row) throws {
        guard let posting: String = try row.value("posting_id", as: String?.self) else { return nil }
        self.init(
            request: try row.value("request_id"), posting: posting,
            bundle: try row.value("bundle", as: Int64?.self) ?? -1,
            amounts: try (1...BundleLine.most).map { try row.value("share_" + String($0), as: Int64?.self) })
    }
}

extension TransferRow.Order {
    fileprivate var sql: String {
        switch self {
        case .posting:
            """
            SELECT * FROM transfer WHERE (posting_id, place, id) > ($1, $2, $3)
            ORDER BY posting_id, place, id LIMIT $4
            """
        case .debit:
            """
            SELECT * FROM transfer WHERE (debit_account, posting_id, place, id) > ($1, $2, $3, $4)
            ORDER BY debit_account, posting_id, place, id LIMIT $5
            """
        case .credit:
            """
            SELECT * FROM transfer WHERE (credit_account, posting_id, place, id) > ($1, $2, $3, $4)
            ORDER BY credit_account, posting_id, place, id LIMIT $5
            """
        case .request:
            """
            SELECT * FROM transfer WHERE id > $1 AND id < 'req`' AND request_id IS NOT NULL
            AND substr(id, 1, length(request_id) + 1) = request_id || '/' ORDER BY id LIMIT $2
            """
        }
    }
}

extension LinkRow {
    static let sql =
        """
        SELECT l.number, l.posting_id, l.previous, l.seal, p.id, p.transfers, p.digest, p.posted
        FROM ledger_link l LEFT JOIN posting p ON p.id = l.posting_id
        WHERE l.number > $1 ORDER BY l.number LIMIT $2
        """

    init(row: Row) throws {
        let posting: String = try row.value("posting_id")
        var content: Posting?
        if try row.value("id", as: String?.self) != nil, let id = PostingID(posting), "\(id)" == posting {
            content = Posting(
                id: id, transfers: try row.value("transfers"), digest: try row.value("digest", as: Bytes.self).bytes,
                posted: try row.value("posted"))
        }
        self.init(
            number: try row.value("number"), posting: posting,
            previous: try row.value("previous", as: Bytes.self).bytes,
            seal: try row.value("seal", as: Bytes.self).bytes, content: content)
    }
}
