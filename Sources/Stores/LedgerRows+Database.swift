import Billing
import Database
import Kernel

/// Somebody else wrote one of the identifiers between the look for them and their insertion. Nothing took place; run
/// again, the look finds them.
struct PostingRaced: Error {}

/// How a body names what it posts: made before it runs.
struct PostingSeal: Sendable {
    let id: PostingID
    let sealer: any LedgerSealer
}

// MARK: - Reading, under locks

extension LedgerRows {
    private static let guarded = ListStatement(
        "SELECT * FROM ledger_account WHERE (credit_limit IS NOT NULL OR kind = 'budget') AND id", " ORDER BY id")
    private static let free = ListStatement(
        "SELECT * FROM ledger_account WHERE credit_limit IS NULL AND kind <> 'budget' AND id")
    private static let ofEscrows = ListStatement("SELECT * FROM escrow WHERE id")

    /// Locks the accounts that keep sums, in the order of their identifiers, and only then reads escrows: those change
    /// under their account's lock alone. Everybody who posts comes through here.
    init(accounts: Set<AccountID>, escrows: Set<EscrowID>, _ tx: any Tx) throws {
        self.init()
        let ids = accounts.sorted()
        for row in try Self.guarded.rows(ids, tx, locking: tx.dialect.locked) { include(try AccountRow(row: row)) }
        try include(unguarded: accounts, tx)
        for row in try Self.ofEscrows.rows(escrows.sorted(), tx) { include(try EscrowRow(row: row)) }
    }

    /// Reads accounts that nobody's sums are kept in: they are immutable, and need no lock.
    mutating func include(unguarded accounts: Set<AccountID>, _ tx: any Tx) throws {
        let missing = accounts.filter { self.accounts[$0] == nil }.sorted()
        for row in try Self.free.rows(missing, tx) { include(try AccountRow(row: row)) }
    }
}

extension LedgerRows.AccountRow {
    init(row: Row) throws {
        self.init(account: try Account(row: row), sums: try AccountSums(row: row))
    }
}

extension LedgerRows.EscrowRow {
    init(row: Row) throws {
        let ended: Instant? = try row.value("ended")
        self.init(
            id: try row.value("id"), account: try row.value("account_id"),
            holder: EscrowHolder(node: try row.value("node_id"), life: try row.value("life")),
            remaining: try row.value("remaining"), hasEnded: ended != nil)
    }
}

extension AccountSums {
    init(row: Row) throws {
        self.init(
            debits: try row.value("debits"), credits: try row.value("credits"), pending: try row.value("pending"))
    }
}

extension Account {
    init(row: Row) throws {
        let text: String = try row.value("asset")
        guard let asset = Asset(text) else { throw DatabaseFailure.corrupt("an account holds no known asset") }
        self.init(
            id: try row.value("id"), kind: try row.value("kind"), asset: asset, tenant: try row.value("tenant_id"),
            workspace: try row.value("workspace_id"), subject: try row.value("subject"),
            limit: try row.value("credit_limit"), begins: try row.value("begins"), ends: try row.value("ends"))
    }
}

extension Transfer {
    init(row: Row) throws {
        let text: String = try row.value("asset")
        guard let asset = Asset(text) else { throw DatabaseFailure.corrupt("a transfer holds no known asset") }
        self.init(
            id: TransferID(try row.value("id")), kind: try row.value("kind"), reason: try row.value("reason"),
            debit: try row.value("debit_account"), credit: try row.value("credit_account"),
            amount: Amount(units: try row.value("amount"), asset), escrow: try row.value("escrow_id"),
            request: try row.value("request_id"), accepted: try row.value("accepted"),
            bundle: try BundleLine(row: row))
    }

    private static let known = ListStatement("SELECT * FROM transfer WHERE id")

    /// Those of the identifiers that are there.
    static func known(_ ids: [TransferID], _ tx: any Tx) throws -> [TransferID: Transfer] {
        let rows = try known.rows(ids.map(\.text), tx)
        return Dictionary(try rows.map(Transfer.init(row:)).map { ($0.id, $0) }) { first, _ in first }
    }
}

extension BundleLine {
    init?(row: Row) throws {
        guard let bundle: Int = try row.value("bundle", as: Int?.self) else { return nil }
        // What is missing is found out by verification, and stops nobody from reading.
        self.init(
            bundle: bundle, line: try row.value("line", as: Int?.self) ?? -1,
            requests: try row.value("requests", as: Int?.self) ?? -1)
    }
}

// MARK: - Writing

