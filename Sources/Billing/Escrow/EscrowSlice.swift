package import Kernel

extension EscrowHolder {
    /// The holder's one escrow on an account. Made from both names, so that a slice that was forgotten because it was
    /// empty gets the same one again. FNV-1a twice over the words, with different beginnings.
    package func escrow(on account: AccountID) -> EscrowID {
        func hash(_ beginning: UInt64) -> UInt64 {
            var hash = beginning
            for word in [node.ulid.high, node.ulid.low, UInt64(bitPattern: life), account.ulid.high, account.ulid.low] {
                for shift in stride(from: UInt64(0), to: 64, by: 8) {
                    hash = (hash ^ ((word >> shift) & 0xFF)) &* 0x0000_0100_0000_01b3
                }
            }
            return hash
        }
        return EscrowID(ULID(high: hash(0xcbf2_9ce4_8422_2325), low: hash(0x6c62_272e_07bb_0142)))
    }
}

/// What a node holds of one account. In the account's units.
struct EscrowSlice: Sendable, Equatable {
    let escrow: EscrowID
    /// Of the account's period: from then on nothing new is accepted from it.
    let ends: Instant?
    /// Set aside in the ledger, and for no request.
    var free: Int64 = 0
    /// For requests that run. What they captured has left these books, and waits in the ledger for its settlement.
    var held: Int64 = 0
    /// On its way back to the ledger.
    var returning: Int64 = 0
    /// Must go back, and for nothing else: taken before the limit was lowered.
    var recalled: Int64 = 0
    /// What the account held at most, by the rules that were read last.
    var limit: Int64?
    /// When that was last lowered, by the monotonic clock.
    var lowered: Duration?
    /// Somebody is asking the ledger for more.
    var isAsking = false
    /// Of the last question, until its answer. Where nobody knows how it ended it stays the name of every question
    /// until one of them is granted: the first may still be carried out, long after a later one was refused.
    var question: TransferID?
    /// Nobody knows how a question of that name ended.
    var isInDoubt = false
    /// The limit was lowered after it was asked for.
    var isAskedTooEarly = false
    var refusal: EscrowRefusal?
    /// What the account had left for everybody when the ledger last said so.
    var left: Int64?
    var used: RecentUse

    init(escrow: EscrowID, ends: Instant?, limit: Int64?, at uptime: Duration) {
        self.escrow = escrow
        self.ends = ends
        self.limit = limit
        used = RecentUse(at: uptime)
    }

    /// There is nothing to remember of it.
    var isBare: Bool {
        free == 0 && held == 0 && returning == 0 && recalled == 0 && !isAsking && question == nil
    }

    mutating func recall() {
        recalled = saturating(recalled, free)
        free = 0
    }

    mutating func forgetQuestion() {
        question = nil
        isInDoubt = false
    }

    func isOver(at now: Instant) -> Bool {
        guard let ends else { return false }
        return now >= ends
    }
}

/// Why the ledger gave nothing.
struct EscrowRefusal: Sendable, Equatable {
    let at: Duration
    let short: EscrowShortage
    /// The account has ended, or is not there.
    let isClosed: Bool
}

/// What the ledger said when there was less than was needed.
package struct EscrowShortage: Sendable, Hashable {
    package let available: Int64
    package let limit: Int64
    package let spent: Int64
    package let pending: Int64

    package init(available: Int64, limit: Int64, spent: Int64, pending: Int64) {
        self.available = available
        self.limit = limit
        self.spent = spent
        self.pending = pending
    }

    static let nothing = EscrowShortage(available: 0, limit: 0, spent: 0, pending: 0)

    /// What is not spent for good: what is available, and what is only set aside. Never below 0.
    package var unspent: Int64 {
        let (unspent, overflow) = limit.subtractingReportingOverflow(spent)
        return overflow ? (spent < 0 ? .max : 0) : max(0, unspent)
    }
}

/// How much was set aside lately, in two spans of time: a slice should last for about as much.
struct RecentUse: Sendable, Equatable {
    static let span = Duration.seconds(2)

    private(set) var last: Duration
    private var began: Duration
    private var now: Int64 = 0
    private var before: Int64 = 0

    init(at uptime: Duration) {
        last = uptime
        began = uptime
    }

    mutating func note(_ amount: Int64, at uptime: Duration) {
        last = uptime
        turn(at: uptime)
        now = saturating(now, amount)
    }

    func amount(at uptime: Duration) -> Int64 {
        var turned = self
        turned.turn(at: uptime)
        return max(turned.now, turned.before)
    }

    private mutating func turn(at uptime: Duration) {
        guard uptime - began >= RecentUse.span else { return }
        before = uptime - began < RecentUse.span * 2 ? now : 0
        now = 0
        began = uptime
    }
}

func saturating(_ left: Int64, _ right: Int64) -> Int64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? (right < 0 ? .min : .max) : sum
}
