import Kernel

/// What a node has of one limit of concurrency that several nodes share. Times as in `RateSlice`.
package struct SlotSlice: Sendable {
    private static let belief: Int64 = 250_000

    private var limit: RateLimit
    /// May run until `ends`.
    private var held: Int64 = 0
    /// What the store counts for this node, as far as it told.
    private var counted: Int64 = 0
    private var ends: Int64 = .min
    /// Running requests. They run on when the places have ended.
    package private(set) var running: Int64 = 0
    private var peak: Int64 = 0
    private var shortAt: Int64?
    private var usedAt: Int64

    package init(_ limit: RateLimit, at now: Int64) {
        self.limit = limit
        usedAt = now
    }

    package mutating func fit(of limit: RateLimit, at now: Int64) -> RateSlice.Fit {
        self.limit = limit
        usedAt = now
        if running >= limit.amount { return short }
        if now < ends, running < held { return .fits }
        if let shortAt, now - shortAt < Self.belief { return short }
        return .unknown
    }

    /// Only after `fit` said so.
    package mutating func take() {
        running += 1
        peak = max(peak, running)
    }

    package mutating func end() { running = max(running - 1, 0) }

    package func ask(needed: Int64, waiting: Int64, at now: Int64) -> SlotAsk {
        SlotAsk(limit: limit, kept: now < ends ? max(held, running) : running, needed: needed, wanted: needed + waiting)
    }

    package mutating func answered(_ count: Int64, to ask: SlotAsk, ends newEnd: Int64, at now: Int64) {
        (held, counted) = (count, count)
        ends = newEnd
        shortAt = count < ask.kept + ask.needed ? now : nil
    }

    /// Nobody knows whether the question arrived. If it did, there are places that must be given back, or would be
    /// renewed for as long as the node lives.
    package mutating func failed(_ ask: SlotAsk) {
        if ask.needed > 0 { counted = max(counted, ask.kept + ask.wanted) }
    }

    /// - Parameter count: nil when the store knows of none any more.
    package mutating func renewed(_ count: Int64?, ends newEnd: Int64) {
        counted = count ?? 0
        held = min(held, counted)
        ends = held > 0 ? newEnd : .min
    }

    /// Gives up places above the most that ran since the last time, at once.
    /// - Returns: whether the store counts more than are left.
    package mutating func giveUp(at now: Int64) -> Bool {
        let kept = max(peak, running)
        peak = running
        if now < ends { held = min(held, kept) }
        return kept < counted
    }

    /// Whether it can be forgotten.
    package func isIdle(at now: Int64) -> Bool { running == 0 && counted == 0 && now - usedAt >= Self.belief }

    private var short: RateSlice.Fit { .short(RateState(limit: limit, remaining: 0, reset: .zero), wait: .zero) }
}
