package import Billing
package import Kernel
import Synchronization

/// Guarded accounts and the slices that nodes hold of them, in memory, with the rules of the ports and a clock and
/// faults of a test's choosing.
package final class MemoryLedger: EscrowStore, SpendingStore {
    package enum Fault: Sendable {
        /// The call does nothing.
        case before
        /// The call is carried out, and nobody hears of it.
        case after
    }

    struct Row: Sendable {
        var limit: Int64
        var sums = AccountSums()
        var ends: Instant?
    }

    struct Node: Sendable {
        var life: Int64
        var expires: Instant
        var isLive = true
    }

    struct Slice: Sendable {
        let account: AccountID
        let holder: EscrowHolder
        var remaining: Int64
    }

    struct State: Sendable {
        var accounts: [AccountID: Row] = [:]
        var nodes: [NodeID: Node] = [:]
        var slices: [EscrowID: Slice] = [:]
        var answers: [TransferID: EscrowAnswer] = [:]
        var returns: [TransferID: Bool] = [:]
        var wants: [AccountID: [NodeID: Instant]] = [:]
        var rules: [KeyID: SpendingRules] = [:]
        var version: Int64 = 0
        var isAway = false
        var faults: [Fault] = []
        var calls = Calls()
        var late: Int64 = 0
    }

    /// How often each method was called.
    package struct Calls: Sendable, Hashable {
        package var take = 0
        package var giveBack = 0
        package var rules = 0
        package var want = 0
    }

    let clock: any Clock
    let state = Mutex(State())

    /// - Parameter clock: the database's.
    package init(clock: any Clock) { self.clock = clock }

    // MARK: What a test sets and looks at

    package func open(_ account: AccountID, limit: Int64, ends: Instant? = nil) {
        state.withLock { state in
            state.accounts[account, default: Row(limit: limit, ends: ends)].limit = limit
        }
    }

    package func credit(_ account: AccountID, _ amount: Int64) {
        state.withLock { $0.accounts[account]?.sums.credits += amount }
    }

    /// Debits something at once, as a settlement without a slice does.
    package func debit(_ account: AccountID, _ amount: Int64) {
        state.withLock { $0.accounts[account]?.sums.debits += amount }
    }

    package func set(_ rules: SpendingRules, for key: KeyID) {
        state.withLock { state in
            state.rules[key] = rules
            state.version += 1
        }
    }

    package func sums(of account: AccountID) -> AccountSums {
        state.withLock { $0.accounts[account]?.sums ?? AccountSums() }
    }

    package var isAway: Bool {
        get { state.withLock { $0.isAway } }
        set { state.withLock { $0.isAway = newValue } }
    }

    package func fail(_ faults: Fault...) { state.withLock { $0.faults += faults } }
    package var calls: Calls { state.withLock { $0.calls } }
    /// What was to be captured from slices that were gone.
    package var late: Int64 { state.withLock { $0.late } }

    /// Captures from the slices that a hold names, as a settlement does.
    package func settle(_ hold: Hold, _ amounts: [Int64]) {
        state.withLock { state in
            for (part, amount) in zip(hold.parts, amounts) {
                guard let escrow = part.escrow, amount > 0 else { continue }
                guard let slice = state.slices[escrow], slice.remaining >= amount else {
                    state.late += amount
                    continue
                }
                state.slices[escrow]?.remaining -= amount
                state.accounts[part.account]?.sums.pending -= amount
                state.accounts[part.account]?.sums.debits += amount
            }
        }
    }

    /// Whether every account is within its guard, and what is set aside is what the slices hold.
    package var isSound: Bool {
        state.withLock { state in
            state.accounts.allSatisfy { id, row in
                let held = state.slices.values.filter { $0.account == id }.reduce(0) { $0 + $1.remaining }
                return held == row.sums.pending && row.sums.pending >= 0
                    && row.sums.debits + row.sums.pending <= row.sums.credits + row.limit
            }
        }
    }

    // MARK: Faults

    func call<T>(
        _ count: WritableKeyPath<Calls, Int>? = nil, _ body: (inout State, Instant) throws -> T
    ) throws -> T {
        let now = clock.now
        return try state.withLock { state in
            if let count { state.calls[keyPath: count] += 1 }
            if state.isAway { throw Problem(.storageUnavailable) }
            let fault = state.faults.isEmpty ? nil : state.faults.removeFirst()
            if case .before = fault { throw Problem(.storageUnavailable) }
            let value = try body(&state, now)
            if case .after = fault { throw Problem(.storageUnavailable) }
            return value
        }
    }

    // MARK: SpendingStore

    package func rules(for spender: Spender) async throws -> (SpendingRules, now: Instant) {
        try call(\.rules) { state, now in
            guard let rules = state.rules[spender.key] else { throw Problem(.notFound) }
            return (rules, now)
        }
    }

    package func version() async throws -> Int64 { try call { state, _ in state.version } }
}
