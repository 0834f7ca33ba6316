import Database
import Kernel
import TestKit
import Testing

/// What the engines promise about transactions that run at the same time.
@Suite(.serialized) struct IsolationContract {
    private struct Refusal: Error {}

    /// Statements that change nothing but take a while, so that transactions overlap.
    private static func dawdle(_ tx: any Tx) throws {
        for _ in 0..<5 { _ = try tx.rows("SELECT 1 AS one") }
    }

    @Test(
        "no update is lost, each body takes effect once, and its result is that of the run that counted",
        arguments: DatabaseAdapter.available)
    func lostUpdate(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(
                "CREATE TABLE counter (id {int64} PRIMARY KEY, value {int64} NOT NULL) {strict}",
                "CREATE TABLE seen (id {int64} PRIMARY KEY, value {int64} NOT NULL) {strict}",
                "INSERT INTO counter (id, value) VALUES (1, 0)")
            let results = try await withThrowingTaskGroup(of: Int.self) { group in
                for id in 1...64 {
                    group.addTask {
                        try await test.database.write(.system) { tx in
                            let value: Int = try tx.row("SELECT value AS n FROM counter WHERE id = 1")?.value("n") ?? -1
                            try Self.dawdle(tx)
                            try tx.run("UPDATE counter SET value = $1 WHERE id = 1", [value + 1])
                            try tx.run("INSERT INTO seen (id, value) VALUES ($1, $2)", [id, value + 1])
                            return value + 1
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(results.sorted() == Array(1...64))
            #expect(try await test.integer("SELECT value AS n FROM counter") == 64)
            #expect(try await test.integers("SELECT value AS n FROM seen ORDER BY value") == Array(1...64))
        }
    }

    @Test("two who each look at the other do not both leave (write skew)", arguments: DatabaseAdapter.available)
    func writeSkew(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(
                """
                CREATE TABLE doctor (shift {int64} NOT NULL, id {int64} NOT NULL, on_call {int64} NOT NULL,
                    PRIMARY KEY (shift, id)) {strict}
                """)
            for shift in 0..<25 {
                try await test.database.write(.system) { tx in
                    for id in 0..<2 { try tx.run("INSERT INTO doctor VALUES ($1, $2, 1)", [shift, id]) }
                }
                let left = try await withThrowingTaskGroup(of: Bool.self) { group in
                    for id in 0..<2 { group.addTask { try await Self.leave(shift, id, test.database) } }
                    return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
                }
                #expect(left == 1, "shift \(shift)")
            }
            let alone = try await test.integers(
                "SELECT COUNT(*) AS n FROM doctor WHERE on_call = 1 GROUP BY shift ORDER BY shift")
            #expect(alone == Array(repeating: 1, count: 25))
        }
    }

    private static func leave(_ shift: Int, _ id: Int, _ database: any Database) async throws -> Bool {
        try await database.write(.system) { tx in
            let sql = "SELECT COUNT(*) AS n FROM doctor WHERE shift = $1 AND on_call = 1"
            let present: Int = try tx.row(sql, [shift])?.value("n") ?? 0
            try dawdle(tx)
            guard present > 1 else { return false }
            return try tx.run("UPDATE doctor SET on_call = 0 WHERE shift = $1 AND id = $2", [shift, id]) == 1
        }
    }

    @Test("a sum over a range guards what is added to it (phantom)", arguments: DatabaseAdapter.available)
    func phantom(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(
                """
                CREATE TABLE booking (id {int64} PRIMARY KEY, room {int64} NOT NULL, amount {int64} NOT NULL) {strict}
                """,
                "CREATE INDEX booking_by_room ON booking (room)")
            let accepted = try await withThrowingTaskGroup(of: Bool.self) { group in
                for id in 0..<30 {
                    group.addTask {
                        try await test.database.write(.system) { tx in
                            let sum: Int =
                                try tx.row("SELECT COALESCE(SUM(amount), 0) AS n FROM booking WHERE room = 7")?
                                .value("n") ?? 0
                            try Self.dawdle(tx)
                            guard sum + 10 <= 100 else { return false }
                            return try tx.run("INSERT INTO booking VALUES ($1, 7, 10)", [id]) == 1
                        }
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(accepted == 10)
            #expect(try await test.integer("SELECT SUM(amount) AS n FROM booking WHERE room = 7") == 100)
        }
    }

    @Test("a reading body sees one moment, whatever others write meanwhile", arguments: DatabaseAdapter.available)
    func snapshot(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(
                "CREATE TABLE account (id {int64} PRIMARY KEY, balance {int64} NOT NULL) {strict}",
                "INSERT INTO account VALUES (1, 500), (2, 500)")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for caller in 0..<4 {
                    group.addTask {
                        for _ in 0..<10 {
                            try await test.database.write(.system) { tx in
                                let amount = caller.isMultiple(of: 2) ? 1 : -1
                                try tx.run("UPDATE account SET balance = balance - $1 WHERE id = 1", [amount])
                                try tx.run("UPDATE account SET balance = balance + $1 WHERE id = 2", [amount])
                            }
                        }
                    }
                    group.addTask {
                        for _ in 0..<10 {
                            let (first, second): (Int, Int) = try await test.database.read(.system) { tx in
                                let sql = "SELECT balance AS n FROM account WHERE id = $1"
                                let one: Int = try tx.row(sql, [1])?.value("n") ?? 0
                                try Self.dawdle(tx)
                                let two: Int = try tx.row(sql, [2])?.value("n") ?? 0
                                let again: Int = try tx.row(sql, [1])?.value("n") ?? 0
                                return (one + two, again + two)
                            }
                            #expect(first == 1000 && second == 1000)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test(
        "a failing body undoes itself and nobody else", arguments: DatabaseAdapter.available, [1, 2] as [UInt64])
    func failsAlone(adapter: DatabaseAdapter, seed: UInt64) async throws {
        let random = SeededRandom(seed: seed)
        let failing = Set((0..<100).filter { _ in random.next(below: 3) == 0 })
        try await adapter.withDatabase { test in
            try await test.create("CREATE TABLE thing (id {int64} PRIMARY KEY, part {int64} NOT NULL) {strict}")
            await withTaskGroup(of: Void.self) { group in
                for id in 0..<100 {
                    group.addTask {
                        do {
                            try await test.database.write(.system) { tx in
                                try tx.run("INSERT INTO thing VALUES ($1, 0)", [id])
                                if failing.contains(id) { throw Refusal() }
                                try tx.run("INSERT INTO thing VALUES ($1, 1)", [id + 1000])
                            }
                            #expect(!failing.contains(id), "seed \(seed)")
                        } catch {
                            #expect(error is Refusal && failing.contains(id), "seed \(seed): \(error)")
                        }
                    }
                }
            }
            let expected = (0..<100).filter { !failing.contains($0) }
            #expect(
                try await test.integers("SELECT id AS n FROM thing ORDER BY id") == expected
                    + expected.map { $0 + 1000 },
                "seed \(seed)")
        }
    }

    @Test("forty who lease together get each row exactly once", arguments: DatabaseAdapter.available)
    func leases(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(
                """
                CREATE TABLE job (id {int64} PRIMARY KEY, state {int64} NOT NULL, due {int64} NOT NULL,
                    epoch {int64} NOT NULL) {strict}
                """)
            try await test.database.write(.system) { tx in
                for id in 0..<10 { try tx.run("INSERT INTO job VALUES ($1, 0, $2, 0)", [id, 100 - id]) }
            }
            let lease =
                "WITH due AS MATERIALIZED (SELECT id FROM job WHERE state = 0 AND due <= $1 ORDER BY due LIMIT $2"
                + test.database.dialect.skipLocked
                + ") UPDATE job SET state = 1, epoch = epoch + 1 FROM due WHERE job.id = due.id RETURNING job.id AS n"
            let leased = try await withThrowingTaskGroup(of: [Int].self) { group in
                for _ in 0..<40 {
                    group.addTask {
                        try await test.database.execute(.system, lease, [1000, 2]).map { try $0.value("n") }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(leased.sorted() == Array(0..<10))
            #expect(try await test.integers("SELECT epoch AS n FROM job") == Array(repeating: 1, count: 10))
        }
    }

    @Test("a guard in the statement keeps a balance from going below zero", arguments: DatabaseAdapter.available)
    func guardedStatement(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(
                "CREATE TABLE account (id {int64} PRIMARY KEY, balance {int64} NOT NULL) {strict}",
                "INSERT INTO account VALUES (1, 40)")
            let left = try await withThrowingTaskGroup(of: Int?.self) { group in
                for _ in 0..<64 {
                    group.addTask {
                        try await test.database.execute(
                            .system,
                            """
                            UPDATE account SET balance = balance - $2 WHERE id = $1 AND balance >= $2
                            RETURNING balance AS n
                            """, [1, 1]
                        ).first?.value("n")
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(left.compactMap(\.self).sorted() == Array(0..<40))
            #expect(try await test.integer("SELECT balance AS n FROM account") == 0)
        }
    }
}
