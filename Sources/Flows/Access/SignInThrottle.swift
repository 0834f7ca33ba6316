package import Kernel
import Synchronization

/// Slows down guessing at one account's password: so many tries at once, then one in a while. A try that was right
/// gives its turn back.
///
/// Bounded: when there are too many accounts, those with the most turns left are forgotten.
package final class SignInThrottle: Sendable {
    package struct Limits: Sendable {
        package var burst = 10
        package var interval: Duration = .seconds(30)
        package var capacity = 8192

        package init() {}
    }

    private struct Bucket {
        var left: Double
        var at: Duration
    }

    private let limits: Limits
    private let clock: any Clock
    private let buckets = Mutex<[String: Bucket]>([:])

    package init(clock: any Clock, limits: Limits = Limits()) {
        self.clock = clock
        self.limits = limits
    }

    /// Takes a turn.
    /// - Returns: `RATE_LIMITED` when there is none.
    func take(_ account: String) -> Problem? {
        let now = clock.uptime
        let left: Double = buckets.withLock { buckets in
            if buckets.count >= limits.capacity, buckets[account] == nil { makeRoom(in: &buckets, at: now) }
            let bucket = refilled(buckets[account], at: now)
            guard bucket.left >= 1 else { return bucket.left }
            buckets[account] = Bucket(left: bucket.left - 1, at: now)
            return 1
        }
        guard left < 1 else { return nil }
        let seconds = ((1 - left) * limits.interval.seconds).rounded(.up)
        return Problem(
            .rateLimited, "There were too many tries to sign in to this account.",
            hint: "Wait before the next try.", retryAfter: max(1, Int(seconds)))
    }

    func giveBack(_ account: String) {
        let now = clock.uptime
        buckets.withLock { buckets in
            guard let bucket = buckets[account] else { return }
            let left = min(Double(limits.burst), refilled(bucket, at: now).left + 1)
            buckets[account] = Bucket(left: left, at: now)
        }
    }

    private func refilled(_ bucket: Bucket?, at now: Duration) -> Bucket {
        guard let bucket else { return Bucket(left: Double(limits.burst), at: now) }
        let gained = (now - bucket.at).seconds / limits.interval.seconds
        return Bucket(left: min(Double(limits.burst), bucket.left + gained), at: now)
    }

    private func makeRoom(in buckets: inout [String: Bucket], at now: Duration) {
        let kept = buckets.mapValues { refilled($0, at: now) }.sorted { $0.value.left < $1.value.left }
            .prefix(limits.capacity / 2)
        buckets = Dictionary(kept.map { ($0.key, $0.value) }) { first, _ in first }
    }
}
