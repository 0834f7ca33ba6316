package import Billing
import Database
import Kernel

// Lives end here: given back where their journal says everything, written off where nobody knows.
extension DatabaseLedger {
    /// Escrows that one transaction ends.
    private static let ending = 200

    package func release(livesBefore holder: EscrowHolder) async throws -> Int {
        try await giveBackAll(
            """
            SELECT id, account_id FROM escrow WHERE node_id = $1 AND life < $2 AND ended IS NULL
            ORDER BY account_id, id LIMIT $3
            """, [holder.node, holder.life], kind: .expire)
    }

    package func end(_ holder: EscrowHolder) async throws {
        // The right first: nothing is taken any more that nobody would give back.
        try await database.guarding(.system) { tx in
            try tx.run(
                """
                UPDATE billing_node SET state = 'ended', expires = $3, changed = $3
                WHERE id = $1 AND life = $2 AND state = 'live'
                """, [holder.node, holder.life, tx.now])
        }
        _ = try await giveBackAll(
            """
            SELECT id, account_id FROM escrow WHERE node_id = $1 AND life = $2 AND ended IS NULL
            ORDER BY account_id, id LIMIT $3
            """, [holder.node, holder.life], kind: .void)
    }

    package func writeOff(after grace: Duration, limit: Int) async throws -> [EscrowState] {
        var lost: [EscrowState] = []
        while lost.count < limit {
            let posting = PostingSeal(id: ids.next(), sealer: sealer)
            let most = min(Self.ending, limit - lost.count)
            let (found, part) = try await raced { [database] _ in
                try await database.guarding(.system) { tx in
                    try Self.writeOff(before: tx.now - grace, limit: most, posting, tx)
                }
            }
            lost += part
            if found < most { break }
        }
        return lost
    }

    package func outstanding() async throws -> [EscrowState] {
        try await database.fetching(.system) { tx in
            try tx.rows(
                """
                SELECT e.id, e.account_id, e.node_id, e.life, e.remaining,
                    CASE WHEN n.life = e.life THEN n.expires ELSE n.changed END AS expires
                FROM escrow e JOIN billing_node n ON n.id = e.node_id
                WHERE e.ended IS NULL AND e.remaining > 0 ORDER BY e.id
                """
            ).map(EscrowState.init(row:))
        }
    }

    /// - Parameter found: the escrows to end, whose arguments are followed by how many.
    private func giveBackAll(
        _ found: String, _ arguments: [any SQLRepresentable], kind: Transfer.Kind
    ) async throws -> Int {
        var count = 0
        while true {
            let posting = PostingSeal(id: ids.next(), sealer: sealer)
            let part = try await raced { [database] _ in
                try await database.guarding(.system) { tx in
                    try Self.giveBack(try tx.rows(found, arguments + [Self.ending]), kind, posting, tx)
                }
            }
            count += part.ended
            if part.found < Self.ending { return count }
        }
    }

    private static func giveBack(
        _ found: [Row], _ kind: Transfer.Kind, _ posting: PostingSeal, _ tx: any Tx
    ) throws -> (found: Int, ended: Int) {
        var rows = try LedgerRows(ofEscrows: found, tx)
        let open = rows.escrows.values.filter { !$0.hasEnded }.sorted { $0.id < $1.id }
        for escrow in open where escrow.remaining > 0 {
            let id = TransferID("\(escrow.id)/\(kind.rawValue)")
            if let refusal = try rows.add(kind, .escrow, escrow.remaining, of: escrow, id: id, tx) {
                throw DatabaseFailure.corrupt("an escrow could not be given back: \(refusal)")
            }
        }
        _ = try rows.write(posting, tx)
        try end(open, tx)
        return (found.count, open.count)
    }

    /// In this order, and not by a JOIN: SQLite would go through the escrows that have ended too.
    private static let lost =
        """
        SELECT e.id, e.account_id, n.id AS node_id, n.life AS node_life, e.life,
            CASE WHEN n.life = e.life THEN n.expires ELSE n.changed END AS expires
        FROM billing_node n CROSS JOIN escrow e
        WHERE e.node_id = n.id AND e.ended IS NULL
            AND (n.life = e.life AND n.expires <= $1 OR n.life > e.life AND n.changed <= $1)
        ORDER BY e.account_id, e.id LIMIT $2
        """

