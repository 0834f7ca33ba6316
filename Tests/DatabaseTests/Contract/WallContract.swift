import Database
import Kernel
import TestKit
import Testing

/// What the entries in braces of a migration stand for, beside a workspace's own rows.
@Suite struct WallContract {
    private struct Ground {
        let test: TestDatabase
        let mine: (tenant: TenantID, workspace: WorkspaceID)
        let other: (tenant: TenantID, workspace: WorkspaceID)
    }

    private func withGround(_ adapter: DatabaseAdapter, _ body: (Ground) async throws -> Void) async throws {
        try await adapter.withDatabase(connections: 1) { test in
            try await test.create(
                "CREATE TABLE workspace (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL) {strict}",
                "{isolate workspace id}", "{widen workspace id tenant_id}",
                "CREATE TABLE place (n {int64} PRIMARY KEY, tenant_id TEXT) {strict}",
                "{isolate place tenant_id of tenant}",
                "CREATE TABLE act (n {int64} PRIMARY KEY, owner TEXT) {strict}", "{isolate act owner of owner}",
                "CREATE TABLE tag (n {int64} PRIMARY KEY, tenant_id TEXT, workspace_id TEXT) {strict}",
                "{isolate tag workspace_id}", "{bind tag}")
            let ids = Samples().ids
            let ground = Ground(test: test, mine: (ids.next(), ids.next()), other: (ids.next(), ids.next()))
            let (mine, other) = (ground.mine, ground.other)
            try await test.database.write(.system) { tx in
                try tx.run(
                    "INSERT INTO workspace VALUES ($1, $2), ($3, $4)",
                    [mine.workspace, mine.tenant, other.workspace, other.tenant])
                for table in ["place", "act"] {
                    try tx.run(
                        "INSERT INTO \(table) VALUES (1, $1), (2, $2), (3, NULL)", [mine.tenant, other.tenant])
                }
                try tx.run(
                    "INSERT INTO tag VALUES (1, $1, $2), (2, $3, $4)",
                    [mine.tenant, mine.workspace, other.tenant, other.workspace])
            }
            try await body(ground)
        }
    }

    private func expect(_ numbers: [Int], _ table: String, in scope: Scope, _ ground: Ground) async throws {
        let sql = "SELECT n FROM \(table) ORDER BY n"
        let read = try await ground.test.database.read(scope) { tx in
            try tx.rows(sql).map { try $0.value("n", as: Int.self) }
        }
        let alone = try await ground.test.database.execute(scope, sql, []).map { try $0.value("n", as: Int.self) }
        #expect(read == numbers && alone == numbers, "\(table) in \(scope)")
    }

    @Test(
        "a tenant's rows are seen in its scope; those that it owns, in its workspaces' too",
        arguments: DatabaseAdapter.postgres)
    func sees(adapter: DatabaseAdapter) async throws {
        try await withGround(adapter) { ground in
            let (mine, other) = (ground.mine, ground.other)
            try await expect([1], "place", in: .tenant(mine.tenant), ground)
            try await expect([2], "place", in: .tenant(other.tenant), ground)
            try await expect([], "place", in: .workspace(mine.workspace), ground)
            try await expect([1], "act", in: .tenant(mine.tenant), ground)
            try await expect([1], "act", in: .workspace(mine.workspace), ground)
            try await expect([2], "act", in: .workspace(other.workspace), ground)
            try await expect([], "act", in: .workspace(Samples(seed: 9).ids.next()), ground)
            try await expect([], "tag", in: .tenant(mine.tenant), ground)
            for table in ["place", "act"] { try await expect([1, 2, 3], table, in: .system, ground) }
        }
    }

