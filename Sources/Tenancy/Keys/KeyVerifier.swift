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
/// - When the list of revocations has not been read for as long as `staleness`, nothing in memory holds.
/// - An address that has sent too many wrong tokens is refused before a token of its is hashed, and no more are hashed
///   at once than it may send.
package final class KeyVerifier: Sendable {
    package enum Verdict: Sendable, Equatable {
        case accepted(KeyHolder)
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
        /// How long a proven verdict holds at most after the row was read while the store cannot be reached, and after
        /// the list of revocations was.
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
        /// Rises with every invalidation: a verification that began before one that touches it is not cached.
        var generation: UInt64 = 0
        var invalidations = Invalidations()

        mutating func invalidate(_ extent: Invalidations.Extent) {
            generation += 1
            running = [:]
            invalidations.add(extent)
        }
    }

    private let store: any KeyLookup
    private let hasher: any SecretHasher
    private let digests: any TokenDigest
    private let clock: any Clock
    /// When whoever waits for `verify` asks `giveUpWaiting`.
    package let wait: Duration
    /// Of all kinds of credentials, from all addresses.
    package let failures: FailedCredentials
    private let state: Mutex<State>

    /// - Parameter failures: nil for one with the usual limits.
    package init(
        store: any KeyLookup, hasher: any SecretHasher, digests: any TokenDigest, clock: any Clock,
        limits: Limits = Limits(), failures: FailedCredentials? = nil
    ) {
        self.store = store
        self.hasher = hasher
        self.digests = digests
        self.clock = clock
        wait = limits.wait
        self.failures = failures ?? FailedCredentials(clock: clock)
        state = Mutex(State(cache: VerdictCache(limits: limits)))
    }

    /// The verdict when it is known and holds: no waiting, no I/O. The hot path asks here first.
    package func cached(_ text: String) -> Cached? { cached(digest(of: text[...])) }

    /// The same for whoever has seen the token before, and has kept its digest.
    package func cached(_ digest: Digest256) -> Cached? {
        let uptime = clock.uptime
        return state.withLock { $0.cache.look(up: digest, at: uptime) }
    }

    /// By which verdicts are kept: the same for the same token, as long as the process lives.
    package func digest(of text: Substring) -> Digest256 { digests.digest(of: text) }

    /// The same as `verify(_:)` for a request: counts what is wrong, and looks at no new token from an address that was
    /// wrong too often.
    /// - Parameter address: the client's.
    /// - Throws: `RATE_LIMITED`, and what `verify(_:)` throws.
    package func verify(_ text: String, from address: IPAddress?) async throws -> Verdict {
        let digest = digests.digest(of: text)
        // What was proven once costs no hash, so it is no attempt.
        if state.withLock({ $0.cache.provenHash(of: digest) == nil }), let refusal = failures.refusal(for: address) {
            throw refusal
        }
        let decision = try await decision(on: text, from: address)
        switch decision.verdict {
        case .accepted: state.withLock { $0.cache.noteUse(of: digest, at: clock.uptime) }
        case .refused: if !decision.isCounted { failures.note(from: address) }
        }
        return decision.verdict
    }

    /// What a caller is told whose token is known to be wrong. Counts it.
    package func refusal(from address: IPAddress?) -> Problem {
        if let refusal = failures.refusal(for: address) { return refusal }
        failures.note(from: address)
        return Problem(.invalidAPIKey, parameter: "Authorization")
    }

    /// The verdict by the row as it is now; by the last one read when the store is away and that verdict still holds.
    /// - Throws: the store's or the hasher's `Problem`; `CancellationError`.
    package func verify(_ text: String) async throws -> Verdict { try await decision(on: text, from: nil).verdict }

    /// - Parameter address: whom a hash counts against; nil for nobody.
    private func decision(on text: String, from address: IPAddress?) async throws -> Decision {
        guard let token = KeyToken(text) else { return Decision(verdict: .refused) }
        let digest = digests.digest(of: text)
        let (verification, isFirst, generation) = state.withLock { state in
            if let running = state.running[digest] { return (running, false, state.generation) }
            let verification = Verification()
            state.running[digest] = verification
            return (verification, true, state.generation)
        }
        guard isFirst else { return Decision(verdict: try await verification.result()) }
        let outcome: Result<Decision, any Error>
        do {
            outcome = .success(try await decide(token, from: address, digest: digest, generation: generation))
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
        verification.finish(outcome.map(\.verdict))
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
            state.invalidate(.prefix(prefix))
            state.cache.forget(prefix: prefix)
        }
    }

    /// The same for every key that one of the subjects touches.
    package func forget(_ subjects: Set<Revocation.Subject>) {
        state.withLock { state in
            state.invalidate(.subjects(subjects))
            state.cache.forget(subjects)
        }
    }

    /// The same for every key.
    package func forgetAll() {
        state.withLock { state in
            state.invalidate(.everything)
            state.cache.forgetAll()
        }
    }

    /// Says that what was forgotten here is all that was to be forgotten up to `uptime`. From the first call on,
    /// verdicts end when the next one does not come.
    package func feedWasRead(at uptime: Duration) { state.withLock { $0.cache.feedWasRead(at: uptime) } }

    /// Whether a running request may go on whose key has this prefix, by the row as it is now.
    /// - Throws: the store's `Problem`; `CancellationError`.
    package func mayGoOn(prefix: String) async throws -> Bool {
        guard let facts = try await store.find(prefix: prefix), facts.isUsable(at: clock.now) else { return false }
        return facts.principal.grants.contains { $0.permissions.contains(.inferenceExecute) }
    }

    /// When keys were last used, of those that were since the last call.
    package func takeUses() -> [KeyID: Instant] {
        let (now, uptime) = (clock.now, clock.uptime)
        return state.withLock { $0.cache.takeUses() }.mapValues { now + ($0 - uptime) }
    }

    /// Gives back what `takeUses` gave and could not be written.
    package func putBack(_ uses: [KeyID: Instant]) {
        let (now, uptime) = (clock.now, clock.uptime)
        state.withLock { $0.cache.putBack(uses.mapValues { uptime + ($0 - now) }) }
    }

    private struct Decision {
        let verdict: Verdict
        /// Whether `failures` knows of this refusal.
        var isCounted = false
    }

    private func decide(
        _ token: KeyToken, from address: IPAddress?, digest: Digest256, generation: UInt64
    ) async throws -> Decision {
        let asked = clock.uptime
        let facts: KeyFacts
        switch try await find(token, digest: digest) {
        case .row(let row): facts = row
        case .unknown:
            state.withLock { $0.cache.forget(digest) }
            return Decision(verdict: .refused)
        case .away(let held): return Decision(verdict: held)
        }
        let key = facts.key
        guard facts.isUsable(at: clock.now) else {
            remember(.refused, key: key, proven: false, digest: digest, generation: generation, asked: asked)
            return Decision(verdict: .refused)
        }
        let known = state.withLock { $0.cache.provenHash(of: digest) }
        let isHashed = known != key.hash
        let isProven = isHashed ? try await proves(token, key.hash, from: address) : true
        let verdict: Verdict = isProven ? .accepted(KeyHolder(facts)) : .refused
        remember(verdict, key: key, proven: isProven, digest: digest, generation: generation, asked: asked)
        return Decision(verdict: verdict, isCounted: isHashed && !isProven && address != nil)
    }

    private func proves(_ token: KeyToken, _ hash: String, from address: IPAddress?) async throws -> Bool {
        guard let address else { return try await hasher.verify(token.text, against: hash) }
        if let refusal = failures.beginHash(for: address) { throw refusal }
        do {
            let isProven = try await hasher.verify(token.text, against: hash)
            failures.endHash(for: address, isProven ? .right : .wrong)
            return isProven
        } catch {
            failures.endHash(for: address, error is CancellationError ? .unknown : .none)
            throw error
        }
    }

    private enum Finding {
        case row(KeyFacts)
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
            guard !state.invalidations.touch(key, since: generation, now: state.generation) else {
                // What was good before may stand there still, and must not outlive this.
                if !proven { state.cache.forget(digest) }
                return
            }
            state.cache.remember(
                verdict, of: key, proven: proven, digest: digest, confirmed: asked, expires: expires, at: uptime)
        }
    }
}
