import Database
import Foundation
import Kernel
import PostgresEngine
import TestKit
import Testing

/// Who the engine is to the server, on a cluster that has never seen it.
@Suite(.timeLimit(.minutes(10)), .serialized) struct RolesContract {
    private func asSuperuser(_ url: String) -> String {
        url.replacingOccurrences(of: "volery@", with: "postgres@")
    }

    @Test("many nodes that start together on a new cluster make the roles once", arguments: DatabaseAdapter.postgres)
    func together(adapter: DatabaseAdapter) async throws {
        try await Cluster.with(adapter) { cluster in
            let seen = try await withThrowingTaskGroup(of: String.self) { group in
                for node in 0..<12 {
                    group.addTask {
                        let database = try await openPostgres(cluster.url)
                        let row = try await database.execute(
                            node.isMultiple(of: 2) ? .system : .workspace(Samples().ids.next()),
                            "SELECT current_user AS who", []
                        ).first
                        await database.close()
                        return try row?.value("who") ?? ""
                    }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(seen == ["volery_app", "volery_system"])
        }
    }

    @Test(
        "a login role that may not make the roles is refused with the statements that an administrator needs",
        arguments: DatabaseAdapter.postgres)
    func refused(adapter: DatabaseAdapter) async throws {
        try await Cluster.with(adapter) { cluster in
            // Opening makes the roles; what follows takes them away again on the same connection.
            let admin = try await openPostgres(asSuperuser(cluster.url))
            for sql in [
                "ALTER ROLE volery NOCREATEROLE", "DROP OWNED BY volery_app, volery_system", "DROP ROLE volery_app",
                "DROP ROLE volery_system",
            ] { try await admin.execute(.schema, sql, []) }
            let problem = await refusal(of: cluster.url)
            #expect(problem?.code == .configurationInvalid)
            let hint = try #require(problem?.hint)
            let statements = hint.replacingOccurrences(of: "As an administrator: ", with: "").split(separator: ";")
            // They are exactly what is missing.
            for statement in statements { try await admin.execute(.schema, String(statement), []) }
            #expect(statements.count == 5, "\(hint)")
            let database = try await openPostgres(cluster.url)
            try await database.execute(.schema, "CREATE TABLE thing (id BIGINT)", [])
            #expect(try await database.execute(.system, "SELECT id FROM thing", []).isEmpty)
            await database.close()
            try await admin.execute(.schema, "ALTER ROLE volery_app BYPASSRLS", [])
            let unbound = await refusal(of: cluster.url)
            #expect(unbound?.code == .configurationInvalid && unbound?.message.contains("volery_app") == true)
            await admin.close()
        }
    }

    private func refusal(of url: String) async -> Problem? {
        do {
            let database = try await openPostgres(url)
            await database.close()
            return nil
        } catch {
            return error as? Problem
        }
    }

    @Test("row-level security holds also where the login role is a superuser", arguments: DatabaseAdapter.postgres)
    func superuser(adapter: DatabaseAdapter) async throws {
        try await Cluster.with(adapter) { cluster in
            let database = try await openPostgres(asSuperuser(cluster.url))
            let ids = Samples().ids
            let (mine, other): (WorkspaceID, WorkspaceID) = (ids.next(), ids.next())
            try await database.write(.schema) { tx in
                for sql in [
                    "CREATE TABLE thing (id {int64} PRIMARY KEY, workspace_id TEXT)", "{isolate thing workspace_id}",
                ].flatMap(tx.dialect.statements) { try tx.run(sql) }
                try tx.run("INSERT INTO thing VALUES (1, $1), (2, $2)", [mine, other])
            }
            let rows = try await database.execute(.workspace(mine), "SELECT id AS n FROM thing", [])
            #expect(try rows.map { try $0.value("n", as: Int.self) } == [1])
            await database.close()
        }
    }

    @Test("a server that is not there, and a wrong password or database, are clear problems")
    func unreachable() async throws {
        let urls =
            ["postgres://volery:hush@127.0.0.1:1/volery"]
            + DatabaseAdapter.postgres.compactMap { $0.url.map { $0 + "x" } }
        for url in urls {
            let problem = await refusal(of: url)
            #expect(problem?.code == .storageUnavailable, "\(problem?.description ?? "opened")")
        }
    }
}
