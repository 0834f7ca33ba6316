import Billing
import Kernel

/// The accounts and escrows that one transaction works on, as they are under its locks, and what becomes of them.
/// Pure: rows come in, and `accepted`, the changes and the refusals come out.
struct LedgerRows {
    struct AccountRow {
        let account: Account
        var sums: AccountSums
        /// What this transaction adds to the sums.
        var change = AccountSums()

        var spentBefore: Int64 { sums.debits - change.debits - (sums.credits - change.credits) }
        var spent: Int64 { sums.debits - sums.credits }
    }

    struct EscrowRow {
        let id: EscrowID
        let account: AccountID
        let holder: EscrowHolder
        var remaining: Int64
        var hasEnded: Bool
        var change: Int64 = 0
    }

    private(set) var accounts = AccountTable()
    private(set) var escrows: [EscrowID: EscrowRow] = [:]
    /// In their order, which is their place.
    private(set) var accepted: [Transfer] = []
    private(set) var acceptedIDs: [TransferID: Int] = [:]
    /// Where the accounts of those stand.
    private(set) var acceptedPlaces: [(debit: Int, credit: Int)] = []
    /// As they were before the group that is being added.
    private var undo: [(place: Int, sums: AccountSums, change: AccountSums)] = []
    private var undoEscrows: [EscrowRow] = []

    /// So many transfers are to come.
    mutating func reserve(_ count: Int) {
        accepted.reserveCapacity(count)
        acceptedIDs.reserveCapacity(count)
        acceptedPlaces.reserveCapacity(count)
    }

    mutating func include(_ row: AccountRow) { accounts.include(row) }
    mutating func include(_ row: EscrowRow) { escrows[row.id] = row }

    /// Adds all of a group, or changes nothing.
    /// - Returns: why not.
    mutating func add(group: [Transfer]) -> PostingOutcome? {
        undo.removeAll(keepingCapacity: true)
        undoEscrows.removeAll(keepingCapacity: true)
        let count = accepted.count
        for transfer in group {
            guard let refusal = apply(transfer) else { continue }
            for (place, sums, change) in undo.reversed() {
                accounts.rows[place].sums = sums
                accounts.rows[place].change = change
            }
            for row in undoEscrows.reversed() { escrows[row.id] = row }
            for undone in accepted[count...] + [transfer] where acceptedIDs[undone.id].map({ $0 >= count }) ?? false {
                acceptedIDs[undone.id] = nil
            }
            accepted.removeLast(accepted.count - count)
            acceptedPlaces.removeLast(acceptedPlaces.count - count)
            return refusal
        }
        return nil
    }

    private mutating func apply(_ transfer: Transfer) -> PostingOutcome? {
        let places = (debit: accounts.place(of: transfer.debit), credit: accounts.place(of: transfer.credit))
        if let words = fault(in: transfer, places.debit, places.credit) { return .invalid(words) }
        guard let debit = places.debit, let credit = places.credit else { return nil }
        if let first = acceptedIDs.updateValue(accepted.count, forKey: transfer.id) {
            acceptedIDs[transfer.id] = first
            return .invalid("\(transfer.id.text) is there twice")
        }
        for place in [debit, credit] {
            undo.append((place, accounts.rows[place].sums, accounts.rows[place].change))
        }
        let amount = transfer.amount.units
        switch transfer.kind {
        case .posted:
            if let refusal = guardOf(accounts.rows[debit], amount) { return refusal }
            guard count(amount, from: debit, to: credit) else { return overflow(transfer) }
        case .pending, .post, .void, .expire:
            let held = transfer.kind == .pending ? amount : -amount
            if transfer.kind == .pending, let refusal = guardOf(accounts.rows[debit], amount) { return refusal }
            if let refusal = move(held, in: transfer) { return refusal }
            guard accounts.rows[debit].add(pending: held) else { return overflow(transfer) }
            if transfer.kind == .post {
                guard count(amount, from: debit, to: credit) else { return overflow(transfer) }
            }
        }
        accepted.append(transfer)
        acceptedPlaces.append((debit, credit))
        return nil
    }

