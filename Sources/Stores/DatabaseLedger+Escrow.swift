package import Billing
import Database
package import Kernel

extension DatabaseLedger: EscrowStore {
    package func begin(
        _ node: NodeID, lasting length: Duration
    ) async throws -> (EscrowHolder, EscrowTerm) {
        try await openPlatformAccounts()
        return try await database.guarding(.system) { tx in
            let begun = try tx.row(
                """
                INSERT INTO billing_node (id, life, expires, state, changed) VALUES ($1, 1, $2, 'live', $3)
                ON CONFLICT (id) DO UPDATE SET life = billing_node.life + 1, expires = excluded.expires,
                    state = excluded.state, changed = excluded.changed
                RETURNING life
                """, [node, tx.now + length, tx.now])
            guard let begun else { throw DatabaseFailure.corrupt("a node's row was neither added nor changed") }
            return (EscrowHolder(node: node, life: try begun.value("life")), EscrowTerm(now: tx.now, length: length))
        }
    }

    /// Also after its end, as long as nobody wrote it off: what it holds is still set aside.
    package func renew(_ holder: EscrowHolder, lasting length: Duration) async throws -> EscrowTerm? {
        try await database.guarding(.system) { tx in
            let row = try tx.row(
                """
                UPDATE billing_node SET expires = CASE WHEN expires > $3 THEN expires ELSE $3 END
                WHERE id = $1 AND life = $2 AND state = 'live' RETURNING expires
                """, [holder.node, holder.life, tx.now + length])
            guard let row else { return nil }
            return EscrowTerm(now: tx.now, length: try row.value("expires", as: Instant.self) - tx.now)
        }
    }

    package func take(_ request: EscrowRequest, for holder: EscrowHolder) async throws -> EscrowAnswer {
        let posting = PostingSeal(id: ids.next(), sealer: sealer)
        return try await raced { [database] _ in
            try await database.guarding(.system) { tx in try Self.take(request, for: holder, posting, tx) }
        }
    }

    /// The node's row is locked before any account's, here and wherever a right ends: nothing is taken by one that has
    /// been written off.
    private static func take(
        _ request: EscrowRequest, for holder: EscrowHolder, _ posting: PostingSeal, _ tx: any Tx
    ) throws -> EscrowAnswer {
        let node = try tx.row(
            """
            SELECT expires FROM billing_node WHERE id = $1 AND life = $2 AND state = 'live' AND expires > $3
            """ + tx.dialect.sharing, [holder.node, holder.life, tx.now])
        guard let node else { return .fenced }
        let term = EscrowTerm(now: tx.now, length: try node.value("expires", as: Instant.self) - tx.now)
        var rows = try LedgerRows(accounts: [request.account], escrows: [request.escrow], tx)
        if let known = try Transfer.known([request.id], tx)[request.id] {
            guard known.kind == .pending, known.debit == request.account, known.escrow == request.escrow else {
                throw DatabaseFailure.statement("\(request.id.text) was another transfer")
            }
            return .granted(known.amount.units, term)
        }
        guard let account = rows.accounts[request.account], let limit = account.account.limit,
            account.account.ends.map({ tx.now < $0 }) ?? true
        else { return .closed }
        if let escrow = rows.escrows[request.escrow] {
            // An escrow is one life's, on one account, until its end.
            guard escrow.holder == holder, escrow.account == request.account, !escrow.hasEnded else { return .fenced }
        }
        let available = account.sums.available(limit: limit)
        let needed = max(request.needed, 1)
        guard available >= needed else {
            return .short(
                available: available, limit: limit, spent: account.spent, pending: account.sums.pending)
        }
        let granted = min(max(needed, available / 8), max(needed, request.wanted), available)
        let credit = counterpart(of: account.account)
        try rows.include(unguarded: [credit], tx)
        if rows.escrows[request.escrow] == nil { try rows.begin(request, of: holder, tx) }
        let transfer = Transfer(
            id: request.id, kind: .pending, reason: .escrow, debit: request.account, credit: credit,
            amount: Amount(units: granted, account.account.asset), escrow: request.escrow, accepted: tx.now)
        if let refusal = rows.add(group: [transfer]) {
            throw DatabaseFailure.corrupt("a slice could not be set aside: \(refusal)")
        }
        _ = try rows.write(posting, tx)
        return .granted(granted, EscrowTerm(now: term.now, length: term.length, left: available - granted))
    }

