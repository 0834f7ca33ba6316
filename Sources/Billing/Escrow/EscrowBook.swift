package import Kernel

/// What a node may spend, and who waits for more: the whole of its escrow, without a clock, a lock or a ledger of its
/// own. Times are a monotonic clock's, and come in.
///
/// `free + held + returning`, and what was captured and is not settled yet, is what the ledger has as the rest of the
/// node's escrow. Captured units leave these books: the node need not learn when they are settled.
package struct EscrowBook: Sendable {
    package struct Settings: Sendable {
        /// So much before its right ends a node stops spending.
        package var margin = Duration.seconds(5)
        /// A slice from which nothing was set aside for so long goes back.
        package var idle = Duration.seconds(10)
        /// A slice should do for so many requests like the one that it is taken for.
        package var several: Int64 = 8
        /// When the ledger is asked again by one who waits.
        package var poll = Duration.milliseconds(50)
        /// When it is asked again for credit that is set aside elsewhere, while another fund pays.
        package var creditPoll = Duration.seconds(1)
        /// For how long spent is believed to be spent.
        package var spentPoll = Duration.seconds(1)
        /// After another node wanted an account, no more is taken of it than is needed.
        package var thrift = Duration.seconds(2)
        /// Who may wait for one account.
        package var longestLine = 1000
        package init() {}
    }

    struct Right: Sendable, Equatable {
        let holder: EscrowHolder
        /// A margin before the ledger lets it end.
        var stops: Duration
        /// The ledger's time, and when it was asked for: what has passed since is never too little.
        var said: Instant
        var asked: Duration
        var heard: Duration

        func time(at uptime: Duration) -> Instant { said + (uptime - asked) }
    }

    package let settings: Settings
    var right: Right?
    /// Whether there ever was a right, and when this one began.
    package private(set) var hasBegun = false
    package private(set) var begun: Duration = .zero
    var slices = PlacedTable<AccountKind, EscrowSlice>()
    /// Numbers of those who wait, the first one first. Never an empty line.
    var lines: [AccountID: [UInt64]] = [:]
    var returns: [TransferID: EscrowReturn] = [:]
    var thrifty: [AccountID: Duration] = [:]
    var calls: Int64 = 0
    /// Requests that run on this life's slices, and on those of earlier ones.
    package internal(set) var running = 0
    package internal(set) var runningOlder = 0
    /// When the last request of an earlier life ended.
    package internal(set) var olderEnded: Duration = .zero

    package init(settings: Settings = Settings()) { self.settings = settings }

    // MARK: The right to spend

    package var holder: EscrowHolder? { right?.holder }

    package func maySpend(at uptime: Duration) -> Bool { right.map { uptime < $0.stops } ?? false }

    /// The ledger's time, at the earliest; nil without a right.
    package func ledgerTime(at uptime: Duration) -> Instant? { right.map { $0.said + (uptime - $0.heard) } }

    /// - Parameters:
    ///   - asked: from before the ledger was asked.
    ///   - heard: from after it has answered.
    package mutating func begin(_ holder: EscrowHolder, _ term: EscrowTerm, asked: Duration, heard: Duration) {
        drop()
        hasBegun = true
        begun = asked
        right = Right(
            holder: holder, stops: asked + term.length - settings.margin, said: term.now, asked: asked,
            heard: heard)
    }

    package mutating func renewed(
        _ holder: EscrowHolder, _ term: EscrowTerm, asked: Duration, heard: Duration
    ) {
        guard right?.holder == holder else { return }
        prolong(term, asked: asked, heard: heard)
    }

    mutating func prolong(_ term: EscrowTerm, asked: Duration, heard: Duration) {
        guard var right else { return }
        right.stops = max(right.stops, asked + term.length - settings.margin)
        if asked >= right.asked {
            right.said = term.now
            right.asked = asked
            right.heard = heard
        }
        self.right = right
    }

    /// The right has ended for good. What was held is the ledger's to sort out; who waits goes on waiting.
    package mutating func drop() {
        right = nil
        slices.removeAll()
        returns.removeAll()
        thrifty.removeAll()
        runningOlder += running
        running = 0
    }
}
