package import Kernel

/// What a node has of all limits that it shares with others, as a pure state machine: no clock, no lock, no waiting.
package struct SharedLimits: Sendable {
    /// A question to the store, and what it is about. Its limits are asked for by nobody else until it is answered.
    package struct Flight: Sendable {
        package fileprivate(set) var rates: [RateAsk] = []
        package fileprivate(set) var slots: [SlotAsk] = []
        fileprivate var ends: [LimitID: Int64] = [:]
        package let began: Int64

        package var limits: [LimitID] { rates.map(\.limit.id) + slots.map(\.limit.id) }
        package var isEmpty: Bool { rates.isEmpty && slots.isEmpty }
    }

    package enum Step: Sendable {
        case answer(RateAnswer)
        case ask(Flight)
        /// Somebody else asks for this limit; it needs so many beside.
        case wait(LimitID)
        /// As many limits are known as may be.
        case full
    }

    private let most: Int
    private var rates: [LimitID: RateSlice] = [:]
    private var slots: [LimitID: SlotSlice] = [:]
    private var flying: Set<LimitID> = []
    /// What requests need that wait for somebody else's question.
    private var waiting: [LimitID: Int64] = [:]

    package init(most: Int) { self.most = most }

    package var count: Int { rates.count + slots.count }
    package var running: Int64 { slots.values.reduce(0) { $0 + $1.running } }

    /// From memory: takes everything, or nothing.
    package mutating func take(_ limits: [RateLimit], tokens: Int64, at uptime: Duration) -> RateAnswer {
        let now = uptime.microseconds
        var refusal = RateRefusal()
        var isKnown = true
        for limit in limits {
            guard hasRoom(for: limit) else { return .unknown }
            switch fit(limit, tokens, now) {
            case .fits: break
            case .unknown: isKnown = false
            case .short(let state, let wait):
                if limit.quantity == .concurrency { refusal.addPlace(state) } else { refusal.add(state, wait: wait) }
            }
        }
        if let answer = refusal.answer { return answer }
        guard isKnown else { return .unknown }
        var tightest = TightestRates()
        for (place, limit) in limits.enumerated() {
            if limit.quantity == .concurrency {
                slots[limit.id]?.take()
            } else {
                rates[limit.id]?.take(limit.need(tokens: tokens))
                guard let state = rates[limit.id]?.state(at: now) else { continue }
                tightest.add(limit.quantity, at: place, remaining: state.remaining, reset: state.reset)
            }
        }
        return .taken(RateTicket(limits: limits, tokens: tokens, takenAt: uptime), tightest.states(of: limits))
    }

    package mutating func end(_ ticket: RateTicket, tokens: Int64?, at uptime: Duration) {
        let now = uptime.microseconds
        for limit in ticket.limits {
            if limit.quantity == .concurrency {
                slots[limit.id]?.end()
                continue
            }
            let back = ticket.comesBack(of: limit.quantity, tokens: tokens)
            guard back != 0, hasRoom(for: limit) else { continue }
            rates[limit.id, default: RateSlice(limit, at: now)].correct(by: back)
        }
    }

    /// What a request has to do next to be answered.
    package mutating func step(_ limits: [RateLimit], tokens: Int64, at uptime: Duration) -> Step {
        let answer = take(limits, tokens: tokens, at: uptime)
        guard case .unknown = answer else { return .answer(answer) }
        let now = uptime.microseconds
        var flight = Flight(began: now)
        for limit in limits {
            guard hasRoom(for: limit) else { return .full }
            guard case .unknown = fit(limit, tokens, now) else { continue }
            if flying.contains(limit.id) { return .wait(limit.id) }
        }
        for limit in limits {
            guard case .unknown = fit(limit, tokens, now) else { continue }
            let others = waiting[limit.id] ?? 0
            if limit.quantity == .concurrency {
                if let ask = slots[limit.id]?.ask(needed: 1, waiting: others, at: now) { flight.slots.append(ask) }
            } else {
                flight.ends[limit.id] = rates[limit.id]?.ends
                let need = limit.need(tokens: tokens)
                if let ask = rates[limit.id]?.ask(needed: need, waiting: others, at: now) { flight.rates.append(ask) }
            }
        }
        flying.formUnion(flight.limits)
        return .ask(flight)
    }

    package func isFlying(_ limit: LimitID) -> Bool { flying.contains(limit) }

    /// Somebody begins to wait for the answer about a limit, or ends to.
    package mutating func waits(for limit: LimitID, _ count: Int64) {
        let sum = (waiting[limit] ?? 0) + min(max(count, -RateBucket.most), RateBucket.most)
        waiting[limit] = sum > 0 ? sum : nil
    }

    /// The limits about which the store should be told something though nobody waits for an answer. What is idle is
    /// forgotten.
    /// - Parameter all: everything goes back that is not in use.
    package mutating func due(at uptime: Duration, all: Bool) -> [LimitID] {
        let now = uptime.microseconds
        forgetIdle(now)
        var due = rates.filter { $0.value.isDue(at: now, all: all) }.map(\.key)
        for id in slots.keys where !flying.contains(id) && slots[id]?.giveUp(at: now) == true { due.append(id) }
        return due
    }

    /// What is told about these limits, without those that somebody asks for anyway.
    package mutating func tell(_ limits: some Sequence<LimitID>, at uptime: Duration, all: Bool) -> Flight {
        let now = uptime.microseconds
        var flight = Flight(began: now)
        for id in limits where !flying.contains(id) {
            if let ask = rates[id]?.tell(at: now, all: all) { flight.rates.append(ask) }
            if let ask = slots[id]?.ask(needed: 0, waiting: 0, at: now) { flight.slots.append(ask) }
        }
        flying.formUnion(flight.limits)
        return flight
    }

    package mutating func answered(_ grants: [RateGrant], of flight: Flight, at uptime: Duration) {
        for (ask, grant) in zip(flight.rates, grants) {
            rates[ask.limit.id]?.answered(grant, to: ask, began: flight.began, at: uptime.microseconds)
            flying.remove(ask.limit.id)
        }
    }

    /// - Parameter length: for which the places are held, less a margin, from when the question was put.
    package mutating func answered(
        _ counts: [Int64], of flight: Flight, holding length: Duration, at uptime: Duration
    ) {
        let ends = flight.began + length.microseconds
        for (ask, count) in zip(flight.slots, counts) {
            slots[ask.limit.id]?.answered(count, to: ask, ends: ends, at: uptime.microseconds)
            flying.remove(ask.limit.id)
        }
    }

    /// What is not answered of it never will be.
    package mutating func failed(_ flight: Flight) {
        for ask in flight.rates where flying.remove(ask.limit.id) != nil {
            rates[ask.limit.id]?.failed(ask, ends: flight.ends[ask.limit.id])
        }
        for ask in flight.slots where flying.remove(ask.limit.id) != nil { slots[ask.limit.id]?.failed(ask) }
    }

    package mutating func renewed(_ counts: [LimitID: Int64], ends: Duration) {
        for id in slots.keys where !flying.contains(id) { slots[id]?.renewed(counts[id], ends: ends.microseconds) }
    }

    private mutating func forgetIdle(_ now: Int64) {
        for (id, slice) in rates where slice.isIdle(at: now) && !flying.contains(id) { rates[id] = nil }
        for (id, slice) in slots where slice.isIdle(at: now) && !flying.contains(id) { slots[id] = nil }
    }

    private func hasRoom(for limit: RateLimit) -> Bool {
        count < most || (limit.quantity == .concurrency ? slots[limit.id] != nil : rates[limit.id] != nil)
    }

    private mutating func fit(_ limit: RateLimit, _ tokens: Int64, _ now: Int64) -> RateSlice.Fit {
        if limit.quantity == .concurrency {
            return slots[limit.id, default: SlotSlice(limit, at: now)].fit(of: limit, at: now)
        }
        return rates[limit.id, default: RateSlice(limit, at: now)].fit(limit.need(tokens: tokens), of: limit, at: now)
    }
}
