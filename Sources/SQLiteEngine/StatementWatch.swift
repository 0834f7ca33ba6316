import Database
import GRDB
import GRDBSQLite
import Kernel
import Synchronization

/// Ends the statements of a body that runs for too long, or whose caller went away.
final class StatementWatch: Sendable {
    /// SQLite asks every so many of its steps: some tens of microseconds.
    private static let steps: CInt = 10_000

    private let clock: any Clock
    private let limit: Duration
    /// Microseconds of uptime; `.max` when no body runs.
    private let deadline = Atomic(Int64.max)
    private let isCancelled = Atomic(false)
    private let hasStruck = Atomic(false)

    init(clock: any Clock, limit: Duration) {
        self.clock = clock
        self.limit = limit
    }

    var now: Instant { clock.now }

    /// A body begins.
    /// - Parameter isTimed: whether it has only so much time.
    func begin(isTimed: Bool = true) {
        hasStruck.store(false, ordering: .relaxed)
        deadline.store(isTimed ? (clock.uptime + limit).microseconds : .max, ordering: .relaxed)
    }

    /// COMMIT and ROLLBACK are never interrupted.
    func end() { deadline.store(.max, ordering: .relaxed) }

    func cancel() { isCancelled.store(true, ordering: .relaxed) }

    /// - Throws: `.unavailable` for a body whose time is over already.
    func check() throws(DatabaseFailure) {
        guard strikes() else { return }
        throw failure
    }

    /// What the caller is told: SQLite only says that a statement was interrupted.
    func explained(_ error: any Error) -> any Error {
        guard hasStruck.load(ordering: .relaxed) else { return error }
        if isCancelled.load(ordering: .relaxed) { return CancellationError() }
        return failure
    }

    /// Watches the connection while `work` runs.
    func guarding<T>(_ db: Connection, _ work: () throws -> T) rethrows -> T {
        let connection = db.sqliteConnection
        sqlite3_progress_handler(
            connection, Self.steps,
            { watch in
                guard let watch else { return 0 }
                return Unmanaged<StatementWatch>.fromOpaque(watch).takeUnretainedValue().strikes() ? 1 : 0
            }, Unmanaged.passUnretained(self).toOpaque())
        defer {
            end()
            sqlite3_progress_handler(connection, 0, nil, nil)
        }
        return try work()
    }

    private var failure: DatabaseFailure { .unavailable("took longer than \(limit)") }

    private func strikes() -> Bool {
        let deadline = deadline.load(ordering: .relaxed)
        guard deadline != .max else { return false }
        let isOver = isCancelled.load(ordering: .relaxed) || clock.uptime.microseconds > deadline
        if isOver { hasStruck.store(true, ordering: .relaxed) }
        return isOver
    }
}
