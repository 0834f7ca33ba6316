import Kernel
import Synchronization
import Tenancy

/// A store of keyed answers that a test takes away, keeps silent or looks into. The real ones have a contract suite.
final class MemoryAnswers: IdempotencyStore {
    enum Fault: Sendable {
        /// Every call throws.
        case away
        /// No call returns, until the store is well again.
        case silent
        /// The lease goes to a twin at the next renewal.
        case stolen
    }

    private struct Record {
        var fingerprint: [UInt8]
        var epoch: Int64
        var isHeld = true
        var answer: StoredAnswer?
    }

    private struct State {
        var records: [IdempotencyKey: Record] = [:]
        var fault: Fault?
        var waiting: [CheckedContinuation<Void, Never>] = []
        var claims = 0
        var atCompletion: @Sendable () -> Void = {}
    }

    private let state = Mutex(State())

    // MARK: For tests

    func suffer(_ fault: Fault) { state.withLock { $0.fault = fault } }

    func recover() {
        let waiting = state.withLock { state in
            state.fault = nil
            defer { state.waiting = [] }
            return state.waiting
        }
        for caller in waiting { caller.resume() }
    }

    /// Called whenever an answer is given to the store.
    func atCompletion(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.atCompletion = body } }

    /// Calls that get no answer now.
    var waiting: Int { state.withLock { $0.waiting.count } }
    var claims: Int { state.withLock { $0.claims } }
    var answers: [StoredAnswer] { state.withLock { $0.records.values.compactMap(\.answer) } }
    /// Keys that somebody carries out now.
    var held: Int { state.withLock { $0.records.values.count { $0.isHeld } } }
    var keys: Set<IdempotencyKey> { state.withLock { Set($0.records.keys) } }

    // MARK: The port

    private func pass() async throws {
        await withCheckedContinuation { continuation in
            let isSilent = state.withLock { state in
                guard state.fault == .silent else { return false }
                state.waiting.append(continuation)
                return true
            }
            if !isSilent { continuation.resume() }
        }
        if state.withLock({ $0.fault == .away }) { throw Problem(.storageUnavailable, retryAfter: 1) }
    }

    func claim(
        _ key: IdempotencyKey, fingerprint: [UInt8], leaseFor duration: Duration
    ) async throws -> IdempotencyClaim {
        state.withLock { $0.claims += 1 }
        try await pass()
        return state.withLock { state in
            guard var record = state.records[key] else {
                state.records[key] = Record(fingerprint: fingerprint, epoch: 1)
                return .granted(lease(key, 1))
            }
            guard record.fingerprint == fingerprint else { return .conflict }
            if let answer = record.answer { return .answered(answer) }
            guard !record.isHeld else { return .running }
            record.isHeld = true
            record.epoch += 1
            state.records[key] = record
            return .granted(lease(key, record.epoch))
        }
    }

    private func lease(_ key: IdempotencyKey, _ epoch: Int64) -> IdempotencyLease {
        IdempotencyLease(key: key, epoch: epoch, expires: Instant(microseconds: 0))
    }

    func renew(_ lease: IdempotencyLease, for duration: Duration) async throws -> IdempotencyLease? {
        try await pass()
        return state.withLock { state in
            guard state.fault == .stolen else { return lease }
            state.records[lease.key]?.epoch += 1
            return nil
        }
    }

    func complete(_ lease: IdempotencyLease, with answer: StoredAnswer) async throws -> Bool {
        state.withLock { $0.atCompletion }()
        try await pass()
        return state.withLock { state in
            guard state.records[lease.key]?.epoch == lease.epoch else { return false }
            state.records[lease.key]?.answer = answer
            state.records[lease.key]?.isHeld = false
            return true
        }
    }

    func release(_ lease: IdempotencyLease) async throws {
        try await pass()
        state.withLock { state in
            guard state.records[lease.key]?.epoch == lease.epoch else { return }
            state.records[lease.key]?.isHeld = false
        }
    }

    func prune(limit: Int) async throws -> Int { 0 }
}

/// Not SHA-256: only different for different bodies.
struct PlainRequestDigest: RequestDigest {
    func digest(target: String, body: UnsafeRawBufferPointer) -> [UInt8] { Array(target.utf8) + [0] + Array(body) }
}
