import Kernel

/// What a node has of one limit of requests or tokens that several nodes share. Times are microseconds of the node's
/// uptime.
package struct RateSlice: Sendable {
    /// For so long the store's word that there is not enough is believed: others may give something back meanwhile.
    private static let belief: Int64 = 1_000_000
    /// A node asks for what it will use in about so long.
    private static let horizon: Int64 = 1_000_000
    /// A slice that nobody asks for goes back after so long.
    private static let patience: Int64 = 1_000_000

    private var limit: RateLimit
    private var granted: (turn: Int64, taken: Int64, ends: Int64)?
    private var unused: Int64 = 0
    /// To be told to the store: what estimates were too high by, or too low.
    private var correction: Int64 = 0
    /// The bucket as the store last told, refilled since.
    private var seen: RateBucket
    private var shortAt: Int64?
    private var spent: Int64 = 0
    private var askedAt: Int64
    /// When a request was last seen that it counts for.
    private var usedAt: Int64

    package init(_ limit: RateLimit, at now: Int64) {
        self.limit = limit
        seen = RateBucket(amount: limit.amount, at: now)
        askedAt = now
        usedAt = now
    }

    package enum Fit: Sendable { case fits, short(RateState, wait: Duration?), unknown }

    /// Whether so many can be taken now.
    package mutating func fit(_ count: Int64, of limit: RateLimit, at now: Int64) -> Fit {
        self.limit = limit
        usedAt = now
        seen.refill(at: now, amount: limit.amount)
        guard count <= seen.amount, seen.amount > 0 else {
            return .short(seen.state(of: limit), wait: nil)
        }
        if let granted, now < granted.ends, unused >= count { return .fits }
        guard let shortAt, now - shortAt < Self.belief, let wait = seen.wait(for: count), wait > .zero else {
            return .unknown
        }
        return .short(state(at: now), wait: wait)
    }

    /// Only after `fit` said so.
    package mutating func take(_ count: Int64) {
        unused -= count
        spent += count
    }

    package mutating func correct(by count: Int64) {
        let (sum, overflow) = correction.addingReportingOverflow(count)
        let most = RateBucket.most
        correction = overflow ? correction : min(max(sum, -most), most)
        if count > 0 { shortAt = nil }
    }

    package func state(at now: Int64) -> RateState {
        var bucket = seen
        bucket.refill(at: now, amount: limit.amount)
        let own = granted.map { now < $0.ends ? unused : 0 } ?? 0
        return bucket.state(of: limit, beside: own)
    }

    /// Takes what is left out of the slice, for the question that is asked now.
    /// - Parameter waiting: what other requests of this node wait for.
    package mutating func ask(needed: Int64, waiting: Int64, at now: Int64) -> RateAsk {
        let elapsed = max(now - askedAt, 1)
        // Four times at most, so that one burst is not taken for a rate.
        let soon = min(spent * 4, min(spent, RateBucket.most) * Self.horizon / elapsed)
        spent = 0
        askedAt = now
        let rest = granted.map { RateAsk.Rest(turn: $0.turn, taken: $0.taken, unused: unused) }
        granted = nil
        unused = 0
        return RateAsk(
            limit: limit, needed: needed, wanted: needed + max(waiting, soon), rest: rest, correction: toldCorrection())
    }

    /// Whether the store should be told something though nothing is needed: corrections, with which goes what was
    /// spent, since the bucket takes no more than what is not held; much that was spent; a slice that nobody asks for.
    /// - Parameter all: the slice goes back, whether somebody asks for it or not.
    package func isDue(at now: Int64, all: Bool) -> Bool {
        correction != 0 || isLeft(at: now, all: all) || (spentOfSlice > 0 && spentOfSlice >= limit.amount / 8)
    }

    /// What `isDue` is about.
    package mutating func tell(at now: Int64, all: Bool) -> RateAsk? {
        guard isDue(at: now, all: all) else { return nil }
        let (isLeft, gone) = (isLeft(at: now, all: all), spentOfSlice)
        let rest = granted.map { slice in
            isLeft
                ? RateAsk.Rest(turn: slice.turn, taken: slice.taken, unused: unused)
                : RateAsk.Rest(turn: slice.turn, taken: gone, unused: 0)
        }
        if isLeft || unused == 0 {
            granted = nil
            unused = 0
        } else {
            granted?.taken = unused
        }
        return RateAsk(limit: limit, needed: 0, wanted: 0, rest: rest, correction: toldCorrection())
    }

    /// - Parameter began: when the question was put.
    package mutating func answered(_ grant: RateGrant, to ask: RateAsk, began: Int64, at now: Int64) {
        seen = RateBucket(amount: ask.limit.amount, level: grant.level, changed: now)
        if grant.count > 0 {
            granted = (grant.turn, grant.count, began + SharedBucket.holding.microseconds)
            unused = grant.count
            shortAt = nil
        } else if ask.needed > 0 {
            shortAt = now
        }
    }

    /// Nobody knows whether the question arrived. If it did, its grant is lost until it ends by itself, and was more
    /// than what was left: so that may be spent on. What has to come back to the limit is not told twice.
    /// - Parameter ends: of the slice, before the question.
    package mutating func failed(_ ask: RateAsk, ends: Int64?) {
        if let rest = ask.rest, let ends, ask.needed > 0 {
            granted = (rest.turn, rest.taken, ends)
            unused = rest.unused
        }
        if ask.correction < 0 { correct(by: ask.correction) }
    }

    package var ends: Int64? { granted?.ends }

    /// Whether it can be forgotten.
    package func isIdle(at now: Int64) -> Bool {
        guard correction == 0 else { return false }
        guard let granted else { return now - usedAt >= Self.belief }
        return now >= granted.ends
    }

    private var spentOfSlice: Int64 { (granted?.taken ?? 0) - unused }

    private func isLeft(at now: Int64, all: Bool) -> Bool {
        granted != nil && unused > 0 && (all || now - usedAt >= Self.patience)
    }

    private mutating func toldCorrection() -> Int64 {
        defer { correction = 0 }
        return correction
    }
}
