import Database
import Kernel
import PostgresEngine
import TestKit
import Testing

/// What callers are told while the server dies under them. Each test has a server of its own.
@Suite(.timeLimit(.minutes(10)), .serialized) struct ServerFaultContract {
    private struct Entry: Hashable, Comparable, Sendable {
        let writer, number: Int

        static func < (left: Entry, right: Entry) -> Bool {
            (left.writer, left.number) < (right.writer, right.number)
        }
    }

    private struct Record: Sendable {
        var done: Set<Entry> = []
        var notDone: Set<Entry> = []
        var unknown: Set<Entry> = []
    }

    private static let tables = [
        // Without a key, so that nothing but the engine keeps an entry from being there twice.
        "CREATE TABLE entry (writer {int64} NOT NULL, number {int64} NOT NULL) {strict}",
        "CREATE TABLE total (writer {int64} PRIMARY KEY, count {int64} NOT NULL) {strict}",
    ]

    private func open(_ cluster: Cluster, patience: Duration) async throws -> PostgresDatabase {
        var limits = patientLimits
        limits.patience = patience
        limits.connecting = .seconds(5)
        let database = try await openPostgres(cluster.url, limits)
        try await database.write(.schema) { tx in
            for sql in Self.tables { try tx.run(tx.dialect.render(sql)) }
        }
        return database
    }

    private static func write(_ entry: Entry, _ database: PostgresDatabase) async throws {
        try await database.write(.system) { tx in
            try tx.run("INSERT INTO entry VALUES ($1, $2)", [entry.writer, entry.number])
            try tx.run(
                """
                INSERT INTO total VALUES ($1, 1) ON CONFLICT (writer) DO UPDATE SET count = total.count + 1
                """, [entry.writer])
        }
    }

    private static func writeUntil(
        _ isOver: Shared<Bool>, as writer: Int, _ record: Shared<Record>, _ database: PostgresDatabase
    ) async throws {
        var number = 0
        while !isOver.value {
            number += 1
            let entry = Entry(writer: writer, number: number)
            do {
                try await write(entry, database)
                record.update { _ = $0.done.insert(entry) }
            } catch DatabaseFailure.commitUnknown {
                record.update { _ = $0.unknown.insert(entry) }
            } catch DatabaseFailure.unavailable {
                record.update { _ = $0.notDone.insert(entry) }
            }
        }
    }

    private static func entries(_ database: PostgresDatabase) async throws -> [Entry] {
        try await database.read(.system) { tx in
            try tx.rows("SELECT writer, number FROM entry ORDER BY writer, number").map { row in
                Entry(writer: try row.value("writer"), number: try row.value("number"))
            }
        }
    }

    @Test(
        "kill -9 of the server among writers: what was acknowledged is there, what failed is not, nothing twice",
        arguments: DatabaseAdapter.postgres)
    func killed(adapter: DatabaseAdapter) async throws {
        try await Cluster.with(adapter) { cluster in
            let database = try await open(cluster, patience: .seconds(60))
            let record = Shared(Record())
            let isOver = Shared(false)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<16 {
                    group.addTask { try await Self.writeUntil(isOver, as: writer, record, database) }
                }
                for round in 1...3 {
                    let before = record.value.done.count
                    try await eventually("the writers get on", within: .seconds(60)) {
                        record.value.done.count >= before + 100 * round
                    }
                    try await cluster.kill()
                    try await cluster.restart()
                }
                let before = record.value.done.count
                try await eventually("the writers get on by themselves", within: .seconds(60)) {
                    record.value.done.count >= before + 100
                }
                isOver.update { $0 = true }
                try await group.waitForAll()
            }
            let rows = try await Self.entries(database)
            let found = Set(rows)
            let outcome = record.value
            #expect(rows.count == found.count, "none is there twice")
            #expect(outcome.done.subtracting(found).isEmpty, "acknowledged, and lost")
            #expect(outcome.notDone.intersection(found).isEmpty, "said to have failed, and there")
            // Those that are unknown are settled by a look for their identifier, and then all is explained.
            #expect(found == outcome.done.union(outcome.unknown.intersection(found)))
            let counts = try await database.execute(.system, "SELECT SUM(count) AS n FROM total", [])
            #expect(try counts.first?.value("n") == rows.count)
            await database.close()
        }
    }

    @Test(
        "while the server is away, bodies fail in bounded time; when it is back, they work without anybody's help",
        arguments: DatabaseAdapter.postgres)
    func away(adapter: DatabaseAdapter) async throws {
        try await Cluster.with(adapter) { cluster in
            let database = try await open(cluster, patience: .seconds(1))
            try await Self.write(Entry(writer: 0, number: 0), database)
            try await cluster.stop()
            let failed = await withTaskGroup(of: Bool.self) { group in
                for number in 1...20 {
                    group.addTask {
                        do {
                            if number.isMultiple(of: 2) {
                                _ = try await Self.entries(database)
                            } else {
                                try await Self.write(Entry(writer: 1, number: number), database)
                            }
                            return false
                        } catch DatabaseFailure.unavailable {
                            return true
                        } catch {
                            return false
                        }
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(failed == 20)
            // A body that began to wait while the server was away goes through if it comes back in time.
            try await cluster.restart()
            try await eventually("it works again", within: .seconds(60)) {
                (try? await Self.write(Entry(writer: 2, number: 0), database)) != nil
            }
            let writers = try await Self.entries(database).map(\.writer)
            #expect(writers == [0, 2])
            await database.close()
        }
    }

    @Test(
        "a statement cancelled by its caller ends at once, and the connection serves others",
        arguments: DatabaseAdapter.postgres)
    func cancelStatement(adapter: DatabaseAdapter) async throws {
        try await withPostgres(server: try #require(adapter.url)) { url in
            var limits = patientLimits
            limits.connections = 2
            // Nothing but the cancellation ends it within the test's time.
            limits.statement = .seconds(3600)
            let database = try await openPostgres(url, limits)
            for isGuarded in [false, true] {
                await withTaskGroup(of: Bool.self) { group in
                    group.addTask {
                        do {
                            if isGuarded {
                                try await database.execute(.system, "SELECT pg_sleep(3600)", [])
                            } else {
                                try await database.write(.system) { tx in try tx.run("SELECT pg_sleep(3600)") }
                            }
                            return false
                        } catch {
                            return error is CancellationError
                        }
                    }
                    try? await eventually("the statement runs") {
                        // A session that became another role shows its statements only to the one that logged in.
                        let sql = """
                            SELECT COUNT(*) AS n FROM pg_stat_activity
                            WHERE query LIKE '%pg_sleep(3600)%' AND state = 'active' AND pid <> pg_backend_pid()
                                AND wait_event = 'PgSleep'
                            """
                        return try await database.execute(.schema, sql, []).first?.value("n") ?? 0 > 0
                    }
                    group.cancelAll()
                    #expect(await group.next() == true)
                }
                let seven: Int? = try await database.execute(.system, "SELECT 7 AS n", []).first?.value("n")
                #expect(seven == 7)
            }
            await database.close()
        }
    }
}
