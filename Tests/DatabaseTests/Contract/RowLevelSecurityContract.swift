import Database
import Kernel
import TestKit
import Testing

/// The second wall: what PostgreSQL hides and refuses by itself, whatever a statement asks for.
@Suite struct RowLevelSecurityContract {
    private let ids = Samples().ids

    private func withTable(
        _ adapter: DatabaseAdapter, _ body: (TestDatabase, WorkspaceID, WorkspaceID) async throws -> Void
    ) async throws {
        try await adapter.withDatabase(connections: 1) { test in
            try await test.create(
                "CREATE TABLE thing (id {int64} PRIMARY KEY, workspace_id TEXT NOT NULL) {strict}",
                "{isolate thing workspace_id}")
            let (mine, other): (WorkspaceID, WorkspaceID) = (ids.next(), ids.next())
            try await test.database.write(.system) { tx in
                try tx.run("INSERT INTO thing VALUES (1, $1), (2, $2)", [mine, other])
            }
            try await body(test, mine, other)
        }
    }

    private func expect(_ rows: [Int], in scope: Scope, _ test: TestDatabase) async throws {
        let sql = "SELECT id AS n FROM thing ORDER BY id"
        let read = try await test.database.read(scope) { tx in try tx.rows(sql).map { try $0.value("n", as: Int.self) }
        }
        let guarded = try await test.database.execute(scope, sql, []).map { try $0.value("n", as: Int.self) }
        #expect(read == rows && guarded == rows, "\(scope)")
    }

    @Test(
        "a workspace sees its own rows, another one none, the system and the owner all",
        arguments: DatabaseAdapter.postgres)
    func hides(adapter: DatabaseAdapter) async throws {
        try await withTable(adapter) { test, mine, other in
            try await expect([1], in: .workspace(mine), test)
            try await expect([2], in: .workspace(other), test)
            try await expect([], in: .workspace(ids.next()), test)
            try await expect([1, 2], in: .system, test)
            try await expect([1, 2], in: .schema, test)
        }
    }

    @Test("rows of another workspace are neither written, changed nor removed", arguments: DatabaseAdapter.postgres)
    func refuses(adapter: DatabaseAdapter) async throws {
        try await withTable(adapter) { test, mine, other in
            for (sql, arguments) in [
                ("INSERT INTO thing VALUES (3, $1)", [other]), ("UPDATE thing SET workspace_id = $1", [other]),
            ] {
                await #expect(throws: DatabaseFailure.self) {
                    try await test.database.write(.workspace(mine)) { tx in try tx.run(sql, arguments) }
                }
                await #expect(throws: DatabaseFailure.self) {
                    try await test.database.execute(.workspace(mine), sql, arguments)
                }
            }
            let changed = try await test.database.write(.workspace(mine)) { tx in
                [
                    try tx.run("UPDATE thing SET id = id + 10 WHERE workspace_id = $1", [other]),
                    try tx.run("DELETE FROM thing WHERE id = 2"), try tx.run("UPDATE thing SET id = id + 10"),
                ]
            }
            #expect(changed == [0, 0, 1])
            try await expect([2, 11], in: .system, test)
        }
    }

    @Test(
        "a body's workspace does not stay on the connection, whether it commits, fails or runs alone",
        arguments: DatabaseAdapter.postgres)
    func doesNotLeak(adapter: DatabaseAdapter) async throws {
        try await withTable(adapter) { test, mine, _ in
            try await test.database.write(.workspace(mine)) { tx in try tx.run("UPDATE thing SET id = id") }
            try await expectNoWorkspace(test, "after a commit")
            _ = try? await test.database.write(.workspace(mine)) { tx in try tx.run("NO SQL") }
            try await expectNoWorkspace(test, "after a failure")
            try await test.database.execute(.workspace(mine), "UPDATE thing SET id = id", [])
            try await expectNoWorkspace(test, "after a statement")
            _ = try? await test.database.execute(.workspace(mine), "SELECT 1 / (id - 1) AS n FROM thing", [])
            try await expectNoWorkspace(test, "after a failed statement")
        }
    }

    /// The pool has one connection. Its own state shows once the transaction that a body has been given is over; there
    /// are no rows to be seen then.
    private func expectNoWorkspace(_ test: TestDatabase, _ when: Comment) async throws {
        let seen = Shared("")
        await #expect(throws: DatabaseFailure.self, "a body that ends its transaction is refused") {
            try await test.database.write(.workspace(ids.next())) { tx in
                try tx.run("ROLLBACK")
                let row = try tx.row(
                    """
                    SELECT COALESCE(current_setting('app.workspace_id', true), '') AS setting, current_user AS who,
                        (SELECT COUNT(*) FROM thing) AS rows
                    """)
                guard let row else { return }
                let (setting, who): (String, String) = (try row.value("setting"), try row.value("who"))
                let rows: Int = try row.value("rows")
                seen.update { $0 = "'\(setting)' \(who) \(rows)" }
            }
        }
        #expect(seen.value == "'' volery_app 0", when)
    }

    @Test("a table that belongs to no workspace is out of every workspace's reach", arguments: DatabaseAdapter.postgres)
    func reserved(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(
                "CREATE TABLE node (id {int64} PRIMARY KEY) {strict}", "INSERT INTO node VALUES (1)", "{reserve node}")
            for sql in ["SELECT id FROM node", "INSERT INTO node VALUES (2)", "DELETE FROM node"] {
                await #expect(throws: DatabaseFailure.self) {
                    try await test.database.execute(.workspace(ids.next()), sql, [])
                }
            }
            let left = try await test.integers("SELECT id AS n FROM node")
            #expect(left == [1])
        }
    }
}
