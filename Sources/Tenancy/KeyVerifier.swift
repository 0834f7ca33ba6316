package import Kernel
import Synchronization

/// Decides whether a token is good: argon2 once, then a cache keyed by a keyed digest.
///
/// - A token that does not look like one, and an unknown prefix, cost no argon2.
/// - A wrong secret is remembered for a while, so that repeating it costs no argon2 either.
/// - Many requests with the same unverified token wait for one verification.
/// - After `freshness` the row is read again (no argon2), so revocation by another process is seen. A key in use has it
///   read before that, while nobody waits.
/// - While the store is away, a proven verdict goes on to hold, without waiting, until `staleness` after the row was
///   last read; then it fails closed. A refusal, an expired key and one that this process revoked never hold.
package final class KeyVerifier: Sendable {
    package enum Verdict: Sendable, Equatable {
        case accepted(Principal)
        case refused
    }

    /// What is known without waiting.
    package struct Cached: Sendable, Equatable {
        package let verdict: Verdict
        /// Whether the caller should have `verify` called for this token where nobody waits for it. Said to one caller
        /// at a time.
        package let wantsRenewal: Bool
    }

    package struct Limits: Sendable {
        /// How long a verdict holds before the row is read again.
        package var freshness: Duration = .seconds(30)
        /// How long a proven verdict holds at most after the row was read, while the store cannot be reached.
        package var staleness: Duration = .seconds(300)
        /// How often a store that is away is tried.
        package var retry: Duration = .seconds(1)
        /// How long a request waits for the store before what was proven earlier holds.
        package var wait: Duration = .milliseconds(250)
        /// How long a wrong secret is remembered.
        package var refusal: Duration = .seconds(10)
        /// How many verdicts are kept.
        package var capacity = 16_384

        package init() {}
    }

    private struct State {
        var cache: VerdictCache
        var running: [Digest256: Verification] = [:]
        /// Rises with every invalidation: a verification that began before one is not cached.
        var generation: UInt64 = 0
    }

    private let store: any KeyStore
    private let hasher: any SecretHasher
    private let digests: any TokenDigest
    private let clock: any Clock
    /// When whoever waits for `verify` asks `giveUpWaiting`.
    package let wait: Duration
    private let state: Mutex<State>

    package init(
        store: any KeyStore, hasher: any SecretHasher, digests: any TokenDigest, clock: any Clock,
        limits: Limits = Limits()
    ) {
        self.store = store
        self.hasher = hasher
        self.digests = digests
        self.clock = clock
        wait = limits.wait
        state = Mutex(State(cache: VerdictCache(limits: limits)))
    }

    /// The verdict when it is known and holds: no waiting, no I/O. The hot path asks here first.
    package func cached(_ text: some StringProtocol) -> Cached? {
        let digest = digests.digest(of: text)
        let uptime = clock.uptime
        return state.withLock { $0.cache.look(up: digest, at: uptime) }
    }

    /// The verdict by the row as it is now; by the last one read when the store is away and that verdict still holds.
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

    /// For whoever has waited for `verify` for as long as `wait`: a store that is silent about a key that was proven
    /// counts as away, so that nobody waits for it again, and the verdict holds. `verify` goes on.
    /// - Returns: nil when nothing was proven, or it holds no longer; then there is nothing but to wait on.
    package func giveUpWaiting(for text: some StringProtocol) -> Verdict? {
        let digest = digests.digest(of: text)
        let uptime = clock.uptime
        return state.withLock { state in
            guard let held = state.cache.heldVerdict(on: digest, at: uptime) else { return nil }
            state.cache.storeIsSilent(at: uptime)
            return held
        }
    }

    /// Forgets what is known about the key with this prefix, at once. Who asks from now on does not join a verification
    /// that began before.
    package func invalidate(prefix: String) {
        state.withLock { state in
            state.generation += 1
            state.running = [:]
            state.cache.forget(prefix: prefix)
        }
    }

    private func decide(_ token: KeyToken, digest: Digest256, generation: UInt64) async throws -> Verdict {
        let asked = clock.uptime
        let key: APIKey
        switch try await find(token, digest: digest) {
        case .row(let row): key = row
        case .unknown:
            state.withLock { $0.cache.forget(digest) }
            return .refused
        case .away(let held): return held
        }
        guard key.isUsable(at: clock.now) else {
            remember(.refused, key: key, proven: false, digest: digest, generation: generation, asked: asked)
            return .refused
        }
        let known = state.withLock { $0.cache.provenHash(of: digest) }
        let isProven: Bool
        if let known, known == key.hash {
            isProven = true
        } else {
            isProven = try await hasher.verify(token.text, against: key.hash)
        }
        let verdict: Verdict = isProven ? .accepted(Principal(key)) : .refused
        remember(verdict, key: key, proven: isProven, digest: digest, generation: generation, asked: asked)
        return verdict
    }

    private enum Finding {
        case row(APIKey)
        case unknown
        /// The store cannot be reached, and this verdict holds meanwhile.
        case away(Verdict)
    }

    private func find(_ token: KeyToken, digest: Digest256) async throws -> Finding {
        state.withLock { $0.cache.storeIsAsked(at: clock.uptime) }
        do {
            let key = try await store.find(prefix: token.prefix)
            state.withLock { $0.cache.storeDidAnswer(at: clock.uptime) }
            return key.map { .row($0) } ?? .unknown
        } catch let problem as Problem where problem.code == .storageUnavailable || problem.code == .overloaded {
            let held = state.withLock { state in
                state.cache.storeDidFail(at: clock.uptime)
                return state.cache.heldVerdict(on: digest, at: clock.uptime)
            }
            guard let held else { throw problem }
            return .away(held)
        } catch {
            state.withLock { $0.cache.storeWasLeft() }
            throw error
        }
    }

    private func remember(
        _ verdict: Verdict, key: APIKey, proven: Bool, digest: Digest256, generation: UInt64, asked: Duration
    ) {
        let uptime = clock.uptime
        let expires = key.expires.map { uptime + ($0 - clock.now) }
        state.withLock { state in
            guard state.generation == generation else {
                // What was good before may stand there still, and must not outlive this.
                if !proven { state.cache.forget(digest) }
                return
            }
            state.cache.remember(
                verdict, of: key, proven: proven, digest: digest, confirmed: asked, expires: expires, at: uptime)
        }
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
