import Kernel
import Logging
import PostgresEngine
import SQLiteEngine

/// What is measured. Every transaction is one INSERT and one UPDATE of the caller's own row.
enum BenchSystem: String {
    /// Our engine as it runs in the platform.
    case sqliteGrouped = "sqlite-grouped"
    /// Our engine with one body in each transaction.
    case sqliteAlone = "sqlite-alone"
    /// GRDB's own `write`, with the same PRAGMAs.
    case grdb
    case postgres
    case journal

    func open(_ place: String) async throws -> BenchSubject {
        let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
        switch self {
        case .sqliteGrouped, .sqliteAlone:
            var limits = SQLiteDatabase.Limits()
            if self == .sqliteAlone { limits.batch = 1 }
            let database = try SQLiteDatabase.open(
                path: place + "/\(rawValue).db", clock: SystemClock(), logger: logger, limits: limits)
            return .port(database) { try await database.close() }
        case .postgres:
            let database = try await PostgresDatabase.open(
                try PostgresLocation(Secret(place)), clock: SystemClock(), random: SystemRandom(), logger: logger)
            return .port(database) { await database.close() }
        case .grdb:
            return try .grdb(path: place + "/grdb.db")
        case .journal:
            throw Problem(.internalError, "The journal is measured by itself.")
        }
    }
}

struct BenchSubject: Sendable {
    let prepare: @Sendable () async throws -> Void
    let transact: @Sendable (_ caller: Int, _ turn: Int) async throws -> Void
    let sum: @Sendable () async throws -> (rows: Int, balance: Int)
    let close: @Sendable () async throws -> Void

    /// Accounts are far apart, so that no two callers meet on a page: PostgreSQL sees conflicts by pages.
    static let stride = 1500
    static let tables = [
        "DROP TABLE IF EXISTS bench_event", "DROP TABLE IF EXISTS bench_account",
        "CREATE TABLE bench_event (caller BIGINT NOT NULL, turn BIGINT NOT NULL, note TEXT NOT NULL)",
        "CREATE TABLE bench_account (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL)",
        """
        WITH RECURSIVE number (id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM number WHERE id < 99999)
        INSERT INTO bench_account (id, balance) SELECT id, 0 FROM number
        """,
        "ANALYZE bench_account",
    ]
    static let insert = "INSERT INTO bench_event (caller, turn, note) VALUES ($1, $2, $3)"
    static let update = "UPDATE bench_account SET balance = balance + 1 WHERE id = $1"
    static let note = "a transaction of the measurement, about as long as a usage row's texts are"
}
