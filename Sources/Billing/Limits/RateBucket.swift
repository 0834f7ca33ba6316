/// A token bucket: holds `amount`, and refills by as much in each minute.
///
/// Times are microseconds of a clock that the caller keeps to: a node's uptime, or the database's time.
package struct RateBucket: Sendable, Hashable {
    /// Of one request or token. So many that a limit of n refills by n of them each microsecond: nothing is rounded,
    /// however often somebody looks.
    package static let grains: Int64 = 60_000_000
    /// The largest limit, so that every sum in here fits.
    package static let most: Int64 = 1_000_000_000
    /// A time that is so much earlier than the last one comes from a transaction that waited; what is earlier still
    /// comes from a clock that was set back.
    private static let patience: Int64 = 10_000_000
    /// From the lowest level to full.
    private static let longest: Int64 = 120_000_000

    package private(set) var amount: Int64
    /// In grains: from `-capacity` to `capacity`.
    package private(set) var level: Int64
    package private(set) var changed: Int64

    /// A full one.
    package init(amount: Int64, at now: Int64) {
        self.init(amount: amount, level: Self.grains * Self.clamped(amount), changed: now)
    }

    package init(amount: Int64, level: Int64, changed: Int64) {
        self.amount = Self.clamped(amount)
        let capacity = Self.grains * self.amount
        self.level = min(max(level, -capacity), capacity)
        self.changed = changed
    }

    package var capacity: Int64 { Self.grains * amount }
    package var isFull: Bool { level >= capacity }
    /// Whole requests or tokens that fit now.
    package var available: Int64 { level > 0 ? level / Self.grains : 0 }

    /// Brings the level up to now. What was used stays used when the limit is another one than before.
    /// - Parameter held: grains that count as used and may come back: with them it is never more than full.
    package mutating func refill(at now: Int64, amount newAmount: Int64, held: Int64 = 0) {
        let elapsed = now.subtractingReportingOverflow(changed)
        if !elapsed.overflow, elapsed.partialValue > 0 {
            add(amount * min(elapsed.partialValue, Self.longest), below: held)
            changed = now
        } else if elapsed.overflow || elapsed.partialValue < -Self.patience {
            changed = now
        }
        let wanted = Self.clamped(newAmount)
        guard wanted != amount else { return }
        level += Self.grains * (wanted - amount)
        amount = wanted
        level = min(max(level, -capacity), capacity)
    }

    /// Takes so many, if need be from what is to come; never below `-capacity`.
    package mutating func take(_ count: Int64) {
        level = max(level - Self.grains * min(max(count, 0), 2 * amount), -capacity)
    }

    /// Puts so many back; never above `capacity` with what is held.
    package mutating func putBack(_ count: Int64, held: Int64 = 0) {
        add(Self.grains * min(max(count, 0), 2 * amount), below: held)
    }

    /// Positive: so many come back. Negative: so many more were used.
    package mutating func correct(by count: Int64, held: Int64 = 0) {
        if count >= 0 { putBack(count, held: held) } else { take(count == .min ? .max : -count) }
    }

    /// Until so many fit, if nobody takes any; nil when they never do.
    package func wait(for count: Int64) -> Duration? {
        guard amount > 0, count <= amount else { return nil }
        let missing = Self.grains * max(count, 0) - level
        return missing <= 0 ? .zero : .microseconds((missing + amount - 1) / amount)
    }

    /// How it stands with so many more than are in it.
    package func state(of limit: RateLimit, beside count: Int64 = 0) -> RateState {
        let (remaining, reset) = standing(beside: count)
        return RateState(limit: limit, remaining: remaining, reset: reset)
    }

    /// - Returns: what is left, and in which time it is full.
    func standing(beside count: Int64 = 0) -> (remaining: Int64, reset: Duration) {
        let remaining = min(available + min(max(count, 0), amount), amount)
        let missing = capacity - max(level, -capacity) - Self.grains * min(max(count, 0), amount)
        let reset: Int64 = amount > 0 && missing > 0 ? (missing + amount - 1) / amount : 0
        return (remaining, .microseconds(reset))
    }

    private mutating func add(_ grains: Int64, below held: Int64) {
        level = max(level, min(level + grains, capacity - max(held, 0)))
    }

    private static func clamped(_ amount: Int64) -> Int64 { min(max(amount, 0), most) }
}
