import Billing
import Kernel

/// The ledger's rules once more, written as plainly as they can be said: everything is summed from a list of transfers,
/// each time. What the real one is compared with.
struct PlainLedger {
    private(set) var accounts: [AccountID: Account]
    private(set) var escrows: [EscrowID: (account: AccountID, isOpen: Bool)] = [:]
    private(set) var transfers: [Transfer] = []

    init(_ accounts: [Account]) { self.accounts = Dictionary(uniqueKeysWithValues: accounts.map { ($0.id, $0) }) }

    func sums(_ account: AccountID) -> AccountSums {
        var sums = AccountSums()
        for transfer in transfers {
            let amount = transfer.amount.units
            if transfer.debit == account {
                switch transfer.kind {
                case .posted: sums.debits += amount
                case .pending: sums.pending += amount
                case .post:
                    sums.debits += amount
                    sums.pending -= amount
                case .void, .expire: sums.pending -= amount
                }
            }
            if transfer.credit == account, transfer.kind == .posted || transfer.kind == .post {
                sums.credits += amount
            }
        }
        return sums
    }

    func remaining(_ escrow: EscrowID) -> Int64 {
        transfers.filter { $0.escrow == escrow }.reduce(0) {
            $0 + ($1.kind == .pending ? $1.amount.units : -$1.amount.units)
        }
    }

    mutating func post(_ group: TransferGroup) -> PostingOutcome {
        let there = group.transfers.filter { wanted in transfers.contains { $0.id == wanted.id } }
        if let other = there.first(where: { !transfers.contains($0) }) { return .conflict(other.id) }
        if there.count == group.transfers.count { return .repeated }
        if let one = there.first { return .conflict(one.id) }
        let before = transfers
        for transfer in group.transfers {
            if let refusal = refusal(of: transfer) {
                transfers = before
                return refusal
            }
            transfers.append(transfer)
        }
        return .posted
    }

    private func refusal(of transfer: Transfer) -> PostingOutcome? {
        let amount = transfer.amount.units
        let takes = transfer.kind == .posted || transfer.kind == .pending
        if takes, let limit = accounts[transfer.debit]?.limit {
            let sums = sums(transfer.debit)
            let available = max(0, sums.credits + limit - sums.debits - sums.pending)
            if amount > available { return .insufficient(transfer.debit, available: available) }
        }
        guard let escrow = transfer.escrow else { return nil }
        guard let state = escrows[escrow], state.isOpen else { return .escrowShort(escrow, remaining: 0) }
        let remaining = remaining(escrow)
        if !takes, amount > remaining { return .escrowShort(escrow, remaining: remaining) }
        return nil
    }

    mutating func take(_ units: Int64, of account: AccountID, _ escrow: EscrowID, _ transfer: Transfer) {
        if escrows[escrow] == nil { escrows[escrow] = (account, true) }
        transfers.append(transfer)
    }

    mutating func end(_ escrow: EscrowID, adding transfer: Transfer?) {
        if let transfer { transfers.append(transfer) }
        escrows[escrow]?.isOpen = false
    }

    mutating func setLimit(_ limit: Int64, of id: AccountID) {
        guard let old = accounts[id] else { return }
        accounts[id] = Account(
            id: id, kind: old.kind, asset: old.asset, tenant: old.tenant, workspace: old.workspace,
            subject: old.subject, limit: limit, begins: old.begins, ends: old.ends)
    }
}
