import Kernel
import Synchronization
import Tenancy
import TestKit

/// A store of keyed answers that can be away, and that notes what is done to it.
final class ClockedAnswers: IdempotencyStore {
    private struct State {
        var isAway = false
        var failures = 0
        var claims = 0
        var renewals: [Instant] = []
        var held: [IdempotencyKey: Int64] = [:]
        var epochs: [IdempotencyKey: Int64] = [:]
        var answers: [IdempotencyKey: StoredAnswer] = [:]
        var limits: [Int] = []
    }

    private let state = Mutex(State())
    private let store: MemoryIdempotencyStore
    private let clock: ManualClock

    init(clock: ManualClock) {
        self.clock = clock
        store = MemoryIdempotencyStore(clock: clock)
    }

    // MARK: For tests

    func goAway() { state.withLock { $0.isAway = true } }
    func comeBack() { state.withLock { $0.isAway = false } }

    var claims: Int { state.withLock { $0.claims } }
    var renewals: [Instant] { state.withLock { $0.renewals } }
    /// Calls that failed.
    var failures: Int { state.withLock { $0.failures } }
    func epoch(of key: IdempotencyKey) -> Int64? { state.withLock { $0.epochs[key] } }
    func answer(of key: IdempotencyKey) -> StoredAnswer? { state.withLock { $0.answers[key] } }
    func isHeld(_ key: IdempotencyKey) -> Bool { state.withLock { $0.held[key] != nil } }
    /// What each round of pruning was allowed to take.
    var pruned: [Int] { state.withLock { $0.limits } }

    // MARK: The port

    private func pass() throws {
        try Task.checkCancellation()
        try state.withLock { state in
            guard state.isAway else { return }
            state.failures += 1
            throw Problem(.storageUnavailable)
        }
    }

    func claim(
        _ key: IdempotencyKey, fingerprint: [UInt8], leaseFor duration: Duration
    ) async throws -> IdempotencyClaim {
        state.withLock { $0.claims += 1 }
        try pass()
        let claim = try await store.claim(key, fingerprint: fingerprint, leaseFor: duration)
        if case .granted(let lease) = claim {
            state.withLock { state in
                state.held[key] = lease.epoch
                state.epochs[key] = lease.epoch
            }
        }
        return claim
    }

    func renew(_ lease: IdempotencyLease, for duration: Duration) async throws -> IdempotencyLease? {
        try pass()
        let renewed = try await store.renew(lease, for: duration)
        let now = clock.now
        state.withLock { $0.renewals.append(now) }
        return renewed
    }

    func complete(_ lease: IdempotencyLease, with answer: StoredAnswer) async throws -> Bool {
        try pass()
        guard try await store.complete(lease, with: answer) else { return false }
        state.withLock { state in
            state.held[lease.key] = nil
            state.answers[lease.key] = answer
        }
        return true
    }

    func release(_ lease: IdempotencyLease) async throws {
        try pass()
        try await store.release(lease)
        state.withLock { state in
            if state.held[lease.key] == lease.epoch { state.held[lease.key] = nil }
        }
    }

    func prune(limit: Int) async throws -> Int {
        try pass()
        state.withLock { $0.limits.append(limit) }
        return try await store.prune(limit: limit)
    }
}