extension LedgerRows {
    private static let inserting = RowsStatement(
        """
        INSERT INTO transfer (id, posting_id, place, kind, reason, debit_account, credit_account, asset, amount,
            escrow_id, request_id, tenant_id, workspace_id, accepted, posted, bundle, line, requests)
        """, columns: 18, " ON CONFLICT (id) DO NOTHING")
    private static let changing = RowsStatement(
        "WITH change (account, debited, credited, held) AS (", columns: 4,
        """
        )
        UPDATE ledger_account SET debits = debits + debited, credits = credits + credited, pending = pending + held
        FROM change WHERE id = account AND (credit_limit IS NULL OR debited + held - credited <= 0
            OR debits - credits + pending + debited + held - credited <= credit_limit)
        """)
    private static let moving = RowsStatement(
        "WITH change (slice, held) AS (", columns: 2,
        """
        )
        UPDATE escrow SET remaining = remaining + held
        FROM change WHERE id = slice AND ended IS NULL AND remaining + held >= 0
        """)

    /// Writes what was accepted as one posting. The guards stand in the updates' own conditions too: what was computed
    /// above them is not trusted.
    /// - Parameter shares: that usage rows have in its bundles, in the order of their requests.
    /// - Returns: the alerts that were set off.
    func write(_ posting: PostingSeal, shares: [BundleShare] = [], _ tx: any Tx) throws -> [BudgetEvent] {
        guard !accepted.isEmpty else { return [] }
        guard try tx.run(Self.inserting, block(of: posting.id, at: tx.now)) == accepted.count else {
            throw PostingRaced()
        }
        let changed = accounts.rows.filter { $0.account.keepsSums && $0.change != AccountSums() }
            .sorted { $0.account.id < $1.account.id }
        var changes = Self.changing.block(rows: changed.count)
        for row in changed {
            changes.add(row.account.id)
            changes.add(row.change.debits)
            changes.add(row.change.credits)
            changes.add(row.change.pending)
        }
        guard try tx.run(Self.changing, changes) == changed.count else {
            throw DatabaseFailure.corrupt("an account's guard refused what its row allowed")
        }
        let moved = escrows.values.filter { $0.change != 0 }.sorted { $0.id < $1.id }
        var moves = Self.moving.block(rows: moved.count)
        for escrow in moved {
            moves.add(escrow.id)
            moves.add(escrow.change)
        }
        guard try tx.run(Self.moving, moves) == moved.count else {
            throw DatabaseFailure.corrupt("an escrow's guard refused what its row allowed")
        }
        let digest = LedgerChain.digest(of: posting.id, accepted, shares: shares, by: posting.sealer)
        try tx.run(
            "INSERT INTO posting (id, transfers, digest, posted) VALUES ($1, $2, $3, $4)",
            [posting.id, accepted.count, Bytes(digest), tx.now])
        try tx.run("INSERT INTO posting_unlinked (posting_id) VALUES ($1)", [posting.id])
        return try BudgetAlerts.write(for: changed, tx)
    }
}

extension LedgerRows {
    /// What the rows of a posting say of an account.
    private struct Words {
        let id: RowBlock.Cell
        let hasTenant: Bool
        let tenant: RowBlock.Cell
        let workspace: RowBlock.Cell
    }

    /// The rows of a posting. What they say of its accounts and escrows is written once: a batch names the same few
    /// again and again.
    private func block(of posting: PostingID, at now: Instant) -> RowBlock {
        var rows = Self.inserting.block(rows: accepted.count)
        let words = accounts.rows.map { row in
            Words(
                id: rows.keep(row.account.id), hasTenant: row.account.tenant != nil,
                tenant: rows.keep(row.account.tenant), workspace: rows.keep(row.account.workspace))
        }
        let escrows = escrows.mapValues { rows.keep($0.id) }
        for (place, transfer) in accepted.enumerated() {
            let debit = words[acceptedPlaces[place].debit]
            let credit = words[acceptedPlaces[place].credit]
            let owner = debit.hasTenant ? debit : credit
            rows.add(transfer.id.text)
            rows.add(posting)
            rows.add(place)
            rows.add(transfer.kind.rawValue)
            rows.add(transfer.reason.rawValue)
            rows.add(debit.id)
            rows.add(credit.id)
            rows.add(transfer.amount.asset.text)
            rows.add(transfer.amount.units)
            rows.add(transfer.escrow.map { escrows[$0] ?? rows.keep($0) } ?? .null)
            rows.add(transfer.request)
            rows.add(owner.tenant)
            rows.add(owner.workspace)
            rows.add(transfer.accepted)
            rows.add(now)
            rows.add(transfer.bundle.map { Int64($0.bundle) })
            rows.add(transfer.bundle.map { Int64($0.line) })
            rows.add(transfer.bundle.map { Int64($0.requests) })
        }
        return rows
    }
}
