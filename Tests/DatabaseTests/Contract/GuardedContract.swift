import Database
import Kernel
import TestKit
import Testing

/// What a body may rely on that locks the rows by which it decides.
@Suite(.serialized) struct GuardedContract {
    private static let balances = "CREATE TABLE balance (id {int64} PRIMARY KEY, amount {int64} NOT NULL) {strict}"

    @Test(
        "64 bodies that lock a row before they decide by it never go below zero", arguments: DatabaseAdapter.available)
    func lockedRow(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(Self.balances, "INSERT INTO balance VALUES (1, 40)")
            let left = try await withThrowingTaskGroup(of: Int?.self) { group in
                for _ in 0..<64 {
                    group.addTask {
                        try await test.database.guarded(.system) { tx in
                            let row = try tx.row(
                                "SELECT amount AS n FROM balance WHERE id = $1" + tx.dialect.locked, [1])
                            guard let amount: Int = try row?.value("n"), amount > 0 else { return nil }
                            try tx.run("UPDATE balance SET amount = $2 WHERE id = $1", [1, amount - 1])
                            return amount - 1
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(left.compactMap(\.self).sorted() == Array(0..<40))
            #expect(try await test.integer("SELECT amount AS n FROM balance") == 0)
        }
    }

    @Test(
        "bodies that lock in opposite orders are run again, and all come through", arguments: DatabaseAdapter.available)
    func deadlock(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(Self.balances, "INSERT INTO balance VALUES (1, 0), (2, 0)")
            try await withThrowingTaskGroup(of: Void.self) { group in
                // The server takes a second to find a deadlock.
                for caller in 0..<4 {
                    group.addTask {
                        try await test.database.guarded(.system) { tx in
                            for id in caller.isMultiple(of: 2) ? [1, 2] : [2, 1] {
                                try tx.run("UPDATE balance SET amount = amount + 1 WHERE id = $1", [id])
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await test.integers("SELECT amount AS n FROM balance ORDER BY id") == [4, 4])
        }
    }

    @Test("what a guarded body throws undoes it", arguments: DatabaseAdapter.available)
    func thrown(adapter: DatabaseAdapter) async throws {
        struct Undone: Error {}
        try await adapter.withDatabase { test in
            try await test.create(Self.balances)
            await #expect(throws: Undone.self) {
                try await test.database.guarded(.system) { tx in
                    try tx.run("INSERT INTO balance VALUES (1, 1)")
                    throw Undone()
                }
            }
            #expect(try await test.integers("SELECT amount AS n FROM balance") == [])
        }
    }

    @Test(
        "who locks a row to share it holds up those who change it, and not those who share",
        arguments: DatabaseAdapter.postgres)
    func sharing(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(Self.balances, "INSERT INTO balance VALUES (1, 5)")
            let look = "SELECT amount AS n FROM balance WHERE id = 1" + test.database.dialect.sharing
            let (inside, leave) = (Gate(), Shared(false))
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await test.database.guarded(.system) { tx in
                        _ = try tx.rows(look)
                        inside.open()
                        while !leave.value { _ = try tx.rows("SELECT 1 AS n") }
                        let row = try tx.row("SELECT amount AS n FROM balance WHERE id = 1")
                        #expect(try row?.value("n", as: Int.self) == 5)
                    }
                }
                await inside.pass()
                group.addTask {
                    _ = try await test.database.guarded(.system) { tx in try tx.run("UPDATE balance SET amount = 6") }
                }
                // Runs while the first one holds the row.
                try await test.database.guarded(.system) { tx in _ = try tx.rows(look) }
                leave.update { $0 = true }
                try await group.waitForAll()
            }
            #expect(try await test.integer("SELECT amount AS n FROM balance") == 6)
        }
    }
}
