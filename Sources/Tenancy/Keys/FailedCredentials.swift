package import Kernel
import Synchronization

/// Slows down whoever tries credentials: every address has a bucket of failures that refills steadily. An address whose
/// bucket is empty is refused before anything expensive is done for it; what is known to be good goes on.
///
/// A hash takes its place before it begins and gives it back when the secret was right, so that guesses at one moment
/// are no more than guesses one after the other.
///
/// Bounded: when there are too many addresses, those that failed least are forgotten.
package final class FailedCredentials: Sendable {
    package struct Limits: Sendable {
        /// Failures in a minute, and at once, from one address; 0 for no limit.
        package var perMinute = 20
        /// Addresses that are remembered.
        package var capacity = 16_384

        package init(perMinute: Int = 20) { self.perMinute = perMinute }
    }

    /// How a hash for an address ended.
    package enum Outcome: Sendable {
        case right
        case wrong
        /// The hash was paid for and nobody knows what it says: it counts against the address, not as a failure.
        case unknown
        /// There was no hash.
        case none
    }

    /// IPv6 is counted by /64: that much one customer has.
    private struct Source: Hashable {
        let isV4: Bool
        let bits: UInt64

        init(_ address: IPAddress) {
            isV4 = address.isV4
            bits = address.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    private struct Bucket {
        /// Failures left. Below zero when several attempts were under way at once.
        var left: Double
        var at: Duration
    }

    private struct State {
        var buckets: [Source: Bucket] = [:]
        /// Hashes under way. Bounded by what the hashing pool takes.
        var underWay: [Source: Int] = [:]
    }

    private let limits: Limits
    private let clock: any Clock
    private let state = Mutex(State())
    private let failed = Atomic<Int>(0)
    private let throttled = Atomic<Int>(0)

    package init(clock: any Clock, limits: Limits = Limits()) {
        self.clock = clock
        self.limits = limits
    }

    /// Wrong credentials so far, from anywhere.
    package var failures: Int { failed.load(ordering: .relaxed) }
    /// Attempts refused without looking at the credential.
    package var refusals: Int { throttled.load(ordering: .relaxed) }

    /// Asked before an unknown credential is looked at.
    /// - Parameter address: nil for the machine's own socket, which is not limited.
    /// - Returns: `RATE_LIMITED` for an address that has failed too often.
    package func refusal(for address: IPAddress?) -> Problem? {
        guard limits.perMinute > 0, let address else { return nil }
        let source = Source(address)
        let now = clock.uptime
        let left = state.withLock { self.left(of: source, in: $0, at: now) }
        return left < 1 ? tooMany(left: left) : nil
    }

    /// Asked just before a hash. Every call that returns nil is paired with `endHash`.
    /// - Returns: `RATE_LIMITED` for an address that has failed too often; `OVERLOADED` for one that would have, were
    ///   all its hashes under way to end as wrong.
    package func beginHash(for address: IPAddress?) -> Problem? {
        guard limits.perMinute > 0, let address else { return nil }
        let source = Source(address)
        let now = clock.uptime
        let (left, isTaken) = state.withLock { state in
            let left = self.left(of: source, in: state, at: now)
            let underWay = state.underWay[source, default: 0]
            guard left - Double(underWay) >= 1 else { return (left, false) }
            state.underWay[source] = underWay + 1
            return (left, true)
        }
        if isTaken { return nil }
        guard left >= 1 else { return tooMany(left: left) }
        throttled.wrappingAdd(1, ordering: .relaxed)
        return Problem(
            .overloaded, "Too many credentials from this address are being checked for the first time.", retryAfter: 1)
    }

    package func endHash(for address: IPAddress?, _ outcome: Outcome) {
        if outcome == .wrong { failed.wrappingAdd(1, ordering: .relaxed) }
        guard limits.perMinute > 0, let address else { return }
        let source = Source(address)
        let now = clock.uptime
        state.withLock { state in
            let underWay = state.underWay[source, default: 0] - 1
            state.underWay[source] = underWay > 0 ? underWay : nil
            if outcome == .wrong || outcome == .unknown { spend(source, in: &state.buckets, at: now) }
        }
    }

    /// Called for every wrong credential that was not hashed.
    package func note(from address: IPAddress?) {
        failed.wrappingAdd(1, ordering: .relaxed)
        guard limits.perMinute > 0, let address else { return }
        let source = Source(address)
        let now = clock.uptime
        state.withLock { spend(source, in: &$0.buckets, at: now) }
    }

    private func left(of source: Source, in state: State, at now: Duration) -> Double {
        state.buckets[source].map { refilled($0, at: now).left } ?? Double(limits.perMinute)
    }

    private func spend(_ source: Source, in buckets: inout [Source: Bucket], at now: Duration) {
        if buckets.count >= limits.capacity, buckets[source] == nil { makeRoom(in: &buckets, at: now) }
        let burst = Double(limits.perMinute)
        let bucket = buckets[source].map { refilled($0, at: now) } ?? Bucket(left: burst, at: now)
        // A bound, so that many attempts at one moment do not shut an address out for hours.
        buckets[source] = Bucket(left: max(-burst, bucket.left - 1), at: now)
    }

    private func tooMany(left: Double) -> Problem {
        throttled.wrappingAdd(1, ordering: .relaxed)
        let seconds = ((1 - left) * 60 / Double(limits.perMinute)).rounded(.up)
        return Problem(
            .rateLimited, "Too many wrong credentials came from this address.",
            hint: "Wait, and check the credential before the next try.", retryAfter: max(1, Int(seconds)))
    }

    private func refilled(_ bucket: Bucket, at now: Duration) -> Bucket {
        let burst = Double(limits.perMinute)
        return Bucket(left: min(burst, bucket.left + (now - bucket.at).seconds * burst / 60), at: now)
    }

    /// Halves the table, rarely: an attacker with many addresses must not make each attempt a walk over all of them.
    private func makeRoom(in buckets: inout [Source: Bucket], at now: Duration) {
        let kept = buckets.mapValues { refilled($0, at: now) }.sorted { $0.value.left < $1.value.left }
            .prefix(limits.capacity / 2)
        buckets = Dictionary(kept.map { ($0.key, $0.value) }) { first, _ in first }
    }
}
