import Kernel

/// Each account beside the transfers that debit it, those that credit it, and its escrows; then the assets.
struct AccountCheck {
    let grace: Duration
    let page: Int

    private struct Tally {
        var debits: Int128 = 0
        var credits: Int128 = 0
        var pending: Int128 = 0
        var escrows: [String: EscrowTally] = [:]
        /// Of another asset than the account's.
        var strange: [TransferRow] = []
        var first: TransferRow?

        mutating func debit(_ row: TransferRow) {
            let amount = Int128(row.amount)
            first = first ?? row
            switch Transfer.Kind(rawValue: row.kind) {
            case .posted: debits += amount
            case .pending: pending += amount
            case .post:
                debits += amount
                pending -= amount
            case .void, .expire: pending -= amount
            case nil: return
            }
            if let escrow = row.escrow { escrows[escrow, default: EscrowTally()].take(row) }
        }

        mutating func credit(_ row: TransferRow) {
            first = first ?? row
            switch Transfer.Kind(rawValue: row.kind) {
            case .posted, .post: credits += Int128(row.amount)
            case .pending, .void, .expire, nil: break
            }
        }
    }

    private struct EscrowTally {
        var set: Int128 = 0
        var taken: Int128 = 0

        mutating func take(_ row: TransferRow) {
            switch Transfer.Kind(rawValue: row.kind) {
            case .pending: set += Int128(row.amount)
            case .post, .void, .expire: taken += Int128(row.amount)
            case .posted, nil: break
            }
        }
    }

    /// What accounts of one asset say that was debited and credited.
    private struct Balance {
        var debits: Int128 = 0
        var credits: Int128 = 0
    }

    private struct Walk {
        var accounts: Pages<AccountRow>
        var debits: Pages<TransferRow>
        var credits: Pages<TransferRow>
        var escrows: Pages<EscrowRow>

        mutating func nextID() throws -> String? {
            try [accounts.peek()?.id, debits.peek()?.debit, credits.peek()?.credit, escrows.peek()?.account]
                .compactMap { $0 }.min()
        }
    }

    func run(over view: any LedgerView, _ counts: inout LedgerCounts, _ findings: inout LedgerFindings) throws {
        var walk = Walk(
            accounts: Pages(of: page, view.accounts),
            debits: Pages(of: page) { try view.transfers(in: .debit, after: $0, limit: $1) },
            credits: Pages(of: page) { try view.transfers(in: .credit, after: $0, limit: $1) },
            escrows: Pages(of: page, view.escrows))
        var balances: [String: Balance] = [:]
        let stale = view.now - grace
        while let id = try walk.nextID() {
            let account = try walk.accounts.next { $0.id == id }
            var tally = Tally()
            while let row = try walk.debits.next(if: { $0.debit == id }) {
                tally.debit(row)
                if let account { checkOwner(row, account, &findings) }
                if let account, row.asset != account.asset, tally.strange.count < 16 { tally.strange.append(row) }
            }
            while let row = try walk.credits.next(if: { $0.credit == id }) {
                tally.credit(row)
                if let account, row.asset != account.asset, tally.strange.count < 16 { tally.strange.append(row) }
            }
            while let row = try walk.escrows.next(if: { $0.account == id }) {
                counts.escrows += 1
                check(row, tally.escrows.removeValue(forKey: row.id), account?.asset ?? "", stale, &findings)
            }
            for (escrow, _) in tally.escrows.sorted(by: { $0.key < $1.key }) {
                findings.add(
                    .escrowMissing, [escrow, id], expected: "an escrow of account \(id)", found: "none",
                    "Transfers that debit account \(id) name the escrow \(escrow), which is not there, or not on that "
                        + "account.")
            }
            guard let account else {
                let row = tally.first
                findings.add(
                    .accountMissing, [id, row?.id], expected: "an account", found: "none",
                    "Account \(id), which \(row.map { "transfer \($0.id)" } ?? "an escrow") names, is not there.")
                continue
            }
            counts.accounts += 1
            check(account, tally, &findings)
            let sums = account.sums
            balances[account.asset, default: Balance()].debits += account.keepsSums ? Int128(sums.debits) : tally.debits
            balances[account.asset, default: Balance()].credits +=
                account.keepsSums ? Int128(sums.credits) : tally.credits
        }
        check(balances, &findings)
    }

