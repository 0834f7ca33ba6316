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

        package init() {}
    }

    package let dialect = Dialect.sqlite
    let pool: DatabasePool
    let clock: any Clock
    let gauges: EngineMetrics
    private let commits: GroupCommit
    private let reads: ReadGate

    init(pool: DatabasePool, clock: any Clock, limits: Limits, logger: Logger) {
        let gauges = EngineMetrics()
        self.pool = pool
        self.clock = clock
        self.gauges = gauges
        commits = GroupCommit(
            queue: WriteQueue(capacity: limits.waitingWrites, batchLimit: limits.batch), clock: clock,
            dialect: dialect, gauges: gauges, logger: logger)
        reads = ReadGate(capacity: limits.reads)
    }

    @discardableResult
    package func write<T: Sendable>(_ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T {
        let pending = PendingWrite(body)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard pending.attach(continuation) else { return }
                switch commits.queue.admit(pending) {
                case .refused(let failure):
                    gauges.refused.increment()
                    pending.finish(failure)
                case .queued(startsDrain: false):
                    break
                case .queued(startsDrain: true):
                    pool.asyncWriteWithoutTransaction { [commits] db in commits.drain(db) }
                }
            }
        } onCancel: {
            pending.cancel()
        }
    }

    package func read<T: Sendable>(_ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T {
        if let failure = reads.enter() {
            gauges.refused.increment()
            throw failure
        }
        defer { reads.leave() }
        let (clock, dialect) = (clock, dialect)
        do {
            return try await pool.read { db in
                try body(SQLiteTx(db, now: clock.now, dialect: dialect))
            }
        } catch let error as DatabaseError {
            throw error.failure
        }
    }

    /// Refuses new bodies, lets the accepted ones finish, and closes the file. A second call does nothing.
    package func close() async throws {
        await commits.queue.close()
        guard await reads.close() else { return }
        do {
            try pool.close()
        } catch let error as DatabaseError {
            throw error.failure
        }
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
    private let state = Mutex(State())

    init(capacity: Int) { self.capacity = capacity }

    func enter() -> DatabaseFailure? {
        state.withLock { state in
            if state.isClosed { return .closed }
            if state.running >= capacity { return .overloaded }
            state.running += 1
            return nil
        }
    }

    func leave() {
        let waiter: CheckedContinuation<Void, Never>? = state.withLock { state in
            state.running -= 1
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
