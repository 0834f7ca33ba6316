package import Kernel

/// A node of the platform as the ledger knows it: a data folder, and how often it has been started.
package struct EscrowHolder: Sendable, Hashable {
    package let node: NodeID
    /// Grows with every start, so that what an earlier life holds can be told apart.
    package let life: Int64

    package init(node: NodeID, life: Int64) {
        self.node = node
        self.life = life
    }
}

/// What the ledger says to a node about its right to spend.
package struct EscrowTerm: Sendable, Hashable {
    /// The database's time when it was said.
    package let now: Instant
    /// How long from then on. The holder counts from before it asked, by its own monotonic clock, and stops a margin
    /// before.
    package let length: Duration
    /// What the account leaves available for everybody after a slice was taken; nil where none was.
    package let left: Int64?

    package init(now: Instant, length: Duration, left: Int64? = nil) {
        self.now = now
        self.length = length
        self.left = left
    }
}

/// What a node asks of an account.
package struct EscrowRequest: Sendable, Hashable {
    package let account: AccountID
    /// The node's one escrow on that account: the same id every time, made by the node.
    package let escrow: EscrowID
    /// Below this nothing helps. 1 takes whatever there is.
    package let needed: Int64
    /// What the node could use. It gets at most an eighth of what is available, but `needed` where that is more.
    package let wanted: Int64
    /// The caller's key to repeat this one call.
    package let id: TransferID

    package init(account: AccountID, escrow: EscrowID, needed: Int64, wanted: Int64, id: TransferID) {
        self.account = account
        self.escrow = escrow
        self.needed = needed
        self.wanted = wanted
        self.id = id
    }
}

package enum EscrowAnswer: Sendable, Hashable {
    case granted(Int64, EscrowTerm)
    /// There is less than was needed. `spent`: posted debits less credits; with `limit` it says what can still come
    /// back. `pending` is set aside for all nodes, this one too.
    case short(available: Int64, limit: Int64, spent: Int64, pending: Int64)
    /// The account has ended, or is not there.
    case closed
    /// The node's right has ended: somebody wrote it off, or a later life of it has begun. It must begin anew.
    case fenced
}

/// An escrow as it stands in the ledger.
package struct EscrowState: Sendable, Hashable {
    package let id: EscrowID
    package let account: AccountID
    package let holder: EscrowHolder
    package let remaining: Int64
    /// When its holder's right ends, as far as it has been renewed.
    package let expires: Instant

    package init(id: EscrowID, account: AccountID, holder: EscrowHolder, remaining: Int64, expires: Instant) {
        self.id = id
        self.account = account
        self.holder = holder
        self.remaining = remaining
        self.expires = expires
    }
}

/// Slices of accounts that nodes hold. Times are the database's. Throws `Problem(.storageUnavailable)` and the like.
package protocol EscrowStore: Sendable {
    /// Begins a life of the node, which ends every earlier one: they may not take or renew any more, and what they hold
    /// is in doubt until `release`.
    func begin(_ node: NodeID, lasting length: Duration) async throws -> (EscrowHolder, EscrowTerm)
    /// One statement for all that the node holds.
    /// - Returns: nil when the right has been written off, or a later life has begun.
    func renew(_ holder: EscrowHolder, lasting length: Duration) async throws -> EscrowTerm?
    /// One guarded statement, with the balance's guard in the row's update.
    func take(_ request: EscrowRequest, for holder: EscrowHolder) async throws -> EscrowAnswer
    /// Gives a part back. More than it holds is refused as a whole: `false`.
    func giveBack(
        _ amount: Int64, of escrow: EscrowID, by holder: EscrowHolder, id: TransferID
    ) async throws -> Bool
    /// Says which accounts a node lacks money on that others may hold unused; for `wants`.
    func want(_ accounts: [AccountID], by holder: EscrowHolder) async throws
    /// Accounts that others have wanted since `time`.
    func wants(since time: Instant, except holder: EscrowHolder) async throws -> [AccountID]
    /// Gives back all that earlier lives of the node hold. Only when their journal is settled and shipped.
    func release(livesBefore holder: EscrowHolder) async throws -> Int
    /// The end of a life that has nothing open: gives back all, and ends the right.
    func end(_ holder: EscrowHolder) async throws
    /// Writes off what nodes hold whose right ended more than `grace` ago: budgets count it as spent, wallets get it
    /// back, and the loss account bears it.
    /// - Returns: what was written off.
    func writeOff(after grace: Duration, limit: Int) async throws -> [EscrowState]
    /// What is set aside now, for metrics and `verify`.
    func outstanding() async throws -> [EscrowState]
}
