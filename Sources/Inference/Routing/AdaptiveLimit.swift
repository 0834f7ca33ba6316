import Kernel

/// How many requests a deployment may have at once, found by trying: one more for each full round of answers that came
/// as fast as the fastest do, a tenth less when it says that it has too many, or when answers take twice as long as
/// they could. Pure. Source: additive increase, multiplicative decrease, Chiu and Jain (1989).
package struct AdaptiveLimit: Sendable, Hashable {
    /// Answers slower than this many times the fastest are taken for a sign of too many.
    private static let tolerance = 2
    /// What is taken for the fastest is found anew after so many answers, since a model may have been replaced; and
    /// among half as many at once, since those that queue behind others would be taken for fast.
    private static let window = 1000
    private static let first = 8.0

    private let most: Double
    private var limit: Double
    private var fastest: Duration?
    private var seen = 0
    private var lastCut: Duration?

    package init(most: Int) {
        self.most = Double(max(1, most))
        limit = min(Self.first, self.most)
    }

    package var value: Int { max(1, Int(limit)) }

    /// - Parameters:
    ///   - latency: to the first byte of the answer.
    ///   - running: how many there were, this one among them.
    package mutating func answered(in latency: Duration, running: Int, at uptime: Duration) {
        seen += 1
        if seen > Self.window {
            (fastest, seen) = (nil, 1)
            limit = max(1, limit / 2)
        }
        let best = min(fastest ?? latency, latency)
        fastest = best
        if latency > best * Self.tolerance { return cut(at: uptime, within: latency) }
        // A limit that was not reached was not tried.
        if Double(running) >= limit / 2 { limit = min(most, limit + 1 / limit) }
    }

    /// It said that it has too many, or was silent.
    package mutating func overloaded(at uptime: Duration) {
        cut(at: uptime, within: max(fastest ?? .zero, .milliseconds(10)))
    }

    /// Once for all that were under way together.
    private mutating func cut(at uptime: Duration, within time: Duration) {
        if let lastCut, uptime - lastCut < time { return }
        lastCut = uptime
        limit = max(1, limit * 0.9)
    }
}
