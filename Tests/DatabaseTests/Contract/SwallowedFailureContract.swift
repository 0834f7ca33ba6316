import Database
import Kernel
import TestKit
import Testing

/// What the engines promise about a body that makes nothing of a statement's failure.
@Suite struct SwallowedFailureContract {
    private static let table = "CREATE TABLE thing (id {int64} PRIMARY KEY) {strict}"

    @Test(
        "a body that writes and swallows a failure commits nothing, and its caller hears of the first one",
        arguments: DatabaseAdapter.available)
    func write(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(Self.table)
            let attempts = Shared<[Bool]>([])
            let error = await #expect(throws: DatabaseFailure.self) {
                try await test.database.write(.system) { tx in
                    try tx.run("INSERT INTO thing VALUES (1)")
                    let isRepeated = (try? tx.run("INSERT INTO thing VALUES (1)")) == nil
                    let isOver = (try? tx.run("INSERT INTO thing VALUES (2)")) == nil
                    attempts.update { $0 = [isRepeated, isOver] }
                }
            }
            #expect(error?.isDuplicate == true)
            #expect(attempts.value == [true, true])
            #expect(try await test.integer("SELECT COUNT(*) AS n FROM thing") == 0)
        }
    }

    @Test(
        "a body that reads and swallows a failure returns nothing of it, and the next one reads",
        arguments: DatabaseAdapter.available)
    func read(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase(connections: 1) { test in
            try await test.create(Self.table)
            await #expect(throws: DatabaseFailure.self) {
                try await test.database.read(.system) { tx in
                    (try? tx.rows("SELECT id FROM missing").count) ?? -1
                }
            }
            #expect(try await test.integer("SELECT COUNT(*) AS n FROM thing") == 0)
        }
    }

    @Test(
        "those beside a body that swallows a failure are served", arguments: DatabaseAdapter.available)
    func beside(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(Self.table)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in 0..<40 {
                    group.addTask {
                        guard id.isMultiple(of: 4) else {
                            try await test.database.write(.system) { tx in
                                try tx.run("INSERT INTO thing VALUES ($1)", [id])
                            }
                            return
                        }
                        await #expect(throws: DatabaseFailure.self) {
                            try await test.database.write(.system) { tx in
                                try tx.run("INSERT INTO thing VALUES ($1)", [id])
                                _ = try? tx.run("INSERT INTO missing VALUES (1)")
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let ids = try await test.integers("SELECT id AS n FROM thing ORDER BY id")
            #expect(ids == (0..<40).filter { !$0.isMultiple(of: 4) })
        }
    }
}
