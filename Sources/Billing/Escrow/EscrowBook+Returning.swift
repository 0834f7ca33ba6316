package import Kernel

/// A part of a slice on its way back to the ledger.
package struct EscrowReturn: Sendable, Hashable {
    package let id: TransferID
    package let account: AccountID
    package let escrow: EscrowID
    package let amount: Int64
}

extension EscrowBook {
    /// What to give back now: slices that nobody uses, of periods that are over, and those that another node wants.
    /// Until `returned` says how it went, the same is named again.
    /// - Parameters:
    ///   - wanted: by other nodes.
    ///   - all: for a node that ends.
    package mutating func giveBack(
        wanted: Set<AccountID>, all: Bool = false, at uptime: Duration, limit: Int
    ) -> [EscrowReturn] {
        guard let right else { return [] }
        let now = right.time(at: uptime)
        thrifty = thrifty.filter { uptime - $0.value < settings.thrift }
        for account in wanted where slices[account] != nil { thrifty[account] = uptime }
        for account in slices.keys.sorted() where returns.count < limit {
            guard var slice = slices[account] else { continue }
            let isUnused = uptime - slice.used.last >= settings.idle
            if slice.isBare, isUnused || slice.isOver(at: now) {
                slices[account] = nil
                continue
            }
            guard slice.free > 0, all || isUnused || slice.isOver(at: now) || wanted.contains(account) else { continue }
            let id = nextID("void", of: slice.escrow)
            returns[id] = EscrowReturn(id: id, account: account, escrow: slice.escrow, amount: slice.free)
            slice.returning = saturating(slice.returning, slice.free)
            slice.free = 0
            slices[account] = slice
        }
        return returns.values.sorted { $0.id.text < $1.id.text }
    }

    /// The ledger has answered; where it refused, it knows better what this node holds.
    package mutating func returned(_ one: EscrowReturn) {
        guard returns.removeValue(forKey: one.id) != nil else { return }
        slices[one.account]?.returning -= one.amount
    }

    package var hasFreeUnits: Bool { slices.contains { $0.value.free > 0 } }

    package var sliceCount: Int { slices.count }

    /// Accounts with a slice, and the sums of all: for metrics and tests.
    package var holdings: [AccountID: EscrowHolding] {
        slices.mapValues { EscrowHolding(free: $0.free, held: $0.held, returning: $0.returning) }
    }
}

package struct EscrowHolding: Sendable, Hashable {
    package let free: Int64
    package let held: Int64
    package let returning: Int64

    package init(free: Int64, held: Int64, returning: Int64) {
        self.free = free
        self.held = held
        self.returning = returning
    }
}