    /// Of lives whose right ended before `time`, and of those that a later life has not released since then: whatever
    /// it does, it cannot tell any more what they spent.
    private static func writeOff(
        before time: Instant, limit: Int, _ posting: PostingSeal, _ tx: any Tx
    ) throws -> (found: Int, lost: [EscrowState]) {
        let found = try tx.rows(lost, [time, limit])
        let gone = try fenced(found, before: time, tx)
        var rows = try LedgerRows(ofEscrows: gone, tx)
        let open = rows.escrows.values.filter { !$0.hasEnded }.sorted { $0.id < $1.id }
        for escrow in open where escrow.remaining > 0 { try rows.writeOff(escrow, tx) }
        _ = try rows.write(posting, tx)
        try end(open, tx)
        let ends = Dictionary(
            try gone.map { (try $0.value("id", as: EscrowID.self), try $0.value("expires", as: Instant.self)) }
        ) { first, _ in first }
        let states = open.filter { $0.remaining > 0 }.map {
            EscrowState(
                id: $0.id, account: $0.account, holder: $0.holder, remaining: $0.remaining,
                expires: ends[$0.id] ?? time)
        }
        return (found.count, states)
    }

    /// Ends the rights of those who hold what was found, and leaves out what is not lost once their rows are locked:
    /// somebody renewed, or began anew, since the look.
    private static func fenced(_ found: [Row], before time: Instant, _ tx: any Tx) throws -> [Row] {
        var ends: [EscrowHolder: (right: Instant, begun: Instant)] = [:]
        for holder in Set(try found.map(EscrowHolder.init(node:))).sorted(by: { $0.node < $1.node }) {
            let row = try tx.row(
                """
                UPDATE billing_node SET state = CASE WHEN expires <= $3 THEN 'written_off' ELSE state END
                WHERE id = $1 AND life = $2 RETURNING expires, changed
                """, [holder.node, holder.life, time])
            guard let row else { continue }
            ends[holder] = (try row.value("expires"), try row.value("changed"))
        }
        return try found.filter { row in
            let holder = try EscrowHolder(node: row)
            guard let end = ends[holder] else { return false }
            return try row.value("life") == holder.life ? end.right <= time : end.begun <= time
        }
    }

    private static func end(_ escrows: [LedgerRows.EscrowRow], _ tx: any Tx) throws {
        for escrow in escrows {
            try tx.run("UPDATE escrow SET ended = $2 WHERE id = $1 AND ended IS NULL", [escrow.id, tx.now])
        }
    }
}

extension LedgerRows {
    /// - Parameter found: rows with an escrow's `id` and its `account_id`.
    fileprivate init(ofEscrows found: [Row], _ tx: any Tx) throws {
        try self.init(
            accounts: Set(try found.map { try $0.value("account_id") }),
            escrows: Set(try found.map { try $0.value("id") }), tx)
    }

    /// A budget counts it as spent, so that its wall holds whatever the node did. Credit goes back to the tenant, and
    /// the platform bears what may have been served for it: what is suspended later is weighed up against that.
    fileprivate mutating func writeOff(_ escrow: EscrowRow, _ tx: any Tx) throws {
        let isBudget = accounts[escrow.account]?.account.kind == .budget
        let id = "\(escrow.id)/write_off"
        var refusal = try add(
            isBudget ? .post : .void, .writeOff, escrow.remaining, of: escrow, id: TransferID(id), tx)
        if refusal == nil, !isBudget, let asset = accounts[escrow.account]?.account.asset {
            let loss = PlatformAccounts.id(.loss, asset)
            let suspense = PlatformAccounts.id(.suspense, asset)
            try include(unguarded: [loss, suspense], tx)
            refusal = add(group: [
                Transfer(
                    id: TransferID(id + "/loss"), reason: .writeOff, debit: loss, credit: suspense,
                    amount: Amount(units: escrow.remaining, asset), accepted: tx.now)
            ])
        }
        if let refusal { throw DatabaseFailure.corrupt("an escrow could not be written off: \(refusal)") }
    }
}

extension EscrowHolder {
    fileprivate init(node row: Row) throws {
        self.init(node: try row.value("node_id"), life: try row.value("node_life"))
    }
}

extension EscrowState {
    fileprivate init(row: Row) throws {
        self.init(
            id: try row.value("id"), account: try row.value("account_id"),
            holder: EscrowHolder(node: try row.value("node_id"), life: try row.value("life")),
            remaining: try row.value("remaining"), expires: try row.value("expires"))
    }
}
