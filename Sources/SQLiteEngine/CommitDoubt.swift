import Database
import GRDB
import Synchronization

/// Whether a COMMIT failed on the disk, and nobody knows yet what the file says about it.
///
/// SQLite forgets such a transaction in memory, but its pages may lie in the log as a whole, where the next start would
/// find them: a reader would see "not there", and after a crash it is there. Until another transaction was written over
/// them nobody may look.
final class CommitDoubt: Sendable {
    private let state = Atomic(false)

    var isOpen: Bool { state.load(ordering: .acquiring) }

    func begin() { state.store(true, ordering: .releasing) }

    /// Writes a transaction that changes nothing over the one in doubt.
    /// - Throws: the disk still fails, and the doubt stays.
    func resolve(_ db: Connection) throws {
        guard isOpen else { return }
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        try db.execute(sql: "PRAGMA user_version = \(version)")
        state.store(false, ordering: .releasing)
    }
}
