package import Kernel
import Synchronization

/// Rate and concurrency limits of one process, in memory.
///
/// After a restart every bucket is full, and nothing runs.
package final class LocalCounters: Counters {
    private let clock: any Clock
    private let state: Mutex<CounterTable>

    /// - Parameter most: so many limits are counted at once, some 150 bytes each. What is full and idle is not counted.
    package init(clock: any Clock, most: Int = 250_000) {
        self.clock = clock
        state = Mutex(CounterTable(most: most))
    }

    /// How many limits are counted now, for a metric.
    package var count: Int { state.withLock { $0.count } }

    /// Requests that run within the limits of concurrency, counted once for each limit; for a metric.
    package var running: Int64 { state.withLock { $0.running } }

    package func take(_ limits: [RateLimit], tokens: Int64) -> RateAnswer {
        guard !limits.isEmpty else { return .taken(RateTicket(limits: [], tokens: tokens, takenAt: .zero), []) }
        let uptime = clock.uptime
        return state.withLock { $0.take(limits, tokens: tokens, uptime: uptime) }
    }

    /// - Throws: `Problem(.overloaded)` when as many limits are counted as may be.
    package func request(_ limits: [RateLimit], tokens: Int64) async throws -> RateAnswer {
        let answer = take(limits, tokens: tokens)
        if case .unknown = answer { throw Problem(.overloaded, retryAfter: 1) }
        return answer
    }

    package func end(_ ticket: RateTicket, tokens: Int64?) {
        guard !ticket.limits.isEmpty else { return }
        let uptime = clock.uptime
        state.withLock { $0.end(ticket, tokens: tokens, uptime: uptime) }
    }
}

/// Buckets and running requests by limit. An entry that says nothing, since it is full or nothing runs, is dropped once
/// nobody has asked for it for a second, or at once where room is scarce: each call looks at the next two, so that no
/// call ever looks at all of them.
private struct CounterTable: Sendable {
    /// Microseconds. What is asked for all the time is not made anew each time.
    private static let idle: Int64 = 1_000_000

    private struct Entry {
        /// Nil for one that is free.
        var id: LimitID?
        var bucket: RateBucket
        var running: Int64 = 0
    }

    private let most: Int
    private var entries: [Entry] = []
    private var places: [LimitID: Int] = [:]
    private var free: [Int] = []
    private var hand = 0
    private(set) var running: Int64 = 0

    init(most: Int) { self.most = most }

    var count: Int { places.count }

    /// Of limits only numbers are read on the way: a copy of one would count its model's name.
    mutating func take(_ limits: [RateLimit], tokens: Int64, uptime: Duration) -> RateAnswer {
        let now = uptime.microseconds
        defer { sweep(now) }
        var refusal = RateRefusal()
        var found: [Int] = []
        found.reserveCapacity(limits.count)
        for index in limits.indices {
            guard let place = place(of: limits[index].id, limits[index].amount, now) else { return .unknown }
            look(at: place, for: limits, index, tokens, &refusal)
            found.append(place)
        }
        if !refusal.isEmpty, let answer = refusal.answer { return answer }
        var tightest = TightestRates()
        for (index, place) in found.enumerated() {
            let quantity = limits[index].quantity
            if quantity == .concurrency {
                entries[place].running += 1
                running += 1
            } else {
                entries[place].bucket.take(quantity.need(tokens: tokens))
                tightest.add(entries[place].bucket.state(of: limits[index]))
            }
        }
        return .taken(
            RateTicket(limits: limits, tokens: tokens, takenAt: uptime, places: found), tightest.states)
    }

    mutating func end(_ ticket: RateTicket, tokens: Int64?, uptime: Duration) {
        let now = uptime.microseconds
        for index in ticket.limits.indices {
            let (id, quantity) = (ticket.limits[index].id, ticket.limits[index].quantity)
            let known = index < ticket.places.count ? ticket.places[index] : nil
            switch quantity {
            case .concurrency:
                guard let place = place(of: id, known), entries[place].running > 0 else { continue }
                entries[place].running -= 1
                running -= 1
            case .requestsPerMinute, .tokensPerMinute:
                let back = ticket.comesBack(of: quantity, tokens: tokens)
                guard back != 0, let place = place(of: id, ticket.limits[index].amount, now, known) else { continue }
                entries[place].bucket.correct(by: back)
            }
        }
        sweep(now)
    }

    private func look(
        at place: Int, for limits: [RateLimit], _ index: Int, _ tokens: Int64, _ refusal: inout RateRefusal
    ) {
        let quantity = limits[index].quantity
        if quantity == .concurrency {
            if entries[place].running >= limits[index].amount {
                refusal.addPlace(RateState(limit: limits[index], remaining: 0, reset: .zero))
            }
            return
        }
        let bucket = entries[place].bucket
        let wait = bucket.wait(for: quantity.need(tokens: tokens))
        if wait != .zero { refusal.add(bucket.state(of: limits[index]), wait: wait) }
    }

    /// Where the limit is counted.
    /// - Parameter known: where it was; it may have been dropped since, and another one be there.
    private func place(of id: LimitID, _ known: Int?) -> Int? {
        if let known, known < entries.count, entries[known].id == id { return known }
        return places[id]
    }

    /// The same, with its bucket as it stands now; nil when there is no more room.
    private mutating func place(of id: LimitID, _ amount: Int64, _ now: Int64, _ known: Int? = nil) -> Int? {
        if let place = place(of: id, known) {
            entries[place].bucket.refill(at: now, amount: amount)
            return place
        }
        guard places.count < most else { return nil }
        let entry = Entry(id: id, bucket: RateBucket(amount: amount, at: now))
        let place = free.popLast() ?? entries.count
        if place == entries.count { entries.append(entry) } else { entries[place] = entry }
        places[id] = place
        return place
    }

    private mutating func sweep(_ now: Int64) {
        let idle = places.count > most / 2 ? 0 : Self.idle
        for _ in 0..<min(2, entries.count) {
            hand = hand + 1 < entries.count ? hand + 1 : 0
            guard let id = entries[hand].id, entries[hand].running == 0,
                now - entries[hand].bucket.changed >= idle
            else { continue }
            entries[hand].bucket.refill(at: now, amount: entries[hand].bucket.amount)
            guard entries[hand].bucket.isFull else { continue }
            entries[hand].id = nil
            places[id] = nil
            free.append(hand)
        }
    }
}
