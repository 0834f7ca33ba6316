import Database
import Foundation
import Kernel
import PostgresEngine
import TestKit
import Testing

/// Connections that break at the worst moment, for real: a proxy cuts them.
@Suite(.timeLimit(.minutes(10)), .serialized) struct LostConnectionContract {
    private func withProxy(
        _ adapter: DatabaseAdapter, statement: Duration = patientLimits.statement,
        _ body: (PostgresDatabase, CuttingProxy) async throws -> Void
    ) async throws {
        let server = try #require(adapter.url)
        try await withPostgres(server: server) { url in
            let port = try #require(server.split(separator: ":").last?.split(separator: "/").first)
            let proxy = try CuttingProxy(to: try #require(UInt16(port)))
            defer { proxy.close() }
            var limits = patientLimits
            limits.connections = 1
            limits.statement = statement
            let database = try await openPostgres(
                url.replacingOccurrences(of: ":\(port)/", with: ":\(proxy.port)/"), limits)
            try await database.write(.schema) { tx in
                try tx.run(tx.dialect.render("CREATE TABLE entry (id {int64} NOT NULL, name TEXT NOT NULL) {strict}"))
            }
            try await body(database, proxy)
            await database.close()
        }
    }

    private func add(_ id: Int, _ name: String, _ database: PostgresDatabase) async throws {
        try await database.write(.system) { tx in try tx.run("INSERT INTO entry VALUES ($1, $2)", [id, name]) }
    }

    private func ids(_ database: PostgresDatabase) async throws -> [Int] {
        try await database.read(.system) { tx in
            try tx.rows("SELECT id FROM entry ORDER BY id").map { try $0.value("id") }
        }
    }

    private func expectUnknown(_ work: () async throws -> Void) async throws {
        do {
            try await work()
            Issue.record("nothing was lost")
        } catch DatabaseFailure.commitUnknown {}
    }

    @Test(
        "lost at COMMIT is an outcome of its own, whether it took place or not; the caller's identifier tells",
        arguments: DatabaseAdapter.postgres)
    func atCommit(adapter: DatabaseAdapter) async throws {
        try await withProxy(adapter) { database, proxy in
            try await add(1, "before", database)
            proxy.arm("COMMIT\0", .cutAfter)
            try await expectUnknown { try await add(2, "took place", database) }
            proxy.arm("COMMIT\0", .cutBefore)
            try await expectUnknown { try await add(3, "did not", database) }
            #expect(proxy.struck == 2)
            try await eventually("the server finished what it was told") { try await ids(database).count >= 2 }
            #expect(try await ids(database) == [1, 2])
            try await add(4, "after", database)
            #expect(try await ids(database) == [1, 2, 4])
        }
    }

    @Test(
        "lost before COMMIT, the body runs again on a new connection and takes effect once",
        arguments: DatabaseAdapter.postgres, [CuttingProxy.Fault.cutBefore, .cutAfter, .mute])
    func beforeCommit(adapter: DatabaseAdapter, fault: CuttingProxy.Fault) async throws {
        // A server that falls silent is given up a little after the statement's own time-out.
        // Connections are opened within it too, beside all other tests.
        let statement = fault == .mute ? Duration.seconds(10) : patientLimits.statement
        try await withProxy(adapter, statement: statement) { database, proxy in
            try await add(1, "before", database)
            proxy.arm("cut here", fault)
            try await add(2, "cut here", database)
            #expect(proxy.struck == 1)
            #expect(try await ids(database) == [1, 2])
        }
    }

    @Test("a reading body that is lost at any moment runs again", arguments: DatabaseAdapter.postgres)
    func reading(adapter: DatabaseAdapter) async throws {
        try await withProxy(adapter) { database, proxy in
            try await add(1, "one", database)
            for text in ["BEGIN ISOLATION", "COMMIT\0"] {
                proxy.arm(text, .cutAfter)
                #expect(try await ids(database) == [1])
            }
            #expect(proxy.struck == 2)
        }
    }

    @Test(
        "a guarded body that is lost at COMMIT is unknown, and before it is run again",
        arguments: DatabaseAdapter.postgres)
    func guarded(adapter: DatabaseAdapter) async throws {
        try await withProxy(adapter) { database, proxy in
            @Sendable func add(_ id: Int, _ text: String) async throws {
                try await database.guarded(.system) { tx in
                    try tx.run("INSERT INTO entry VALUES ($1, $2)", [id, text])
                }
            }
            try await add(1, "before")
            proxy.arm("cut here", .cutAfter)
            try await add(2, "cut here")
            proxy.arm("COMMIT\0", .cutAfter)
            try await expectUnknown { try await add(3, "done") }
            try await eventually("the server finished what it was told") { try await ids(database).count >= 3 }
            #expect(try await ids(database) == [1, 2, 3])
            #expect(proxy.struck == 2)
        }
    }

    @Test("a guarded statement that is lost is unknown, and is not run again", arguments: DatabaseAdapter.postgres)
    func statement(adapter: DatabaseAdapter) async throws {
        try await withProxy(adapter) { database, proxy in
            let sql = "INSERT INTO entry VALUES ($1, $2)"
            try await database.execute(.system, sql, [1, "before"])
            proxy.arm("took place", .cutAfter)
            try await expectUnknown { try await database.execute(.system, sql, [2, "took place"]) }
            proxy.arm("did not", .cutBefore)
            try await expectUnknown { try await database.execute(.system, sql, [3, "did not"]) }
            try await eventually("the server finished what it was told") { try await ids(database).count >= 2 }
            #expect(try await ids(database) == [1, 2])
        }
    }

    @Test("a cancellation that arrives late does not hit the next body", arguments: DatabaseAdapter.postgres)
    func lateCancellation(adapter: DatabaseAdapter) async throws {
        try await withProxy(adapter) { database, proxy in
            let asleep =
                "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name = 'late'"
            let nap = "SELECT set_config('application_name', 'late', false) AS name, pg_sleep($1)::text AS nap"
            func isAsleep() async throws -> Bool {
                try await database.execute(.schema, asleep, []).first?.value("n") ?? 0 > 0
            }
            proxy.holdCancels()
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    await #expect(throws: CancellationError.self) {
                        try await database.write(.system) { tx in try tx.rows(nap, [3.0]).count }
                    }
                }
                try? await eventually("it sleeps") { try await isAsleep() }
                group.cancelAll()
            }
            async let next = database.write(.system) { tx in try tx.rows(nap, [3.0]).count }
            try await eventually("the next one sleeps") { try await isAsleep() }
            #expect(proxy.heldCancels == 1)
            proxy.releaseCancels()
            #expect(try await next == 1)
        }
    }
}
