package import Kernel

extension RateLimit {
    /// Whether it counts requests for this model.
    package func binds(_ names: ModelNames) -> Bool { model.map(names.match) ?? true }

    /// What a request with so many tokens needs of it.
    package func need(tokens: Int64) -> Int64 {
        switch quantity {
        case .requestsPerMinute, .concurrency: 1
        case .tokensPerMinute: max(tokens, 1)
        }
    }
}

/// The limits that a request does not fit into, while they are looked at one after the other.
package struct RateRefusal: Sendable {
    private enum Weight: Comparable {
        case place
        case wait(Duration)
        case never
    }

    private var worst: (weight: Weight, state: RateState)?

    package init() {}

    /// - Parameter wait: nil when it never fits.
    package mutating func add(_ state: RateState, wait: Duration?) { add(state, wait.map { .wait($0) } ?? .never) }

    package mutating func addPlace(_ state: RateState) { add(state, .place) }

    /// The limit whose wait is the longest, since an earlier try would meet it again; nil when all fit.
    package var answer: RateAnswer? {
        guard let worst else { return nil }
        switch worst.weight {
        case .place, .never: return .refused(worst.state, retryAfter: nil)
        case .wait(let wait): return .refused(worst.state, retryAfter: Self.wholeSeconds(wait))
        }
    }

    private mutating func add(_ state: RateState, _ weight: Weight) {
        if let worst, worst.weight >= weight { return }
        worst = (weight, state)
    }

    /// Rounded up: who comes back then is not refused for coming early.
    private static func wholeSeconds(_ wait: Duration) -> Duration {
        .seconds(max(1, (wait.microseconds + 999_999) / 1_000_000))
    }
}

/// The tightest limit of requests and the tightest of tokens: what `x-ratelimit-*` shows.
package struct TightestRates: Sendable {
    private var requests: RateState?
    private var tokens: RateState?

    package init() {}

    package mutating func add(_ state: RateState) {
        switch state.limit.quantity {
        case .requestsPerMinute: if state.isTighter(than: requests) { requests = state }
        case .tokensPerMinute: if state.isTighter(than: tokens) { tokens = state }
        case .concurrency: break
        }
    }

    package var states: [RateState] {
        switch (requests, tokens) {
        case (nil, nil): []
        case (let one?, nil), (nil, let one?): [one]
        case (let requests?, let tokens?): [requests, tokens]
        }
    }
}

extension RateState {
    fileprivate func isTighter(than other: RateState?) -> Bool {
        guard let other else { return true }
        return (remaining, other.reset) < (other.remaining, reset)
    }
}

extension RateTicket {
    /// What a bucket gets back when the request ends; negative where it used more than was taken.
    /// - Parameter tokens: as `Counters.end`.
    package func comesBack(of limit: RateLimit, tokens actual: Int64?) -> Int64 {
        guard let actual else { return limit.need(tokens: tokens) }
        guard limit.quantity == .tokensPerMinute else { return 0 }
        let (difference, overflow) = limit.need(tokens: tokens).subtractingReportingOverflow(max(actual, 0))
        return overflow ? 0 : difference
    }
}
