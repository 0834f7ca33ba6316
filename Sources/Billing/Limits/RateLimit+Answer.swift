package import Kernel

extension RateLimit {
    /// Whether it counts requests for this model.
    package func binds(_ names: ModelNames) -> Bool { model.map(names.match) ?? true }

    /// What a request with so many tokens needs of it.
    package func need(tokens: Int64) -> Int64 { quantity.need(tokens: tokens) }
}

extension RateLimit.Quantity {
    /// What a request with so many tokens needs of such a limit.
    func need(tokens: Int64) -> Int64 {
        switch self {
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

    package var isEmpty: Bool { worst == nil }

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

/// The tightest limit of requests and the tightest of tokens: what `x-ratelimit-*` shows. Of each its place among the
/// limits: a limit is copied only where it is shown, since that counts its model's name.
struct TightestRates {
    private struct Standing {
        let place: Int
        let remaining: Int64
        let reset: Duration

        /// The less remains, and with as much the longer it takes to be full again.
        func isTighter(than other: Standing) -> Bool { (remaining, other.reset) < (other.remaining, reset) }

        func state(of limits: [RateLimit]) -> RateState {
            RateState(limit: limits[place], remaining: remaining, reset: reset)
        }
    }

    private var requests: Standing?
    private var tokens: Standing?

    /// - Parameter place: of a limit of that quantity.
    mutating func add(_ quantity: RateLimit.Quantity, at place: Int, remaining: Int64, reset: Duration) {
        let standing = Standing(place: place, remaining: remaining, reset: reset)
        switch quantity {
        case .concurrency: break
        case .requestsPerMinute: if requests.map(standing.isTighter) ?? true { requests = standing }
        case .tokensPerMinute: if tokens.map(standing.isTighter) ?? true { tokens = standing }
        }
    }

    /// Of requests first. Written out, since an array that grows costs three of one that is written.
    func states(of limits: [RateLimit]) -> [RateState] {
        switch (requests, tokens) {
        case (nil, nil): []
        case (let one?, nil), (nil, let one?): [one.state(of: limits)]
        case (let requests?, let tokens?): [requests.state(of: limits), tokens.state(of: limits)]
        }
    }
}

extension RateTicket {
    /// What a bucket gets back when the request ends; negative where it used more than was taken.
    /// - Parameter tokens: as `Counters.end`.
    package func comesBack(of quantity: RateLimit.Quantity, tokens actual: Int64?) -> Int64 {
        guard let actual else { return quantity.need(tokens: tokens) }
        guard quantity == .tokensPerMinute else { return 0 }
        let (difference, overflow) = quantity.need(tokens: tokens).subtractingReportingOverflow(max(actual, 0))
        return overflow ? 0 : difference
    }
}
