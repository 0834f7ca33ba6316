import Kernel

/// Why a call brought no answer that can be passed on.
package enum CallFailure: Sendable, Hashable {
    /// Nothing was sent: refused, unknown, no connection in time.
    case unreachable
    /// The connection ended before an answer began.
    case closed
    /// No answer in time.
    case silent
    /// It has too much to do; it may say for how long.
    case overloaded(retryAfter: Duration?)
    /// It reports a fault of its own.
    case failing
    /// What came is no answer.
    case broken
    /// It does not accept our credential, address or name of the model: an operator's matter.
    case misconfigured

    /// What it tells of the deployment.
    package var outcome: CallOutcome {
        if case .overloaded = self { .overloaded } else { .failed }
    }

    /// Whether the same deployment may do better a moment later.
    fileprivate var passes: Bool {
        switch self {
        case .unreachable, .closed, .overloaded, .failing: true
        case .silent, .broken, .misconfigured: false
        }
    }

    /// Whether the next one is asked at nobody's cost, since this one did no work.
    fileprivate var isFree: Bool {
        switch self {
        case .unreachable, .misconfigured: true
        case .closed, .silent, .overloaded, .failing, .broken: false
        }
    }
}

/// Who is asked for one answer, one after the other, until the first byte of it goes out. Pure.
package struct Journey: Sendable, Hashable {
    /// The longest that a client is kept waiting for a deployment that said when to come back.
    package static let patience = Duration.seconds(5)
    private static let firstPause = Duration.milliseconds(50)
    private static let longestPause = Duration.seconds(1)

    package enum Step: Sendable, Hashable {
        /// The candidate at this place, after this time.
        case call(Int, after: Duration)
        /// Nobody is left.
        case stop
    }

    /// Places of candidates, the best first.
    private let order: [Int]
    private let most: Int
    private var next = 0
    /// Those that failed in a way that passes.
    private var again: [Int] = []
    private var repeats = 0
    /// Calls that were begun.
    package private(set) var calls = 0

    package init(order: [Int], most: Int) {
        self.order = order
        self.most = most
    }

    /// The first candidate, or the one after a candidate that had no place for the request after all.
    package mutating func first() -> Int? {
        guard next < order.count else { return nil }
        defer { next += 1 }
        return order[next]
    }

    package mutating func didCall() { calls += 1 }

    /// - Parameters:
    ///   - place: of the candidate that failed.
    ///   - random: any number; spreads those who failed together.
    ///   - mayRetry: the service's budget, asked at most once.
    package mutating func step(
        after failure: CallFailure, at place: Int, random: UInt64, mayRetry: () -> Bool
    ) -> Step {
        guard calls < most else { return .stop }
        if failure.passes { again.append(place) }
        let isFresh = next < order.count
        guard isFresh || !again.isEmpty else { return .stop }
        var pause = Duration.zero
        if !isFresh {
            pause = backoff(random)
            if case .overloaded(let after?) = failure {
                guard after <= Self.patience else { return .stop }
                pause = max(pause, after)
            }
        }
        guard isFresh && failure.isFree || mayRetry() else { return .stop }
        if let fresh = first() { return .call(fresh, after: pause) }
        repeats += 1
        return .call(again.removeFirst(), after: pause)
    }

    /// Doubles each time, of which a random part is taken: full jitter.
    /// Source: Brooker, "Exponential Backoff And Jitter" (2015).
    private func backoff(_ random: UInt64) -> Duration {
        let ceiling = min(Self.firstPause * (1 << min(repeats, 10)), Self.longestPause)
        let part = Int64(random % UInt64(max(1, ceiling.microseconds)))
        return .microseconds(max(1000, part))
    }
}
