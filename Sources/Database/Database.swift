package import Kernel

/// The relational database: asynchronous outside, synchronous inside.
///
/// A body runs on the connection's own thread, so no lock and no transaction is ever held across a suspension.
/// **Bodies are re-runnable**: an engine may run one more than once before it commits, so a body has no effect but
/// its statements and its result. What a body throws undoes its statements and reaches the caller as it is.
///
/// The engine's own errors are `DatabaseFailure`s; a store turns them into `Problem`s in one place.
package protocol Database: Sendable {
    /// What differs between the engines' SQL.
    var dialect: Dialect { get }

    /// Runs a body that only reads, on one consistent snapshot.
    /// - Throws: what the body throws; `DatabaseFailure`; `CancellationError` when the task is cancelled.
    func read<T: Sendable>(_ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T

    /// `read` for a body that looks at everything there is: it may take an hour. While it runs, an engine keeps what
    /// others replace meanwhile.
    /// - Throws: as `read`.
    func survey<T: Sendable>(_ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T

    /// Runs a body in a transaction and returns once that is durable. Transactions take place as if one came after the
    /// other.
    ///
    /// A body that still waits when the task is cancelled is dropped. One that began runs to its end, or is undone as a
    /// whole; nobody else's body is touched by that.
    /// - Throws: what the body throws; `DatabaseFailure`, where `.commitUnknown` means that the caller must look for
    ///   its own identifier to learn whether the transaction took place; `CancellationError`.
    @discardableResult
    func write<T: Sendable>(_ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T

    /// Runs a body of which every statement is guarded: it locks the rows that it decides by before it reads them
    /// (`Dialect.locked`, in one order everywhere), and what it changes stands in the WHERE of the change. Rows that it
    /// adds carry the caller's identifiers, with `ON CONFLICT`, and the body counts how many were added.
    ///
    /// PostgreSQL runs it at READ COMMITTED, so that those who meet on a hot row wait in line instead of being thrown
    /// away; a deadlock still runs it again. What such a body reads without a lock may have changed before it commits,
    /// and two of its reads may see two states: it decides nothing by them that another transaction may change.
    /// - Throws: as `write`.
    @discardableResult
    func guarded<T: Sendable>(_ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T

    /// Runs one guarded statement as a transaction of its own: what it depends on stands in its WHERE, which the engine
    /// looks at again after it waited for a row. Cheaper than `write`, and never run again after a conflict.
    ///
    /// PostgreSQL runs it at READ COMMITTED, in one round trip. A connection that is lost while it runs is
    /// `.commitUnknown` there, since the server commits it by itself.
    /// - Throws: as `write`.
    @discardableResult
    func execute(_ scope: Scope, _ sql: String, _ arguments: [any SQLRepresentable]) async throws -> [Row]
}

extension Database {
    /// An engine that bounds statements, and not bodies, has nothing to add.
    package func survey<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        try await read(scope, body)
    }

    /// An engine with one writer has nothing to gain.
    @discardableResult
    package func guarded<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        try await write(scope, body)
    }
}

/// On whose behalf a transaction runs. PostgreSQL enforces it by roles and row-level security; SQLite has no second
/// wall.
package enum Scope: Sendable, Hashable {
    /// One workspace: the database hides and refuses the rows of every other.
    case workspace(WorkspaceID)
    /// One tenant, with what belongs to it as a whole: workspaces, members, rules, its audit log. No workspace's rows
    /// are within reach.
    case tenant(TenantID)
    /// All workspaces: key look-up, shipping, leases, sweeps. Only the stores on TidyTests' short list may name it.
    case system
    /// The owner of the schema: migrations.
    case schema
}

/// A transaction, seen from inside its body. Not `Sendable`: it cannot leave the body.
///
/// A statement that fails ends the transaction on one of the engines, so a body lets the failure out and never goes on
/// after it; what may be there already is written with `ON CONFLICT`.
package protocol Tx: AnyObject {
    var dialect: Dialect { get }

    /// The database's time: leases, expiry and due times use this one, since nodes' clocks differ.
    var now: Instant { get }

    /// Runs one statement whose placeholders are `$1…$n`.
    /// - Returns: how many rows it inserted, updated or deleted.
    @discardableResult
    func run(_ sql: String, _ arguments: [any SQLRepresentable]) throws(DatabaseFailure) -> Int

    /// Runs a statement for all rows of the block, in their order and in as few statements as there are lengths of it.
    /// - Returns: how many rows it inserted, updated or deleted.
    @discardableResult
    func run(_ statement: RowsStatement, _ rows: RowBlock) throws(DatabaseFailure) -> Int

    /// Runs one statement whose placeholders are `$1…$n`, and returns its rows.
    func rows(_ sql: String, _ arguments: [any SQLRepresentable]) throws(DatabaseFailure) -> [Row]
}

extension Tx {
    /// Value by value, for who stands between a body and its engine.
    @discardableResult
    package func run(_ statement: RowsStatement, _ rows: RowBlock) throws(DatabaseFailure) -> Int {
        var rest = rows.cells[...]
        var changed = 0
        for part in statement.parts(of: rows.count) {
            let cells = rest.prefix(part.length * rows.columns)
            rest = rest.dropFirst(cells.count)
            changed += try run(part.sql, cells.map(rows.value))
        }
        return changed
    }

    @discardableResult
    package func run(_ sql: String) throws(DatabaseFailure) -> Int { try run(sql, []) }

    package func rows(_ sql: String) throws(DatabaseFailure) -> [Row] { try rows(sql, []) }

    /// The first row, where one or none is expected.
    package func row(_ sql: String, _ arguments: [any SQLRepresentable] = []) throws(DatabaseFailure) -> Row? {
        try rows(sql, arguments).first
    }
}
