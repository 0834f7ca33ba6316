package import Kernel
package import Logging
import Synchronization
package import Tenancy

/// "claim -> carry out -> keep", or "claim -> replay": both planes answer their keyed requests by it.
///
/// Of all requests with one key, on all nodes, one at a time holds the lease and is carried out. The others wait for
/// its answer and get the same one. A process that dies leaves a lease that runs out; whoever takes it over has a
/// higher epoch, and what the dead one still says changes nothing.
package struct IdempotencyFlow: Sendable {
    package struct Limits: Sendable {
        /// How long a silent holder keeps the others waiting. It is renewed after a third of it.
        package var lease = Duration.seconds(30)
        /// Between two looks of one who waits; grows from the one to the other.
        package var shortestPause = Duration.milliseconds(20)
        package var longestPause = Duration.milliseconds(500)
        /// A hint does not make anybody look again sooner than this.
        package var hintSpacing = Duration.milliseconds(50)
        /// Who may wait at one time on this node. Each asks the database up to 20 times a second.
        package var mostWaiting = 256
        /// How long an answer that is there waits for a store that does not take it. Shorter than two thirds of the
        /// lease, so that no twin begins meanwhile.
        package var keeping = Duration.seconds(10)

        package init() {}
    }

    let store: any IdempotencyStore
    let clock: any Clock
    let limits: Limits
    let logger: Logger
    private let digest: any RequestDigest
    private let announce: @Sendable () -> Void
    private let hints: (@Sendable () -> AsyncStream<Void>)?
    private let waiting = WaitingPlaces()

    /// - Parameters:
    ///   - hints: a stream that has an element when some keyed request may have ended, on any node.
    ///   - announce: makes such an element, on all nodes.
    package init(
        store: any IdempotencyStore, digest: any RequestDigest, clock: any Clock, logger: Logger,
        limits: Limits = Limits(), hints: (@Sendable () -> AsyncStream<Void>)? = nil,
        announce: @escaping @Sendable () -> Void = {}
    ) {
        self.store = store
        self.digest = digest
        self.clock = clock
        self.logger = logger
        self.limits = limits
        self.hints = hints
        self.announce = announce
    }

    /// How many wait for a twin now.
    package var waiters: Int { waiting.count }

    /// See `RequestDigest`.
    package func fingerprint(target: String, body: UnsafeRawBufferPointer) -> [UInt8] {
        digest.digest(target: target, body: body)
    }

    /// Carries the request out, unless another one with its key does so or did.
    ///
    /// `work` runs at most once. It is cancelled when the lease is lost, and its end is waited for in any case; what it
    /// throws is thrown, and the lease given up. When this returns `.carriedOut(_, .kept)`, the answer is durable.
    /// - Parameters:
    ///   - limit: how long a twin's answer is waited for.
    ///   - waiter: hears of the waiting.
    /// - Throws: `IDEMPOTENCY_CONFLICT` when the key was used for another request, or the twin still runs at the limit;
    ///   the store's `Problem` when the lease cannot be taken.
    package func run<Value: Sendable>(
        _ request: KeyedRequest, within limit: Duration, waiter: IdempotencyWaiter = IdempotencyWaiter(),
        work: @escaping @Sendable () async throws -> IdempotencyOutcome<Value>
    ) async throws -> IdempotencyResult<Value> {
        switch try await admit(request, within: limit, waiter: waiter) {
        case .replay(let answer): return .replayed(answer)
        case .carryOut(let lease): return try await carryOut(lease, work)
        }
    }

    // MARK: Before

    private enum Admission {
        case carryOut(IdempotencyLease)
        case replay(StoredAnswer)
    }

    private func admit(
        _ request: KeyedRequest, within limit: Duration, waiter: IdempotencyWaiter
    ) async throws -> Admission {
        let end = clock.uptime + limit
        var pause = limits.shortestPause
        if let admission = try await claim(request) { return admission }
        guard waiting.enter(atMost: limits.mostWaiting) else { throw Problem.twinStillRuns }
        defer { waiting.leave() }
        waiter.waits()
        while waiter.isThere(), clock.uptime + pause <= end {
            await rest(for: pause)
            try Task.checkCancellation()
            if let admission = try await claim(request) { return admission }
            pause = min(pause * 2, limits.longestPause)
        }
        throw Problem.twinStillRuns
    }

    /// - Returns: nil while a twin runs.
    private func claim(_ request: KeyedRequest) async throws -> Admission? {
        switch try await store.claim(request.key, fingerprint: request.fingerprint, leaseFor: limits.lease) {
        case .granted(let lease): return .carryOut(lease)
        case .answered(let answer): return .replay(answer)
        case .running: return nil
        case .conflict: throw Problem(.idempotencyConflict, parameter: "Idempotency-Key")
        }
    }

    /// Waits for the pause, or less when there is a hint.
    private func rest(for pause: Duration) async {
        guard let hints, pause > limits.hintSpacing else {
            // Cancelled: the caller looks for that itself.
            try? await clock.sleep(for: pause)
            return
        }
        let hinted = hints()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await clock.sleep(for: pause) }
            group.addTask {
                try? await clock.sleep(for: limits.hintSpacing)
                for await _ in hinted { break }
            }
            await group.next()
            group.cancelAll()
        }
    }

    /// Tells those who wait that they should look.
    func didEnd() { announce() }
}

/// Bounds how many wait at one time.
private final class WaitingPlaces: Sendable {
    private let taken = Atomic<Int>(0)

    var count: Int { taken.load(ordering: .relaxed) }

    func enter(atMost limit: Int) -> Bool {
        guard taken.wrappingAdd(1, ordering: .relaxed).newValue <= limit else {
            leave()
            return false
        }
        return true
    }

    func leave() { taken.wrappingSubtract(1, ordering: .relaxed) }
}
