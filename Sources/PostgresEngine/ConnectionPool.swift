import Database
import Dispatch
import Foundation
import Kernel
import Metrics
import Synchronization

/// Bodies that wait, and the threads that run them, each with a connection of its own. The threads start when they are
/// needed, and end when the pool is closed.
final class ConnectionPool: Sendable {
    typealias Limits = PostgresDatabase.Limits

    private struct State {
        var jobs: [any PendingBody] = []
        var threads = 0
        var idle = 0
        var running = 0
        var connected = 0
        /// Why the last attempt to connect failed; nil while the server is there.
        var trouble: String?
        /// When a closed pool stops to run what still waits.
        var closesAt: Duration?
        var closeWaiters: [CheckedContinuation<Void, Never>] = []
    }

    let session: SessionKind
    let limits: Limits
    let clock: any Clock
    let gauges: PoolMetrics
    private let size: Int
    private let makeRunner: @Sendable (ConnectionPool) -> TransactionRunner
    private let state = Mutex(State())
    private let wakeUps = DispatchSemaphore(value: 0)

    /// - Parameter size: how many connections at most.
    init(
        _ session: SessionKind, size: Int, limits: Limits, clock: any Clock,
        makeRunner: @escaping @Sendable (ConnectionPool) -> TransactionRunner
    ) {
        self.session = session
        self.size = max(1, size)
        self.limits = limits
        self.clock = clock
        self.makeRunner = makeRunner
        gauges = PoolMetrics(pool: session.name, clock: clock)
    }

    /// - Returns: why the body was not taken.
    func admit(_ body: any PendingBody) -> DatabaseFailure? {
        let (refusal, startsThread): (DatabaseFailure?, Bool) = state.withLock { state in
            if state.closesAt != nil { return (.closed, false) }
            if state.jobs.count >= limits.waiting { return (.overloaded, false) }
            state.jobs.append(body)
            gauges.waiting.record(state.jobs.count)
            let startsThread = state.jobs.count > state.idle && state.threads < size
            if startsThread { state.threads += 1 }
            return (nil, startsThread)
        }
        if let refusal {
            gauges.refused.increment()
            return refusal
        }
        if startsThread { Thread.detachNewThread { [self] in work() } }
        wakeUps.signal()
        return nil
    }

    /// Takes a body that nobody wants any more out of the queue, so that it holds no place.
    func remove(_ body: any PendingBody) {
        state.withLock { state in state.jobs.removeAll { $0 === body } }
    }

    private func work() {
        let runner = makeRunner(self)
        while let body = next() {
            runner.serve(body)
            // A pool that is seldom needed holds no connection meanwhile.
            if !session.staysConnected, state.withLock({ $0.jobs.isEmpty }) { runner.disconnect() }
        }
        runner.disconnect()
        let waiters: [CheckedContinuation<Void, Never>] = state.withLock { state in
            state.threads -= 1
            guard state.threads == 0 else { return [] }
            defer { state.closeWaiters = [] }
            return state.closeWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// The next body; nil when the pool is closed and nobody waits.
    private func next() -> (any PendingBody)? {
        while true {
            let (body, isOver): ((any PendingBody)?, Bool) = state.withLock { state in
                if let body = take(&state) { return (body, false) }
                if state.closesAt != nil { return (nil, true) }
                state.idle += 1
                return (nil, false)
            }
            if let body { return body }
            if isOver { return nil }
            wakeUps.wait()
            state.withLock { $0.idle -= 1 }
        }
    }

    private func take(_ state: inout State) -> (any PendingBody)? {
        guard !state.jobs.isEmpty else { return nil }
        defer { gauges.waiting.record(state.jobs.count) }
        return state.jobs.removeFirst()
    }

    // MARK: What the threads share

    var trouble: String? { state.withLock { $0.trouble } }

    func note(trouble: String?) { state.withLock { $0.trouble = trouble } }

    /// Counts the bodies that run.
    func running(_ change: Int) -> Int {
        state.withLock { state in
            state.running += change
            return state.running
        }
    }

    /// Counts the connections.
    func connected(_ change: Int) -> Int {
        state.withLock { state in
            state.connected += change
            return state.connected
        }
    }

    /// Whether a body that still waits is to be answered with `.closed`.
    var isClosing: Bool { state.withLock { $0.closesAt.map { clock.uptime >= $0 } ?? false } }

    var isClosed: Bool { state.withLock { $0.closesAt != nil } }

    /// Refuses new bodies, lets the accepted ones finish within `limits.closing`, and returns once the threads ended.
    func close() async {
        let threads = state.withLock { state in
            if state.closesAt == nil { state.closesAt = clock.uptime + limits.closing }
            return state.threads
        }
        for _ in 0..<threads { wakeUps.signal() }
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.threads > 0 { state.closeWaiters.append(continuation) }
                return state.threads == 0
            }
            if isOver { continuation.resume() }
        }
    }
}
