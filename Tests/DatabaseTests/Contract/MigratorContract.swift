import Database
import Kernel
import PostgresEngine
import TestKit
import Testing

/// Migrations on every engine.
@Suite struct MigratorContract {
    private static let version = BinaryVersion(1, 0, 0)

    private static let migrations = [
        Migration(
            number: 1, name: "first", oldestBinary: version,
            statements: [
                "CREATE TABLE thing (id {int64} PRIMARY KEY, workspace_id TEXT NOT NULL) {strict}",
                "CREATE INDEX thing_by_workspace ON thing (workspace_id, id)",
                "INSERT INTO thing VALUES (1, 'ws_1'), (2, 'ws_2')",
            ]),
        Migration(number: 2, name: "second", oldestBinary: version, statements: ["{isolate thing workspace_id}"]),
        // A later step sees and changes the rows of every workspace.
        Migration(number: 3, name: "third", oldestBinary: version, statements: ["UPDATE thing SET id = id + 10"]),
    ]

    @Test("migrations are applied once, in order, also when many start together", arguments: DatabaseAdapter.available)
    func together(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
                for _ in 0..<4 {
                    group.addTask { try await Migrator(Self.migrations, binary: Self.version).migrate(test.database) }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(applied.sorted() == [1, 2, 3])
            #expect(try await test.integers("SELECT id AS n FROM thing ORDER BY id") == [11, 12])
            #expect(try await Migrator(Self.migrations, binary: Self.version).migrate(test.database) == [])
        }
    }

    @Test("two nodes that start together apply each migration once", arguments: DatabaseAdapter.postgres)
    func twoNodes(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            let url = try #require(test.url)
            let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
                for _ in 0..<6 {
                    group.addTask {
                        let database = try await openPostgres(url)
                        let applied = try await Migrator(Self.migrations, binary: Self.version).migrate(database)
                        await database.close()
                        return applied
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(applied.sorted() == [1, 2, 3])
            #expect(try await test.integers("SELECT id AS n FROM thing ORDER BY id") == [11, 12])
        }
    }

    @Test("a failing migration leaves nothing of itself behind", arguments: DatabaseAdapter.available)
    func failing(adapter: DatabaseAdapter) async throws {
        let broken = Migration(
            number: 2, name: "broken", oldestBinary: Self.version,
            statements: ["ALTER TABLE thing ADD COLUMN size {int64}", "NO SQL"])
        try await adapter.withDatabase { test in
            await #expect(throws: Problem.self) {
                try await Migrator([Self.migrations[0], broken], binary: Self.version).migrate(test.database)
            }
            let applied = try await Migrator(Self.migrations, binary: Self.version).migrate(test.database)
            #expect(applied == [2, 3])
        }
    }

    @Test("statements that were prepared before a migration work after it", arguments: DatabaseAdapter.available)
    func stalePlans(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase(connections: 1) { test in
            try await test.create(
                "CREATE TABLE thing (id {int64} PRIMARY KEY) {strict}", "INSERT INTO thing VALUES (1)")
            let sql = "SELECT * FROM thing WHERE id = $1"
            func ids() async throws -> [Int] {
                let read = try await test.database.read(.system) { tx in
                    try tx.rows(sql, [1]).map { try $0.value("id", as: Int.self) }
                }
                return read
            }
            let before = try await ids() + test.database.execute(.system, sql, [1]).map { try $0.value("id") }
            try await test.create("ALTER TABLE thing ADD COLUMN name TEXT")
            let guarded: [Int] = try await test.database.execute(.system, sql, [1]).map { try $0.value("id") }
            try await test.create("ALTER TABLE thing ADD COLUMN size {int64}")
            let read = try await ids()
            #expect(before == [1, 1] && guarded == [1] && read == [1])
        }
    }
}