    private func checkOwner(_ row: TransferRow, _ account: AccountRow, _ findings: inout LedgerFindings) {
        guard let tenant = account.tenant, row.tenant != tenant || row.workspace != account.workspace else { return }
        findings.add(
            .ownerDiffers, [row.id, account.id], expected: account.workspace ?? tenant,
            found: row.workspace ?? row.tenant,
            "Transfer \(row.id) is said to belong to another than the owner of account \(account.id), which it debits.")
    }

    private func check(_ account: AccountRow, _ tally: Tally, _ findings: inout LedgerFindings) {
        for row in tally.strange {
            findings.add(
                .assetMismatch, [row.id, account.id], expected: account.asset, found: row.asset,
                "Transfer \(row.id) moves \(row.asset) on account \(account.id), which counts \(account.asset).")
        }
        let name = "account \(account.id) (\(account.kind)\(account.subject.isEmpty ? "" : " of \(account.subject)"))"
        let columns = [
            ("debited", account.sums.debits, tally.debits), ("credited", account.sums.credits, tally.credits),
            ("set aside", account.sums.pending, tally.pending),
        ]
        for (word, found, sum) in columns {
            let expected = account.keepsSums ? sum : 0
            guard Int128(found) != expected else { continue }
            let (has, should) = (Spoken.amount(Int128(found), account.asset), Spoken.amount(expected, account.asset))
            findings.add(
                .sumsDiffer, [account.id], expected: should, found: has,
                account.keepsSums
                    ? "The row of \(name) says that \(has) are \(word), and its transfers sum to \(should)."
                    : "The row of \(name) says that \(has) are \(word), and accounts of its kind keep no sums.")
        }
        guard let limit = account.limit else { return }
        let most = tally.credits + Int128(max(limit, account.highestLimit ?? limit))
        let taken = tally.debits + tally.pending
        guard taken > most else { return }
        let (has, should) = (Spoken.amount(taken, account.asset), Spoken.amount(most, account.asset))
        findings.add(
            .guardPassed, [account.id], expected: "at most \(should)", found: has,
            "From \(name) \(has) are taken or set aside, and it may give \(should).")
    }

    private func check(
        _ row: EscrowRow, _ tally: EscrowTally?, _ asset: String, _ stale: Instant, _ findings: inout LedgerFindings
    ) {
        let tally = tally ?? EscrowTally()
        let left = tally.set - tally.taken
        let words = (
            set: Spoken.amount(tally.set, asset), taken: Spoken.amount(tally.taken, asset),
            left: Spoken.amount(left, asset), found: Spoken.amount(Int128(row.remaining), asset)
        )
        if left < 0 {
            findings.add(
                .escrowOverdrawn, [row.id, row.account], expected: "at most \(words.set)", found: words.taken,
                "\(words.taken) were posted or given back from escrow \(row.id), and \(words.set) were set aside in it."
            )
        }
        if Int128(row.remaining) != left {
            findings.add(
                .escrowDiffers, [row.id, row.account], expected: words.left, found: words.found,
                "The row of escrow \(row.id) says that it holds \(words.found), and its transfers leave \(words.left).")
        }
        guard row.remaining > 0 else { return }
        if row.hasEnded {
            findings.add(
                .escrowStale, [row.id, row.account, row.node], expected: "nothing", found: words.found,
                "Escrow \(row.id) has ended and still holds \(words.found), which nobody can take or give back.")
            return
        }
        guard let expires = row.expires else {
            findings.add(
                .escrowStale, [row.id, row.account, row.node], expected: "a node that holds it", found: "none",
                "Escrow \(row.id) holds \(words.found) for the node \(row.node), which is not known.")
            return
        }
        guard expires < stale else { return }
        findings.add(
            .escrowStale, [row.id, row.account, row.node], expected: "nothing after \(expires)", found: words.found,
            "Escrow \(row.id) still holds \(words.found) for the node \(row.node), whose right to spend ended at "
                + "\(expires): it should have been given back or written off.")
    }

    private func check(_ balances: [String: Balance], _ findings: inout LedgerFindings) {
        for (asset, balance) in balances.sorted(by: { $0.key < $1.key }) where balance.debits != balance.credits {
            let (debits, credits) = (Spoken.amount(balance.debits, asset), Spoken.amount(balance.credits, asset))
            findings.add(
                .assetUnbalanced, [asset], expected: debits, found: credits,
                "The accounts in \(asset) say that \(debits) were debited and \(credits) credited; both must be the "
                    + "same.")
        }
    }
}
