import Billing
import Database
import Kernel

/// What is stored at the end of a run.
struct MoneyRows: Sendable {
    struct Bill: Sendable {
        let request: RequestID
        let status: String
        let input: Int
        let output: Int
        let cached: Int
        let reasoning: Int
        let started: Instant
        let state: String
        let price: Int64?
        let currency: String?
        let version: Int

        init(row: Row) throws {
            request = try row.value("request_id")
            status = try row.value("status")
            input = try row.value("input_tokens")
            output = try row.value("output_tokens")
            cached = try row.value("cached_tokens")
            reasoning = try row.value("reasoning_tokens")
            started = try row.value("started")
            state = try row.value("bill_state")
            price = try row.value("price")
            currency = try row.value("price_currency")
            version = try row.value("price_version")
        }
    }

    struct Entry: Sendable {
        let id: String
        let kind: String
        let reason: String
        let debit: AccountID
        let credit: AccountID
        let amount: Int64
        let escrow: EscrowID?
        let request: RequestID?
        let accepted: Instant
        let posted: Instant

        init(row: Row) throws {
            id = try row.value("id")
            kind = try row.value("kind")
            reason = try row.value("reason")
            debit = try row.value("debit_account")
            credit = try row.value("credit_account")
            amount = try row.value("amount")
            escrow = try row.value("escrow_id")
            request = try row.value("request_id")
            accepted = try row.value("accepted")
            posted = try row.value("posted")
        }
    }

    let bills: [Bill]
    let entries: [Entry]
    /// What SQLite says of its file.
    let integrity: String
    /// Places of concurrency that somebody still has. Those of a lost node end with its lease.
    let places: [NodeID: Int]

    /// Every transfer, and in place of those of bundles what each request has in them.
    private static let parts =
        """
        SELECT posting_id, place, id, kind, reason, debit_account, credit_account, amount, escrow_id, request_id,
            accepted, posted
        FROM transfer WHERE bundle IS NULL
        UNION ALL
        SELECT t.posting_id, t.place, t.id, t.kind, t.reason, t.debit_account, t.credit_account,
            CASE t.line WHEN 0 THEN u.share_1 WHEN 1 THEN u.share_2 WHEN 2 THEN u.share_3 WHEN 3 THEN u.share_4
                WHEN 4 THEN u.share_5 ELSE u.share_6 END,
            t.escrow_id, u.request_id, u.started, t.posted
        FROM transfer t JOIN usage u ON u.posting_id = t.posting_id AND u.bundle = t.bundle
        ORDER BY posting_id, place
        """

    init(_ tx: any Tx) throws {
        bills = try tx.rows("SELECT * FROM usage ORDER BY request_id").map(Bill.init(row:))
        entries = try tx.rows(Self.parts).map(Entry.init(row:))
        integrity = try tx.row("PRAGMA integrity_check")?.value("integrity_check") ?? "no answer"
        places = Dictionary(
            try tx.rows("SELECT node_id, slots FROM rate_slot").map {
                (try $0.value("node_id", as: NodeID.self), try $0.value("slots", as: Int.self))
            }, uniquingKeysWith: +)
    }
}
