import Kernel

/// A bucket from which several nodes take slices: its row in the database, as pure arithmetic.
///
/// What nodes hold counts as used until they tell otherwise: the bucket refills only up to what is not held. So what is
/// in it and what is held never come to more than the limit, and all nodes together keep the bound of one process: in
/// any span of t seconds, the limit and t sixtieths of it.
///
/// A node that vanishes tells nothing. Time is cut into turns; a slice is held for the rest of the turn in which it was
/// taken and for the next one, which is longer than its node may spend from it.
package struct SharedBucket: Sendable, Hashable {
    /// Microseconds.
    package static let turnLength: Int64 = 4_000_000
    /// How long a slice may be spent, counted by the node's monotonic clock from before it asked. The rest of a turn is
    /// the margin.
    package static let holding = Duration.milliseconds(3500)

    package private(set) var bucket: RateBucket
    /// Grains that were taken in the turn of `bucket.changed`, and in the one before.
    package private(set) var held: Int64
    package private(set) var heldBefore: Int64

    package init(bucket: RateBucket, held: Int64 = 0, heldBefore: Int64 = 0) {
        self.bucket = bucket
        self.held = max(held, 0)
        self.heldBefore = max(heldBefore, 0)
    }

    /// Whether it is as a new one would be.
    package var isIdle: Bool { bucket.isFull && held == 0 && heldBefore == 0 }

    /// - Parameter now: the database's time, in microseconds.
    package mutating func answer(_ ask: RateAsk, at now: Int64) -> RateGrant {
        refill(at: now, amount: ask.limit.amount)
        let turn = Self.turn(of: bucket.changed)
        if let rest = ask.rest { end(rest, turn: turn) }
        bucket.correct(by: ask.correction, held: allHeld)
        let count = Self.share(of: bucket.available, needed: ask.needed, wanted: ask.wanted)
        if count > 0 {
            bucket.take(count)
            held += RateBucket.grains * count
        }
        return RateGrant(count: count, turn: turn, level: bucket.level)
    }

    package mutating func refill(at now: Int64, amount: Int64) {
        let before = Self.turn(of: bucket.changed)
        bucket.refill(at: now, amount: bucket.amount, held: allHeld)
        switch Self.turn(of: bucket.changed) - before {
        case 0: break
        case 1: (held, heldBefore) = (0, held)
        // The clock was set back.
        case ..<0: (held, heldBefore) = (0, held + heldBefore)
        default: (held, heldBefore) = (0, 0)
        }
        bucket.refill(at: now, amount: amount, held: allHeld)
    }

    /// Slices shrink as there is less, down to what is needed.
    package static func share(of available: Int64, needed: Int64, wanted: Int64) -> Int64 {
        guard available > 0, available >= needed else { return 0 }
        return min(max(needed, available / 8), max(needed, wanted), available)
    }

    /// One that comes after its time gives nothing back: it does not count as held any more.
    private mutating func end(_ rest: RateAsk.Rest, turn: Int64) {
        let taken = RateBucket.grains * min(max(rest.taken, 0), RateBucket.most)
        let counted: Int64
        if rest.turn == turn {
            counted = min(taken, held)
            held -= counted
        } else if rest.turn == turn - 1 {
            counted = min(taken, heldBefore)
            heldBefore -= counted
        } else {
            return
        }
        bucket.putBack(min(max(rest.unused, 0), counted / RateBucket.grains), held: allHeld)
    }

    private var allHeld: Int64 { held + heldBefore }

    private static func turn(of time: Int64) -> Int64 { time / turnLength }
}

extension SharedBucket {
    /// How many places of a limit of concurrency a node holds from now on.
    /// - Parameter others: what other nodes hold.
    package static func places(for ask: SlotAsk, beside others: Int64) -> Int64 {
        let most = max(ask.limit.amount - max(others, 0), 0)
        let kept = min(max(ask.kept, 0), most)
        guard ask.needed > 0 else { return kept }
        return kept + share(of: most - kept, needed: ask.needed, wanted: ask.wanted)
    }
}