    /// What a guarded account is debited against.
    static func counterpart(of account: Account) -> AccountID {
        PlatformAccounts.id(account.kind == .budget ? .consumed : .revenue, account.asset)
    }

    package func giveBack(
        _ amount: Int64, of escrow: EscrowID, by holder: EscrowHolder, id: TransferID
    ) async throws -> Bool {
        let posting = PostingSeal(id: ids.next(), sealer: sealer)
        return try await raced { [database] _ in
            try await database.guarding(.system) { tx in
                guard let account = try Self.account(of: escrow, tx) else { return false }
                var rows = try LedgerRows(accounts: [account], escrows: [escrow], tx)
                if let known = try Transfer.known([id], tx)[id] {
                    return known.kind == .void && known.escrow == escrow && known.amount.units == amount
                }
                guard let row = rows.escrows[escrow], row.holder == holder, amount <= row.remaining else {
                    return false
                }
                let refusal = try rows.add(.void, .escrow, amount, of: row, id: id, tx)
                _ = try rows.write(posting, tx)
                return refusal == nil
            }
        }
    }

    package func want(_ accounts: [AccountID], by holder: EscrowHolder) async throws {
        guard !accounts.isEmpty else { return }
        try await database.guarding(.system) { tx in
            for account in Set(accounts).sorted() {
                try tx.run(
                    """
                    INSERT INTO escrow_want (account_id, node_id, wanted) VALUES ($1, $2, $3)
                    ON CONFLICT (account_id, node_id) DO UPDATE SET wanted = excluded.wanted
                    """, [account, holder.node, tx.now])
            }
            // Nobody looks that far back; the sweep is the work of those who ask.
            try tx.run(
                "DELETE FROM escrow_want WHERE wanted < $1 AND node_id = $2", [tx.now - .seconds(600), holder.node])
        }
    }

    package func wants(since time: Instant, except holder: EscrowHolder) async throws -> [AccountID] {
        try await database.fetching(.system) { tx in
            try tx.rows(
                """
                SELECT DISTINCT account_id FROM escrow_want WHERE wanted >= $1 AND node_id <> $2 ORDER BY account_id
                """, [time, holder.node]
            ).map { try $0.value("account_id") }
        }
    }

    static func account(of escrow: EscrowID, _ tx: any Tx) throws -> AccountID? {
        try tx.row("SELECT account_id FROM escrow WHERE id = $1", [escrow])?.value("account_id")
    }

    /// Runs it again when somebody else wrote the same identifier meanwhile.
    /// - Parameter work: is told whether it was run before.
    func raced<T: Sendable>(_ work: @Sendable (_ isRepeated: Bool) async throws -> T) async throws -> T {
        for turn in 0..<16 {
            do {
                return try await work(turn > 0)
            } catch is PostingRaced {}
        }
        throw DatabaseFailure.unavailable("identifiers are written by somebody else all the time").problem
    }
}

extension LedgerRows {
    /// Makes the row that the transfers of this transaction fill.
    fileprivate mutating func begin(_ request: EscrowRequest, of holder: EscrowHolder, _ tx: any Tx) throws {
        let added = try tx.run(
            """
            INSERT INTO escrow (id, account_id, node_id, life, remaining, opened) VALUES ($1, $2, $3, $4, 0, $5)
            ON CONFLICT (id) DO NOTHING
            """, [request.escrow, request.account, holder.node, holder.life, tx.now])
        guard added == 1 else { throw PostingRaced() }
        include(
            EscrowRow(id: request.escrow, account: request.account, holder: holder, remaining: 0, hasEnded: false))
    }

    /// Adds a transfer out of an escrow.
    mutating func add(
        _ kind: Transfer.Kind, _ reason: Transfer.Reason, _ amount: Int64, of escrow: EscrowRow, id: TransferID,
        _ tx: any Tx
    ) throws -> PostingOutcome? {
        guard let account = accounts[escrow.account]?.account else { return .invalid("an escrow without an account") }
        let credit = DatabaseLedger.counterpart(of: account)
        try include(unguarded: [credit], tx)
        return add(group: [
            Transfer(
                id: id, kind: kind, reason: reason, debit: escrow.account, credit: credit,
                amount: Amount(units: amount, account.asset), escrow: escrow.id, accepted: tx.now)
        ])
    }
}
