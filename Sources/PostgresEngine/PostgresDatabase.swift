package import Database
import Kernel
import Logging

/// The engine for production: PostgreSQL through libpq, a pool of connections for each role, each connection on a
/// thread of its own.
///
/// - `read` and `write` are SERIALIZABLE. After a conflict, and when the connection is lost before COMMIT, the whole
///   body runs again: nothing took place.
/// - `guarded` is at READ COMMITTED: who meets waits. After a deadlock and a lost connection the body runs again.
/// - `execute` is one statement at READ COMMITTED.
/// - `.workspace` and `.tenant` run as `volery_app`, which row-level security holds to the one workspace or tenant;
///   `.system` as `volery_system`, which sees all; `.schema` as the role that logs in.
/// - A body waits for a connection for at most `limits.patience`, and one attempt to connect beyond it.
package final class PostgresDatabase: Database {
    package struct Limits: Sendable {
        /// Connections of each role's pool. More help only where syncing takes long.
        package var connections = 8
        /// Bodies that may wait in one pool; one more is `.overloaded`.
        package var waiting = 1024
        /// How long a body waits for a connection; then it is `.unavailable` while the server is away, else
        /// `.overloaded`.
        package var patience: Duration = .seconds(5)
        /// One attempt to connect: whole seconds, at least 2.
        package var connecting: Duration = .seconds(5)
        /// How long a statement waits for a lock.
        package var lockWait: Duration = .seconds(5)
        /// How long a statement runs.
        package var statement: Duration = .seconds(15)
        /// How long a migration waits for its turn, and for another node that migrates.
        package var migrationWait: Duration = .seconds(60)
        /// How long a statement of a migration runs.
        package var migration: Duration = .seconds(3600)
        /// How often one body is run before it is given up.
        package var attempts = 64
        /// For how long one body is run again.
        package var retrying: Duration = .seconds(10)
        /// Lost attempts after which a body waits until others like it are through.
        package var attemptsBeforeTurn = 4
        /// Statements that one connection keeps prepared.
        package var statements = 256
        /// A connection that was idle for longer is tried before it is used.
        package var idleBeforeCheck: Duration = .seconds(30)
        /// How long `close` runs what waits already.
        package var closing: Duration = .seconds(10)

        package init() {}
    }

    /// Where `tx.now` comes from.
    package enum Time: Sendable {
        /// The server's clock: the nodes' own differ.
        case server
        /// The clock that the engine was given, for tests.
        case clock
    }

    /// The lock that a migration holds, so that two nodes that start together do it one after the other. Any number
    /// that nobody else in the database takes.
    static let schemaLock: Int64 = 0x766F_6C65_7279

    package let dialect = Dialect.postgres
    private let app: ConnectionPool
    private let system: ConnectionPool
    private let schema: ConnectionPool
    private let canceller: Canceller
    private let clock: any Clock
    private let limits: Limits

    init(
        _ location: PostgresLocation, clock: any Clock, random: any RandomSource, time: Time, logger: Logger,
        limits: Limits
    ) {
        self.clock = clock
        self.limits = limits
        canceller = Canceller(capacity: limits.connections * 4)
        let turnstile = Turnstile()
        let makeRunner: @Sendable (ConnectionPool) -> TransactionRunner = { pool in
            TransactionRunner(
                pool, location: location, time: time, random: random, turnstile: turnstile, logger: logger)
        }
        func pool(_ session: SessionKind, _ size: Int) -> ConnectionPool {
            ConnectionPool(session, size: size, limits: limits, clock: clock, makeRunner: makeRunner)
        }
        app = pool(.app, limits.connections)
        system = pool(.system, limits.connections)
        schema = pool(.schema, 1)
    }

    package func read<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        try await run(scope, .read, body)
    }

    @discardableResult
    package func write<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        try await run(scope, .write, body)
    }

    @discardableResult
    package func guarded<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        try await run(scope, .guarded, body)
    }

    /// A connection lost while the statement ran is `.commitUnknown`, since the server commits it by itself.
    @discardableResult
    package func execute(
        _ scope: Scope, _ sql: String, _ arguments: [any SQLRepresentable]
    ) async throws -> [Row] {
        try await run(scope, .statement) { tx in try tx.rows(sql, arguments) }
    }

    /// Refuses new bodies, answers the accepted ones, and ends threads and connections. A second call does nothing.
    package func close() async {
        await app.close()
        await system.close()
        await schema.close()
        canceller.close()
    }

    private func run<T: Sendable>(
        _ scope: Scope, _ access: Access, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        let pool = pool(for: scope)
        let pending = PendingTransaction(
            scope, access, patienceEnds: clock.uptime + patience(for: scope), canceller: canceller, body)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard pending.attach(continuation) else { return }
                if let refusal = pool.admit(pending) { pending.finish(refusal) }
            }
        } onCancel: {
            if pending.cancel() { pool.remove(pending) }
        }
    }

    private func patience(for scope: Scope) -> Duration {
        switch scope {
        case .workspace, .tenant, .system: limits.patience
        case .schema: max(limits.patience, limits.migrationWait)
        }
    }

    private func pool(for scope: Scope) -> ConnectionPool {
        switch scope {
        case .workspace, .tenant: app
        case .system: system
        case .schema: schema
        }
    }
}
