package import Database
import GRDB
import Kernel
import Logging
import Metrics
import Synchronization

/// The embedded engine: SQLite in WAL mode, one writer with group commit, several readers.
package final class SQLiteDatabase: Sendable {
    package struct Limits: Sendable {
        /// Bodies that may wait for the writer; one more is `.overloaded`.
        package var waitingWrites = 4096
        /// Bodies that share one transaction.
        package var batch = 256
        /// Reads that may run or wait at once; one more is `.overloaded`.
        package var reads = 1024
        package var readers = 4
        /// How long a lock of another process is waited for.
        package var lockWait: Duration = .seconds(5)
        /// How long one body may take; a migration has no limit.
        package var statementTime: Duration = .seconds(10)
        /// How long a body may take that looks at everything. The log of what is written meanwhile cannot be cut then.
        package var surveyTime: Duration = .seconds(3600)

        package init() {}
    }

    /// Where bodies run: the writer's in one place, readers' in another, which may be the same.
    struct Threads: Sendable {
        let writer, readers: any WorkThreads
        private let own: [ThreadPool]

        /// Somebody else's, who ends them when he likes.
        init(_ threads: any WorkThreads) {
            writer = threads
            readers = threads
            own = []
        }

        /// Threads of the database's own, which end with it.
        init(readers count: Int) {
            own = [ThreadPool(threads: 1), ThreadPool(threads: count)]
            writer = own[0]
            readers = own[1]
        }

        func close() { for threads in own { threads.close() } }
    }

    package let dialect = Dialect.sqlite
    private let pool: DatabasePool
    private let clock: any Clock
    private let limits: Limits
    private let gauges: EngineMetrics
    private let commits: GroupCommit
    private let reads: ReadGate
    private let threads: Threads

    init(pool: DatabasePool, clock: any Clock, limits: Limits, logger: Logger, threads: Threads) {
        let gauges = EngineMetrics()
        self.pool = pool
        self.clock = clock
        self.limits = limits
        self.gauges = gauges
        self.threads = threads
        commits = GroupCommit(
            queue: WriteQueue(capacity: limits.waitingWrites, batchLimit: limits.batch), clock: clock,
            dialect: dialect, watch: StatementWatch(clock: clock, limit: limits.statementTime), gauges: gauges,
            logger: logger)
        reads = ReadGate(capacity: limits.reads, running: gauges.readsRunning)
    }

    @discardableResult
    package func write<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        // A migration takes as long as it takes.
        let pending = PendingWrite(isTimed: scope != .schema, body)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard pending.attach(continuation) else { return }
                switch commits.queue.admit(pending) {
                case .refused(let failure):
                    gauges.refusedWrites.increment()
                    pending.finish(failure)
                case .queued(startsDrain: false):
                    break
                case .queued(startsDrain: true):
                    threads.writer.run { [commits, pool] in
                        pool.writeWithoutTransaction { db in commits.drain(db) }
                    }
                }
            }
        } onCancel: {
            pending.cancel()
        }
    }

    @discardableResult
    package func execute(
        _ scope: Scope, _ sql: String, _ arguments: [any SQLRepresentable]
    ) async throws -> [ResultRow] {
        try await write(scope) { tx in try tx.rows(sql, arguments) }
    }

    package func read<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        try await read(scope, within: limits.statementTime, body)
    }

    package func survey<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        try await read(scope, within: limits.surveyTime, body)
    }

    private func read<T: Sendable>(
        _ scope: Scope, within limit: Duration, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        // Nobody sees what a crash could undo, or bring back.
        if commits.doubt.isOpen { try await write(scope) { _ in } }
        if let failure = reads.enter() {
            gauges.refusedReads.increment()
            throw failure
        }
        let pending = PendingRead(watch: StatementWatch(clock: clock, limit: limit), body)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard pending.attach(continuation) else { return reads.leave() }
                threads.readers.run { [reads, pool, dialect] in
                    pending.run(on: pool, dialect: dialect) { reads.leave() }
                }
            }
        } onCancel: {
            pending.cancel()
        }
    }

    /// Refuses new bodies, lets the accepted ones finish, and closes the file. A second call does nothing.
    package func close() async throws {
        await commits.queue.close()
        guard await reads.close() else { return }
        let failure: DatabaseFailure? = await withCheckedContinuation { continuation in
            threads.writer.run { [pool] in
                do {
                    try pool.close()
                    continuation.resume(returning: nil)
                } catch {
                    continuation.resume(returning: (error as? DatabaseError)?.failure ?? .unavailable("\(error)"))
                }
            }
        }
        threads.close()
        if let failure { throw failure }
    }
}

/// Counts the reads under way, so that there is a limit to them, and so that `close` can wait for them.
private final class ReadGate: Sendable {
    private struct State {
        var running = 0
        var isClosed = false
        var idleWaiter: CheckedContinuation<Void, Never>?
    }

    private let capacity: Int
    private let running: Gauge
    private let state = Mutex(State())

    /// - Parameter running: is told how many reads run or wait.
    init(capacity: Int, running: Gauge) {
        self.capacity = capacity
        self.running = running
    }

    func enter() -> DatabaseFailure? {
        state.withLock { state in
            if state.isClosed { return .closed }
            if state.running >= capacity { return .overloaded }
            state.running += 1
            // In the lock, or an older number could come last.
            running.record(state.running)
            return nil
        }
    }

    func leave() {
        let waiter: CheckedContinuation<Void, Never>? = state.withLock { state in
            state.running -= 1
            running.record(state.running)
            guard state.running == 0 else { return nil }
            defer { state.idleWaiter = nil }
            return state.idleWaiter
        }
        waiter?.resume()
    }

    /// - Returns: whether this call was the one that closed it.
    func close() async -> Bool {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard isFirst else { return false }
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if state.running > 0 { state.idleWaiter = continuation }
                return state.running == 0
            }
            if isIdle { continuation.resume() }
        }
        return true
    }
}
