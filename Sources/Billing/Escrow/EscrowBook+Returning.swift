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
        for account in dueBack(wanted: wanted, all: all, at: uptime, now: now) {
            // What others wait for is not held up by what only lies idle.
            let isWanted = wanted.contains(account)
            guard returns.count < (isWanted ? 2 * limit : limit), var slice = slices[account] else { continue }
            if slice.recalled == 0 || all || isWanted || isLeft(slice, at: uptime, now: now) { slice.recall() }
            let id = nextID("void", of: slice.escrow)
            returns[id] = EscrowReturn(id: id, account: account, escrow: slice.escrow, amount: slice.recalled)
            slice.returning = saturating(slice.returning, slice.recalled)
            slice.recalled = 0
            slices[account] = slice
        }
        return returns.values.sorted {
            (wanted.contains($0.account) ? 0 : 1, $0.id.text) < (wanted.contains($1.account) ? 0 : 1, $1.id.text)
        }
    }

    /// Slices of which something goes back, those that others want first. What is bare is forgotten.
    private mutating func dueBack(
        wanted: Set<AccountID>, all: Bool, at uptime: Duration, now: Instant
    ) -> [AccountID] {
        var (due, bare): ([AccountID], [AccountID]) = ([], [])
        for entry in slices.entries {
            let (account, slice) = (entry.id, entry.value)
            if slice.isBare {
                if isLeft(slice, at: uptime, now: now) { bare.append(account) }
            } else if slice.recalled > 0
                || slice.free > 0 && (all || wanted.contains(account) || isLeft(slice, at: uptime, now: now))
            {
                due.append(account)
            }
        }
        for account in bare { slices[account] = nil }
        return due.sorted { (wanted.contains($0) ? 0 : 1, $0) < (wanted.contains($1) ? 0 : 1, $1) }
    }

    /// Nobody uses it any more.
    private func isLeft(_ slice: EscrowSlice, at uptime: Duration, now: Instant) -> Bool {
        uptime - slice.used.last >= settings.idle || slice.isOver(at: now)
    }

    /// The ledger has answered; where it refused, it knows better what this node holds.
    package mutating func returned(_ one: EscrowReturn) {
        guard returns.removeValue(forKey: one.id) != nil else { return }
        slices[one.account]?.returning -= one.amount
    }

    package var hasFreeUnits: Bool { slices.entries.contains { $0.value.free > 0 } }

    package var sliceCount: Int { slices.count }

    /// Accounts with a slice, and the sums of all: for metrics and tests.
    package var holdings: [AccountID: EscrowHolding] {
        let holdings = slices.entries.map { entry in
            let slice = entry.value
            return (
                entry.id,
                EscrowHolding(free: slice.free, held: slice.held, returning: slice.returning + slice.recalled)
            )
        }
        return Dictionary(uniqueKeysWithValues: holdings)
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
