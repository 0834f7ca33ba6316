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

/// Buckets and running requests by limit. One that says nothing, since it is full or nothing runs, is dropped once
/// nobody has asked for it for a second, or at once where room is scarce: each call looks at the next two, so that no
/// call ever looks at all of them.
private struct CounterTable: Sendable {
    /// Microseconds. What is asked for all the time is not made anew each time.
    private static let idle: Int64 = 1_000_000

    private struct Counted {
        var bucket: RateBucket
        var running: Int64 = 0
    }

    private let most: Int
    private var table = PlacedTable<LimitKind, Counted>()
    private var hand = 0
    private(set) var running: Int64 = 0

    init(most: Int) { self.most = most }

    var count: Int { table.count }

    /// Of limits only numbers are read on the way: a copy of one would count its model's name.
    mutating func take(_ limits: [RateLimit], tokens: Int64, uptime: Duration) -> RateAnswer {
        let now = uptime.microseconds
        defer { sweep(now) }
        var refusal = RateRefusal()
        for index in limits.indices {
            guard let place = place(of: limits[index].id, limits[index].amount, now) else { return .unknown }
            look(at: place, for: limits, index, tokens, &refusal)
        }
        if !refusal.isEmpty, let answer = refusal.answer { return answer }
        var tightest = TightestRates()
        for index in limits.indices {
            // It was found above, or made.
            guard let place = table.place(of: limits[index].id) else { continue }
            let quantity = limits[index].quantity
            if quantity == .concurrency {
                table[place].running += 1
                running += 1
            } else {
                table[place].bucket.take(quantity.need(tokens: tokens))
                let (remaining, reset) = table[place].bucket.standing()
                tightest.add(quantity, at: index, remaining: remaining, reset: reset)
            }
        }
        return .taken(RateTicket(limits: limits, tokens: tokens, takenAt: uptime), tightest.states(of: limits))
    }

    mutating func end(_ ticket: RateTicket, tokens: Int64?, uptime: Duration) {
        let now = uptime.microseconds
        for index in ticket.limits.indices {
            let (id, quantity) = (ticket.limits[index].id, ticket.limits[index].quantity)
            switch quantity {
            case .concurrency:
                guard let place = table.place(of: id), table[place].running > 0 else { continue }
                table[place].running -= 1
                running -= 1
            case .requestsPerMinute, .tokensPerMinute:
                let back = ticket.comesBack(of: quantity, tokens: tokens)
                guard back != 0, let place = place(of: id, ticket.limits[index].amount, now) else { continue }
                table[place].bucket.correct(by: back)
            }
        }
        sweep(now)
    }

    private func look(
        at place: Int, for limits: [RateLimit], _ index: Int, _ tokens: Int64, _ refusal: inout RateRefusal
    ) {
        let quantity = limits[index].quantity
        if quantity == .concurrency {
            if table[place].running >= limits[index].amount {
                refusal.addPlace(RateState(limit: limits[index], remaining: 0, reset: .zero))
            }
            return
        }
        let bucket = table[place].bucket
        let wait = bucket.wait(for: quantity.need(tokens: tokens))
        if wait != .zero { refusal.add(bucket.state(of: limits[index]), wait: wait) }
    }

    /// Where the limit is counted, with its bucket as it stands now; nil when there is no more room.
    private mutating func place(of id: LimitID, _ amount: Int64, _ now: Int64) -> Int? {
        if let place = table.place(of: id) {
            table[place].bucket.refill(at: now, amount: amount)
            return place
        }
        guard table.count < most else { return nil }
        return table.add(Counted(bucket: RateBucket(amount: amount, at: now)), as: id)
    }

    private mutating func sweep(_ now: Int64) {
        let idle = table.count > most / 2 ? 0 : Self.idle
        for _ in 0..<min(2, table.count) {
            hand = hand + 1 < table.count ? hand + 1 : 0
            guard table[hand].running == 0, now - table[hand].bucket.changed >= idle else { continue }
            table[hand].bucket.refill(at: now, amount: table[hand].bucket.amount)
            guard table[hand].bucket.isFull else { continue }
            table.remove(at: hand)
            // Another one may have come here, and is the next.
            hand -= 1
        }
    }
}