    private mutating func count(_ amount: Int64, from debit: Int, to credit: Int) -> Bool {
        accounts.rows[debit].add(debits: amount) && accounts.rows[credit].add(credits: amount)
    }

    private func guardOf(_ row: AccountRow, _ amount: Int64) -> PostingOutcome? {
        guard let limit = row.account.limit else { return nil }
        let available = row.sums.available(limit: limit)
        return amount <= available ? nil : .insufficient(row.account.id, available: available)
    }

    /// Changes what the transfer's escrow holds.
    private mutating func move(_ held: Int64, in transfer: Transfer) -> PostingOutcome? {
        guard let id = transfer.escrow else { return nil }
        guard var escrow = escrows[id], !escrow.hasEnded else { return .escrowShort(id, remaining: 0) }
        guard escrow.account == transfer.debit else { return .invalid("\(id) is not an escrow of \(transfer.debit)") }
        let (remaining, overflow) = escrow.remaining.addingReportingOverflow(held)
        guard remaining >= 0 else { return .escrowShort(id, remaining: escrow.remaining) }
        guard !overflow else { return self.overflow(transfer) }
        undoEscrows.append(escrow)
        escrow.remaining = remaining
        escrow.change += held
        escrows[id] = escrow
        return nil
    }

    /// What no state of the ledger makes right.
    private func fault(in transfer: Transfer, _ debit: Int?, _ credit: Int?) -> String? {
        var id: String { transfer.id.text }
        guard transfer.id.isWellFormed else { return "\(id.prefix(96)) is not an identifier of a transfer" }
        if let request = transfer.request, !transfer.id.isNamed(after: request) {
            return "\(id) is not named after \(request)"
        }
        guard transfer.amount.units > 0 else { return "\(id): an amount is at least 1" }
        guard transfer.debit != transfer.credit else { return "\(id): debit and credit are one account" }
        guard let debit else { return "\(id): \(transfer.debit) is not there" }
        guard let credit else { return "\(id): \(transfer.credit) is not there" }
        guard accounts.rows[debit].account.asset == transfer.amount.asset,
            accounts.rows[credit].account.asset == transfer.amount.asset
        else {
            return "\(id): its accounts are not of \(transfer.amount.asset)"
        }
        guard (transfer.kind == .posted) == (transfer.escrow == nil) else {
            return "\(id): an escrow is named by all kinds but `posted`"
        }
        guard transfer.kind == .posted || accounts.rows[debit].account.limit != nil else {
            return "\(id): nothing is set aside of \(transfer.debit), which has no guard"
        }
        return nil
    }

    private func overflow(_ transfer: Transfer) -> PostingOutcome {
        .invalid("\(transfer.id.text): the sums of its accounts do not fit")
    }
}

/// Accounts by their identifiers, changed where they stand: a batch changes the same few again and again.
struct AccountTable {
    private var places: [AccountID: Int] = [:]
    fileprivate(set) var rows: [LedgerRows.AccountRow] = []

    func place(of id: AccountID) -> Int? { places[id] }

    subscript(id: AccountID) -> LedgerRows.AccountRow? { places[id].map { rows[$0] } }

    fileprivate mutating func include(_ row: LedgerRows.AccountRow) {
        if let place = places[row.account.id] { return rows[place] = row }
        places[row.account.id] = rows.count
        rows.append(row)
    }
}

extension LedgerRows.AccountRow {
    /// - Returns: false when a sum does not fit.
    fileprivate mutating func add(debits: Int64 = 0, credits: Int64 = 0, pending: Int64 = 0) -> Bool {
        func sum(_ value: inout Int64, _ more: Int64) -> Bool {
            let (sum, overflow) = value.addingReportingOverflow(more)
            value = sum
            return !overflow
        }
        // Those that are not kept begin at 0 here; their change is a batch's, and fits if the batch's sums do.
        return sum(&sums.debits, debits) && sum(&sums.credits, credits) && sum(&sums.pending, pending)
            && sum(&change.debits, debits) && sum(&change.credits, credits) && sum(&change.pending, pending)
            && (debits == 0 && credits == 0 || !(sums.debits.subtractingReportingOverflow(sums.credits).overflow))
    }
}
