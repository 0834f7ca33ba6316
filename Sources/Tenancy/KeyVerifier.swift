package import Kernel
import Synchronization

/// Decides whether a token is good: argon2 once, then a cache keyed by a keyed digest.
///
/// - A token that does not look like one, and an unknown prefix, cost no argon2.
/// - A wrong secret is remembered for a while, so that repeating it costs no argon2 either.
/// - Many requests with the same unverified token wait for one verification.
/// - After `freshness` the row is read again (no argon2), so revocation by another process is seen.
package final class KeyVerifier: Sendable {
    package enum Verdict: Sendable, Equatable {
        case accepted(Principal)
        case refused
    }

    package struct Limits: Sendable {
        /// How long a verdict holds before the row is read again.
        package var freshness: Duration = .seconds(30)
        /// How long a wrong secret is remembered.
        package var refusal: Duration = .seconds(10)
        /// How many verdicts are kept.
        package var capacity = 16_384

        package init() {}
    }

    private struct Entry {
        var verdict: Verdict
        /// The row's hash that this token was proven against; nil for a refusal.
        var provenHash: String?
        var prefix: String
        var freshUntil: Duration
    }

    private struct State {
        var entries: [Digest256: Entry] = [:]
        var running: [Digest256: Verification] = [:]
        /// Rises with every invalidation: a verification that began before one is not cached.
        var generation: UInt64 = 0
    }

    private let store: any KeyStore
    private let hasher: any SecretHasher
    private let digests: any TokenDigest
    private let clock: any Clock
    private let limits: Limits
    private let state = Mutex(State())

    package init(
        store: any KeyStore, hasher: any SecretHasher, digests: any TokenDigest, clock: any Clock,
        limits: Limits = Limits()
    ) {
        self.store = store
        self.hasher = hasher
        self.digests = digests
        self.clock = clock
        self.limits = limits
    }

    /// The verdict when it is known and fresh: no waiting, no I/O. The hot path asks here first.
    package func cached(_ text: some StringProtocol) -> Verdict? {
        let digest = digests.digest(of: text)
        let uptime = clock.uptime
        return state.withLock { state in
            guard let entry = state.entries[digest], uptime < entry.freshUntil else { return nil }
            return entry.verdict
        }
    }

    /// The verdict, found out when it is not known.
    /// - Throws: the store's or the hasher's `Problem`; `CancellationError`.
    package func verify(_ text: String) async throws -> Verdict {
        guard let token = KeyToken(text) else { return .refused }
        let digest = digests.digest(of: text)
        let (verification, isFirst, generation) = state.withLock { state in
            if let running = state.running[digest] { return (running, false, state.generation) }
            let verification = Verification()
            state.running[digest] = verification
            return (verification, true, state.generation)
        }
        guard isFirst else { return try await verification.result() }
        let outcome: Result<Verdict, any Error>
        do {
            outcome = .success(try await decide(token, digest: digest, generation: generation))
        } catch is CancellationError {
            // The first caller went away. Its followers did not: they are told to try again.
            outcome = .failure(Problem(.overloaded, retryAfter: 1))
        } catch {
            outcome = .failure(error)
        }
        state.withLock { state in
            // An invalidation may have dropped it, and a newer one may stand in its place.
            if state.running[digest] === verification { state.running[digest] = nil }
        }
        verification.finish(outcome)
        return try outcome.get()
    }

    /// Forgets what is known about the key with this prefix, at once. Who asks from now on does not join a verification
    /// that began before.
    package func invalidate(prefix: String) {
        state.withLock { state in
            state.generation += 1
            state.running = [:]
            state.entries = state.entries.filter { $0.value.prefix != prefix }
        }
    }

    private func decide(_ token: KeyToken, digest: Digest256, generation: UInt64) async throws -> Verdict {
        guard let key = try await store.find(prefix: token.prefix) else { return .refused }
        guard key.isUsable(at: clock.now) else {
            remember(.refused, key: key, proven: false, digest: digest, generation: generation)
            return .refused
        }
        let known = state.withLock { $0.entries[digest]?.provenHash }
        let isProven: Bool
        if let known, known == key.hash {
            isProven = true
        } else {
            isProven = try await hasher.verify(token.text, against: key.hash)
        }
        let verdict: Verdict = isProven ? .accepted(Principal(key)) : .refused
        remember(verdict, key: key, proven: isProven, digest: digest, generation: generation)
        return verdict
    }

    private func remember(
        _ verdict: Verdict, key: APIKey, proven: Bool, digest: Digest256, generation: UInt64
    ) {
        let uptime = clock.uptime
        var freshUntil = uptime + (proven ? limits.freshness : limits.refusal)
        if proven, let expires = key.expires { freshUntil = min(freshUntil, uptime + (expires - clock.now)) }
        let entry = Entry(
            verdict: verdict, provenHash: proven ? key.hash : nil, prefix: key.prefix, freshUntil: freshUntil)
        state.withLock { state in
            guard state.generation == generation else { return }
            if state.entries.count >= limits.capacity { makeRoom(in: &state, at: uptime) }
            state.entries[digest] = entry
        }
    }

    /// Drops stale verdicts, then refusals, then everything: a full cache costs time, never correctness.
    private func makeRoom(in state: inout State, at uptime: Duration) {
        state.entries = state.entries.filter { $0.value.freshUntil > uptime }
        if state.entries.count < limits.capacity { return }
        state.entries = state.entries.filter { $0.value.verdict != .refused }
        if state.entries.count < limits.capacity { return }
        state.entries.removeAll(keepingCapacity: true)
    }
}

/// One verification that others wait for.
private final class Verification: Sendable {
    private enum State {
        case running([CheckedContinuation<KeyVerifier.Verdict, any Error>])
        case finished(Result<KeyVerifier.Verdict, any Error>)
    }

    private let state = Mutex(State.running([]))

    func result() async throws -> KeyVerifier.Verdict {
        try await withCheckedThrowingContinuation { continuation in
            let finished: Result<KeyVerifier.Verdict, any Error>? = state.withLock { state in
                switch state {
                case .running(let waiters):
                    state = .running(waiters + [continuation])
                    return nil
                case .finished(let result):
                    return result
                }
            }
            if let finished { continuation.resume(with: finished) }
        }
    }

    func finish(_ result: Result<KeyVerifier.Verdict, any Error>) {
        let waiters: [CheckedContinuation<KeyVerifier.Verdict, any Error>] = state.withLock { state in
            guard case .running(let waiters) = state else { return [] }
            state = .finished(result)
            return waiters
        }
        for waiter in waiters { waiter.resume(with: result) }
    }
}
