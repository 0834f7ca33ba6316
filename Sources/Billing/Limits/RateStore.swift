package import Kernel

/// What a node asks of one limit of requests or tokens, and tells about what it took before. Counts are whole requests
/// or tokens.
package struct RateAsk: Sendable, Hashable {
    /// What is left of a slice that was taken before.
    package struct Rest: Sendable, Hashable {
        /// As the grant said.
        package let turn: Int64
        package let taken: Int64
        package let unused: Int64

        package init(turn: Int64, taken: Int64, unused: Int64) {
            self.turn = turn
            self.taken = taken
            self.unused = unused
        }
    }

    package let limit: RateLimit
    /// Fewer are of no use. 0 only tells.
    package let needed: Int64
    /// So many the node could use. It gets at most an eighth of what is there, but `needed` where that is more.
    package let wanted: Int64
    /// Given back: a slice ends when the next is asked for.
    package let rest: Rest?
    /// What estimates were too high by since the last time; negative when they were too low.
    package let correction: Int64

    package init(limit: RateLimit, needed: Int64, wanted: Int64, rest: Rest?, correction: Int64) {
        self.limit = limit
        self.needed = needed
        self.wanted = wanted
        self.rest = rest
        self.correction = correction
    }
}

/// A slice of a limit, to be spent until `SharedBucket.holding` after the node began to ask.
package struct RateGrant: Sendable, Hashable {
    /// 0 when there are fewer than were needed.
    package let count: Int64
    /// For `RateAsk.Rest`.
    package let turn: Int64
    /// What the bucket has beside it, in grains.
    package let level: Int64

    package init(count: Int64, turn: Int64, level: Int64) {
        self.count = count
        self.turn = turn
        self.level = level
    }
}

/// What a node asks of one limit of concurrency.
package struct SlotAsk: Sendable, Hashable {
    package let limit: RateLimit
    /// What the node keeps of what it has.
    package let kept: Int64
    /// As in `RateAsk`, beside what is kept.
    package let needed: Int64
    package let wanted: Int64

    package init(limit: RateLimit, kept: Int64, needed: Int64, wanted: Int64) {
        self.limit = limit
        self.kept = kept
        self.needed = needed
        self.wanted = wanted
    }
}

/// Limits that several nodes share. Each call is one transaction and goes by the database's time. Throws
/// `Problem(.storageUnavailable)` and the like; then it may have taken place, so that what it granted is lost until it
/// ends by itself.
package protocol RateStore: Sendable {
    /// - Returns: the answers, in the order of the asks. A limit is asked for once in one call.
    func take(_ asks: [RateAsk]) async throws -> [RateGrant]
    /// Changes how many places of the limits the node holds, for `length` from now on.
    /// - Returns: how many it holds, in the order of the asks. What all live nodes hold is never more than the limit.
    func slots(_ asks: [SlotAsk], for node: NodeID, lasting length: Duration) async throws -> [Int64]
    /// One statement for all places that the node holds.
    /// - Returns: how many it holds of each limit; those whose time had passed are gone.
    func renew(_ node: NodeID, lasting length: Duration) async throws -> [LimitID: Int64]
    /// Gives up all places of the node: those of an earlier life, or at the end of this one.
    func release(_ node: NodeID) async throws
    /// Removes what says nothing any more: buckets that are full again, and places of nodes that are gone.
    func prune(limit: Int) async throws
}
