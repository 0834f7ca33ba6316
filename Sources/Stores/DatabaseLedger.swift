package import Billing
package import Database
package import Kernel

/// The ledger as rows. What it posts, it posts in guarded bodies: the accounts that keep sums are locked in the order
/// of their identifiers, everything is decided by what stands in them then, and written with its guard.
package struct DatabaseLedger: Ledger {
    let database: any Database
    let sealer: any LedgerSealer
    let ids: IDSource
    /// So many requests make a bundle. Fewer are booked one by one: a statement then tells each, and there is little to
    /// save.
    let bundled: Int
    private let queue: PostingQueue

    package init(_ database: any Database, sealing sealer: any LedgerSealer, ids: IDSource, bundling bundled: Int = 8) {
        self.database = database
        self.sealer = sealer
        self.ids = ids
        self.bundled = bundled
        queue = PostingQueue { groups in
            let posting = PostingSeal(id: ids.next(), sealer: sealer)
            return try await database.guarded(.system) { tx in try Self.post(groups, posting, tx) }
        }
    }

    package func open(_ accounts: [Account]) async throws {
        guard !accounts.isEmpty else { return }
        try await database.guarding(.system) { tx in try Self.open(accounts, tx) }
    }

    /// The platform's own for every asset, but for those of providers.
    package func openPlatformAccounts() async throws {
        let kinds = Account.Kind.allCases.filter(\.isPlatform)
        try await open(kinds.flatMap { kind in Asset.all.map { PlatformAccounts.account(kind, $0) } })
    }

    package func post(_ groups: [TransferGroup]) async throws -> [PostingOutcome] {
        do {
            return try await queue.post(groups)
        } catch let failure as DatabaseFailure {
            throw failure.problem
        }
    }

    /// For bodies that post beside other rows of theirs, in one transaction: all groups, or the first refusal.
    /// - Returns: nil when everything was posted, or was there already.
    static func postAll(_ groups: [TransferGroup], _ posting: PostingSeal, _ tx: any Tx) throws -> PostingOutcome? {
        try post(groups, posting, tx).first { $0 != .posted && $0 != .repeated }
    }

    static func post(_ groups: [TransferGroup], _ posting: PostingSeal, _ tx: any Tx) throws -> [PostingOutcome] {
        let transfers = groups.flatMap(\.transfers)
        var rows = try LedgerRows(for: transfers, tx)
        // After the locks: who wrote one of them under the same accounts is seen.
        let known = try Transfer.known(transfers.map(\.id).filter(\.isWellFormed), tx)
        let outcomes = groups.map { outcome(of: $0, known, &rows) }
        _ = try rows.write(posting, tx)
        return outcomes
    }

    private static func outcome(
        of group: TransferGroup, _ known: [TransferID: Transfer], _ rows: inout LedgerRows
    ) -> PostingOutcome {
        guard !group.transfers.isEmpty else { return .invalid("a group without transfers") }
        func written(_ id: TransferID) -> Transfer? { known[id] ?? rows.acceptedIDs[id].map { rows.accepted[$0] } }
        let found = group.transfers.map { (wanted: $0, written: written($0.id)) }
        // Every field is compared, and not a hash of them.
        if let other = found.first(where: { $0.written != nil && $0.written != $0.wanted }) {
            return .conflict(other.wanted.id)
        }
        guard let there = found.first(where: { $0.written != nil }) else {
            return rows.add(group: group.transfers) ?? .posted
        }
        return found.allSatisfy { $0.written != nil } ? .repeated : .conflict(there.wanted.id)
    }

    private static let opening =
        """
        INSERT INTO ledger_account
            (id, kind, asset, tenant_id, workspace_id, subject, credit_limit, begins, ends, opened)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING
        """
    private static let limiting =
        """
        UPDATE ledger_account SET credit_limit = $2,
            highest_limit = CASE WHEN COALESCE(highest_limit, credit_limit) > $2
                THEN COALESCE(highest_limit, credit_limit) ELSE $2 END
        WHERE id = $1 AND credit_limit IS NOT NULL AND credit_limit <> $2
        """

    /// An account never gets a guard, nor loses it: what it counted until then would be missing in its sums.
    static func open(_ accounts: [Account], _ tx: any Tx) throws {
        for account in accounts.sorted(by: { $0.id < $1.id }) {
            let added = try tx.run(
                opening,
                [
                    account.id, account.kind.rawValue, account.asset.text, account.tenant, account.workspace,
                    account.subject, account.limit, account.begins, account.ends, tx.now,
                ])
            if added == 0, let limit = account.limit { try tx.run(limiting, [account.id, limit]) }
        }
    }
}

extension LedgerRows {
    /// With every account and escrow that the transfers name.
    init(for transfers: [Transfer], _ tx: any Tx) throws {
        try self.init(
            accounts: Set(transfers.flatMap { [$0.debit, $0.credit] }), escrows: Set(transfers.compactMap(\.escrow)),
            tx)
        reserve(transfers.count)
    }
}