    @Test("rows of another tenant, and of none, are not written", arguments: DatabaseAdapter.postgres)
    func refuses(adapter: DatabaseAdapter) async throws {
        try await withGround(adapter) { ground in
            let scopes = [Scope.tenant(ground.mine.tenant), .workspace(ground.mine.workspace)]
            for (table, column) in [("place", "tenant_id"), ("act", "owner")] {
                for scope in scopes {
                    for owner in [ground.other.tenant, nil] as [TenantID?] {
                        await #expect(throws: DatabaseFailure.self) {
                            try await ground.test.database.write(scope) { tx in
                                try tx.run("INSERT INTO \(table) VALUES (9, $1)", [owner])
                            }
                        }
                    }
                    let reached = try await ground.test.database.write(scope) { tx in
                        try tx.run("UPDATE \(table) SET n = n + 10 WHERE n > 1")
                    }
                    #expect(reached == 0, "\(table).\(column) in \(scope)")
                }
            }
        }
    }

    @Test("a workspace reads itself, and its tenant changes it", arguments: DatabaseAdapter.postgres)
    func widened(adapter: DatabaseAdapter) async throws {
        try await withGround(adapter) { ground in
            let (mine, other) = (ground.mine, ground.other)
            func count(_ scope: Scope) async throws -> Int {
                try await ground.test.database.read(scope) { tx in
                    try tx.row("SELECT COUNT(*) AS n FROM workspace")?.value("n") ?? -1
                }
            }
            #expect(try await count(.workspace(mine.workspace)) == 1)
            #expect(try await count(.tenant(mine.tenant)) == 1)
            let change = "UPDATE workspace SET tenant_id = tenant_id"
            let byItself = try await ground.test.database.write(.workspace(mine.workspace)) { tx in try tx.run(change) }
            let byTenant = try await ground.test.database.write(.tenant(mine.tenant)) { tx in try tx.run(change) }
            #expect(byItself == 0 && byTenant == 1)
            await #expect(throws: DatabaseFailure.self) {
                try await ground.test.database.write(.tenant(mine.tenant)) { tx in
                    try tx.run("UPDATE workspace SET tenant_id = $1", [other.tenant])
                }
            }
        }
    }

    @Test("a row names the tenant that its workspace belongs to", arguments: DatabaseAdapter.postgres)
    func bound(adapter: DatabaseAdapter) async throws {
        try await withGround(adapter) { ground in
            let (mine, other) = (ground.mine, ground.other)
            let insert = "INSERT INTO tag VALUES (3, $1, $2)"
            for (sql, arguments) in [
                (insert, [other.tenant, mine.workspace] as [any SQLRepresentable]),
                ("UPDATE tag SET tenant_id = $1", [other.tenant]),
            ] {
                await #expect(throws: DatabaseFailure.self, "\(sql)") {
                    try await ground.test.database.execute(.workspace(mine.workspace), sql, arguments)
                }
            }
            try await ground.test.database.execute(
                .workspace(mine.workspace), insert, [mine.tenant, mine.workspace])
            try await expect([1, 3], "tag", in: .workspace(mine.workspace), ground)
        }
    }

    @Test(
        "a body's tenant does not stay on the connection, whether it commits, fails or runs alone",
        arguments: DatabaseAdapter.postgres)
    func doesNotLeak(adapter: DatabaseAdapter) async throws {
        try await withGround(adapter) { ground in
            let database = ground.test.database
            let tenant = Scope.tenant(ground.mine.tenant)
            let touch = "UPDATE place SET n = n"
            try await database.write(tenant) { tx in try tx.run(touch) }
            try await expect([], "place", in: .workspace(ground.mine.workspace), ground)
            _ = try? await database.write(tenant) { tx in try tx.run("NO SQL") }
            try await expect([], "place", in: .workspace(ground.mine.workspace), ground)
            try await database.execute(tenant, touch, [])
            try await expect([], "place", in: .workspace(ground.mine.workspace), ground)
            _ = try? await database.execute(tenant, "SELECT 1 / (n - 1) AS n FROM place", [])
            try await expect([], "place", in: .workspace(ground.mine.workspace), ground)
            try await database.execute(.workspace(ground.mine.workspace), "SELECT n FROM tag", [])
            try await expect([], "tag", in: tenant, ground)
        }
    }

    @Test("rows that are only added are neither changed nor removed", arguments: DatabaseAdapter.available)
    func append(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(
                "CREATE TABLE log (n {int64} PRIMARY KEY) {strict}", "{append log}", "INSERT INTO log VALUES (1)")
            for scope in [Scope.system, .workspace(Samples().ids.next())] {
                for sql in ["UPDATE log SET n = 2", "DELETE FROM log"] {
                    await #expect(throws: DatabaseFailure.self) {
                        try await test.database.write(scope) { tx in try tx.run(sql) }
                    }
                }
            }
            try await test.database.execute(.system, "INSERT INTO log VALUES (2)", [])
            let left = try await test.integers("SELECT n FROM log ORDER BY n")
            #expect(left == [1, 2])
        }
    }

    @Test("numbers that are drawn together have no gaps, whoever is undone", arguments: DatabaseAdapter.available)
    func counter(adapter: DatabaseAdapter) async throws {
        struct Undone: Error {}
        try await adapter.withDatabase { test in
            try await test.create("{counter ticket}", "CREATE TABLE ticket (n {int64} PRIMARY KEY) {strict}")
            let sql = test.database.dialect.draw(from: "ticket")
            let ids = Samples().ids
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<30 {
                    let scope: Scope = number.isMultiple(of: 2) ? .system : .tenant(ids.next())
                    group.addTask {
                        do {
                            try await test.database.write(scope) { tx in
                                let drawn: Int = try tx.row(sql)?.value("number") ?? -1
                                try tx.run("INSERT INTO ticket VALUES ($1)", [drawn])
                                if number.isMultiple(of: 3) { throw Undone() }
                            }
                        } catch is Undone {}
                    }
                }
                try await group.waitForAll()
            }
            let drawn = try await test.integers("SELECT n FROM ticket ORDER BY n")
            #expect(drawn == Array(1...20))
        }
    }

    @Test(
        "a counter is set by nobody, and a table that only has its name is not taken for it",
        arguments: DatabaseAdapter.postgres)
    func counterIsSafe(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create("{counter ticket}")
            let scope = Scope.tenant(Samples().ids.next())
            for sql in ["UPDATE ticket_counter SET last = 0", "SELECT last FROM ticket_counter"] {
                await #expect(throws: DatabaseFailure.self) { try await test.database.execute(scope, sql, []) }
            }
            let sql = test.database.dialect.draw(from: "ticket")
            let drawn = try await test.database.write(scope) { tx in
                try tx.run("CREATE TEMPORARY TABLE ticket_counter ON COMMIT DROP AS SELECT 1 AS id, 99 AS last")
                return try tx.row(sql)?.value("number", as: Int.self)
            }
            #expect(drawn == 1)
        }
    }
}
