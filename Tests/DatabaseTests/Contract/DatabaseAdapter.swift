import Database
import Foundation
import Kernel
import Logging
import PostgresEngine
import SQLiteEngine
import TestKit
import Testing

/// Every engine below the `Database` port. Each contract runs on each that is there, with the same code.
enum DatabaseAdapter: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqlite, postgres15, postgres18

    static var available: [DatabaseAdapter] { allCases.filter { !$0.isPostgres || $0.url != nil } }
    static var postgres: [DatabaseAdapter] { available.filter(\.isPostgres) }

    var testDescription: String { rawValue }

    var isPostgres: Bool { self != .sqlite }

    var version: String { rawValue.replacingOccurrences(of: "postgres", with: "") }

    /// A running server, from the environment; `dev/postgres.sh` starts one.
    var url: String? { ProcessInfo.processInfo.environment["VOLERY_TEST_POSTGRES_" + version] }

    /// Makes a database or a schema of the test's own, and drops it afterwards.
    /// - Parameters:
    ///   - connections: how many bodies run at once; SQLite has one writer whatever is said.
    ///   - waiting: how many bodies may wait.
    func withDatabase(
        connections: Int = 8, waiting: Int = 1024, _ body: (TestDatabase) async throws -> Void
    ) async throws {
        guard let url else {
            let folder = try TemporaryFolder()
            var limits = SQLiteDatabase.Limits()
            limits.waitingWrites = waiting
            let database = try SQLiteDatabase.open(
                path: folder.path("volery.db"), clock: SystemClock(), logger: testLogger, limits: limits)
            try await body(TestDatabase(database: database, url: nil) { try await database.close() })
            try await database.close()
            return
        }
        try await withPostgres(server: url) { url in
            var limits = patientLimits
            limits.connections = connections
            limits.waiting = waiting
            let database = try await openPostgres(url, limits)
            do {
                try await body(TestDatabase(database: database, url: url) { await database.close() })
            } catch {
                await database.close()
                throw error
            }
            await database.close()
        }
    }
}

struct TestDatabase: Sendable {
    let database: any Database
    /// Where a PostgreSQL database is.
    let url: String?
    let close: @Sendable () async throws -> Void

    /// Makes tables as a migration does.
    func create(_ statements: String...) async throws {
        try await database.write(.schema) { tx in
            for statement in statements.flatMap(tx.dialect.statements) { try tx.run(statement) }
        }
    }

    func integer(_ sql: String, _ arguments: [any SQLRepresentable] = []) async throws -> Int {
        try await database.read(.system) { tx in try tx.row(sql, arguments)?.value("n") ?? Int.min }
    }

    func integers(_ sql: String, _ arguments: [any SQLRepresentable] = []) async throws -> [Int] {
        try await database.read(.system) { tx in try tx.rows(sql, arguments).map { try $0.value("n") } }
    }
}

let testLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A machine that runs every test at once is slow; a contract asks what happens, and not how soon.
var patientLimits: PostgresDatabase.Limits {
    var limits = PostgresDatabase.Limits()
    limits.patience = .seconds(90)
    limits.connecting = .seconds(30)
    limits.lockWait = .seconds(60)
    limits.statement = .seconds(60)
    limits.retrying = .seconds(90)
    limits.attempts = 1000
    limits.closing = .seconds(60)
    return limits
}

func openPostgres(
    _ url: String, _ limits: PostgresDatabase.Limits = patientLimits,
    time: PostgresDatabase.Time = .server
) async throws -> PostgresDatabase {
    try await PostgresDatabase.open(
        PostgresLocation(Secret(url)), clock: SystemClock(), random: SystemRandom(), time: time, logger: testLogger,
        limits: limits)
}

/// Makes a schema on a server, and drops it afterwards: a database of its own would cost a third of a second.
func withPostgres(server: String, _ body: (String) async throws -> Void) async throws {
    let name = "volery_test_\(SystemRandom().next())"
    let admin = try await openPostgres(server)
    try await admin.execute(.schema, "CREATE SCHEMA \(name)", [])
    func drop() async throws {
        try await admin.execute(.schema, "DROP SCHEMA \(name) CASCADE", [])
        await admin.close()
    }
    do {
        try await body(server + "?options=-csearch_path%3D" + name)
    } catch {
        try await drop()
        throw error
    }
    try await drop()
}

@Suite("the servers that the contract runs on") struct ServerPresence {
    @Test(
        "PostgreSQL 15 is there",
        .enabled(if: DatabaseAdapter.postgres15.url != nil || isCI, "VOLERY_TEST_POSTGRES_15 names no server"))
    func version15() async throws { try await expectServer(.postgres15) }

    @Test(
        "PostgreSQL 18 is there",
        .enabled(if: DatabaseAdapter.postgres18.url != nil || isCI, "VOLERY_TEST_POSTGRES_18 names no server"))
    func version18() async throws { try await expectServer(.postgres18) }

    private func expectServer(_ adapter: DatabaseAdapter) async throws {
        let database = try await openPostgres(try #require(adapter.url, "in CI no engine is left out"))
        let rows = try await database.execute(.system, "SELECT current_setting('server_version') AS version", [])
        #expect(try rows.first?.value("version", as: String.self).hasPrefix(adapter.version) == true)
        await database.close()
    }
}

private let isCI = ProcessInfo.processInfo.environment["CI"] == "true"

/// Holds a body, and with it its connection, until a test lets it go.
final class Plug: Sendable {
    private let held = Shared(0)
    private let release = DispatchSemaphore(value: 0)

    var holds: Int { held.value }

    func hold() {
        held.update { $0 += 1 }
        release.wait()
    }

    func pull(_ times: Int = 1) {
        for _ in 0..<times { release.signal() }
    }
}
