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

    private(set) var accounts: [AccountID: AccountRow] = [:]
    private(set) var escrows: [EscrowID: EscrowRow] = [:]
    /// In their order, which is their place.
    private(set) var accepted: [Transfer] = []
    private(set) var acceptedIDs: [TransferID: Int] = [:]
    /// As they were before the group that is being added.
    private var undo: [(account: AccountRow, id: AccountID)] = []
    private var undoEscrows: [EscrowRow] = []

    mutating func include(_ row: AccountRow) { accounts[row.account.id] = row }
    mutating func include(_ row: EscrowRow) { escrows[row.id] = row }

    /// Adds all of a group, or changes nothing.
    /// - Returns: why not.
    mutating func add(group: [Transfer]) -> PostingOutcome? {
        undo.removeAll(keepingCapacity: true)
        undoEscrows.removeAll(keepingCapacity: true)
        let count = accepted.count
        for transfer in group {
            guard let refusal = apply(transfer) else { continue }
            for (row, id) in undo.reversed() { accounts[id] = row }
            for row in undoEscrows.reversed() { escrows[row.id] = row }
            for transfer in accepted[count...] { acceptedIDs[transfer.id] = nil }
            accepted.removeLast(accepted.count - count)
            return refusal
        }
        return nil
    }

    private mutating func apply(_ transfer: Transfer) -> PostingOutcome? {
        if let words = fault(in: transfer) { return .invalid(words) }
        guard var debit = accounts[transfer.debit], var credit = accounts[transfer.credit] else { return nil }
        let before = (debit, credit)
        let amount = transfer.amount.units
        switch transfer.kind {
        case .posted:
            if let refusal = guardOf(debit, amount) { return refusal }
            guard debit.add(debits: amount), credit.add(credits: amount) else { return overflow(transfer) }
        case .pending, .post, .void, .expire:
            let held = transfer.kind == .pending ? amount : -amount
            if transfer.kind == .pending, let refusal = guardOf(debit, amount) { return refusal }
            if let refusal = move(held, in: transfer) { return refusal }
            guard debit.add(pending: held) else { return overflow(transfer) }
            if transfer.kind == .post {
                guard debit.add(debits: amount), credit.add(credits: amount) else { return overflow(transfer) }
            }
        }
        undo.append((before.0, transfer.debit))
        undo.append((before.1, transfer.credit))
        accounts[transfer.debit] = debit
        accounts[transfer.credit] = credit
        acceptedIDs[transfer.id] = accepted.count
        accepted.append(transfer)
        return nil
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
    private func fault(in transfer: Transfer) -> String? {
        let id = transfer.id.text
        guard transfer.id.isWellFormed else { return "\(id.prefix(96)) is not an identifier of a transfer" }
        guard transfer.amount.units > 0 else { return "\(id): an amount is at least 1" }
        guard transfer.debit != transfer.credit else { return "\(id): debit and credit are one account" }
        guard let debit = accounts[transfer.debit] else { return "\(id): \(transfer.debit) is not there" }
        guard let credit = accounts[transfer.credit] else { return "\(id): \(transfer.credit) is not there" }
        guard debit.account.asset == transfer.amount.asset, credit.account.asset == transfer.amount.asset else {
            return "\(id): its accounts are not of \(transfer.amount.asset)"
        }
        guard (transfer.kind == .posted) == (transfer.escrow == nil) else {
            return "\(id): an escrow is named by all kinds but `posted`"
        }
        guard transfer.kind == .posted || debit.account.limit != nil else {
            return "\(id): nothing is set aside of \(transfer.debit), which has no guard"
        }
        guard acceptedIDs[transfer.id] == nil else { return "\(id) is there twice" }
        return nil
    }

    private func overflow(_ transfer: Transfer) -> PostingOutcome {
        .invalid("\(transfer.id.text): the sums of its accounts do not fit")
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

extension TransferID {
    /// At most 96 bytes of `A-Z a-z 0-9 _ - / : .`.
    var isWellFormed: Bool {
        guard (1...96).contains(text.utf8.count) else { return false }
        return text.utf8.allSatisfy { byte in
            switch byte {
            // `-`, `.`, `/`, digits, `:`; letters; `_`.
            case 0x2D...0x3A, 0x41...0x5A, 0x61...0x7A, 0x5F: true
            default: false
            }
        }
    }
}
