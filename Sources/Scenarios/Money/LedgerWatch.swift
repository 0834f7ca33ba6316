import Billing
import Database
import Kernel
import TestKit

/// Looks at the ledger's few rows that matter inside every transaction, before it ends, and remembers them: what was so
/// at that moment is compared with what nodes do.
// SAFETY: used on the simulation's thread only.
final class LedgerWatch: @unchecked Sendable {
    struct Guarded: Equatable {
        let kind: String
        let subject: String
        let limit: Int64
        /// The most that the limit has been.
        let highest: Int64
        let debits: Int64
        let credits: Int64
        let pending: Int64
        let ends: Instant?
    }

    struct Right: Equatable {
        let life: Int64
        let expires: Instant
        let state: String
        let changed: Instant
    }

    struct Slice: Equatable {
        let account: AccountID
        let node: NodeID
        let life: Int64
        let remaining: Int64
        let hasEnded: Bool
    }

    /// One life of a node, as the ledger tells it.
    struct Holder: Hashable {
        let node: NodeID
        let life: Int64
    }

    private let simulation: Simulation
    private(set) var accounts: [AccountID: Guarded] = [:]
    private(set) var rights: [NodeID: Right] = [:]
    private(set) var slices: [EscrowID: Slice] = [:]
    /// When each life's right ended, or will.
    private(set) var ends: [Holder: Instant] = [:]
    /// Nothing that is known may be compared: the last transaction may be undone.
    private var isDoubtful = true

    init(_ simulation: Simulation) { self.simulation = simulation }

    /// The database died: what was last seen may not have lasted.
    func doubt() { isDoubtful = true }

    func look(_ tx: any Tx) throws {
        let accounts = try Self.accounts(tx)
        let rights = try Self.rights(tx)
        let slices = try Self.slices(tx)
        for (id, account) in accounts where self.accounts[id] != account { check(id, account) }
        for (node, right) in rights {
            ends[Holder(node: node, life: right.life)] = right.expires
            // A later life ends an earlier one's right.
            if right.life > 1, let last = ends[Holder(node: node, life: right.life - 1)], last > right.changed {
                ends[Holder(node: node, life: right.life - 1)] = right.changed
            }
        }
        if !isDoubtful {
            for (id, slice) in slices where slice.remaining > self.slices[id]?.remaining ?? 0 {
                check(id, slice, rights[slice.node], tx.now)
            }
        }
        isDoubtful = false
        (self.accounts, self.rights, self.slices) = (accounts, rights, slices)
    }

    // MARK: What must hold at every moment

    private func check(_ id: AccountID, _ account: Guarded) {
        let bound = account.credits + max(account.limit, account.highest)
        if account.debits + account.pending > bound {
            simulation.violation(
                "\(account.kind) \(id) passed its guard: \(account.debits) and \(account.pending) of \(bound)")
        }
        if account.pending < 0 { simulation.violation("\(account.kind) \(id) has \(account.pending) pending") }
    }

    /// Only the living take.
    private func check(_ id: EscrowID, _ slice: Slice, _ right: Right?, _ now: Instant) {
        guard let right else { return simulation.violation("\(id) grew, and its node has no right") }
        if right.life != slice.life { simulation.violation("\(id) grew in life \(slice.life) of \(right.life)") }
        if right.state != "live" { simulation.violation("\(id) grew, and its node's right is \(right.state)") }
        if right.expires <= now { simulation.violation("\(id) grew after its node's right had ended") }
    }

    // MARK: Rows

    private static func accounts(_ tx: any Tx) throws -> [AccountID: Guarded] {
        var accounts: [AccountID: Guarded] = [:]
        let rows = try tx.rows(
            """
            SELECT id, kind, subject, credit_limit, COALESCE(highest_limit, credit_limit) AS highest, debits, credits,
                pending, ends
            FROM ledger_account WHERE credit_limit IS NOT NULL
            """)
        for row in rows {
            accounts[try row.value("id")] = Guarded(
                kind: try row.value("kind"), subject: try row.value("subject"), limit: try row.value("credit_limit"),
                highest: try row.value("highest"), debits: try row.value("debits"),
                credits: try row.value("credits"), pending: try row.value("pending"), ends: try row.value("ends"))
        }
        return accounts
    }

    private static func rights(_ tx: any Tx) throws -> [NodeID: Right] {
        var rights: [NodeID: Right] = [:]
        for row in try tx.rows("SELECT * FROM billing_node") {
            rights[try row.value("id")] = Right(
                life: try row.value("life"), expires: try row.value("expires"), state: try row.value("state"),
                changed: try row.value("changed"))
        }
        return rights
    }

    private static func slices(_ tx: any Tx) throws -> [EscrowID: Slice] {
        var slices: [EscrowID: Slice] = [:]
        for row in try tx.rows("SELECT * FROM escrow") {
            let ended: Instant? = try row.value("ended")
            slices[try row.value("id")] = Slice(
                account: try row.value("account_id"), node: try row.value("node_id"), life: try row.value("life"),
                remaining: try row.value("remaining"), hasEnded: ended != nil)
        }
        return slices
    }
}
