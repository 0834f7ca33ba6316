import Database
import Kernel
import TestKit
import Testing

/// What the engines promise to those who call them: cancellation, limits, closing.
@Suite struct CallerContract {
    private static let table = "CREATE TABLE thing (id {int64} PRIMARY KEY, part {int64} NOT NULL) {strict}"

    private static func add(_ id: Int, _ database: any Database) async throws {
        try await database.write(.system) { tx in try tx.run("INSERT INTO thing VALUES ($1, 0)", [id]) }
    }

    @Test(
        "thirty-two callers who go away while they wait are dropped, and those beside them are served",
        arguments: DatabaseAdapter.available)
    func cancelWaiting(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase(connections: 1) { test in
            try await test.create(Self.table)
            let plug = Plug()
            async let held: Void = test.database.write(.system) { _ in plug.hold() }
            try await eventually("the only connection is held") { plug.holds == 1 }
            let waiting = Shared(0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in 0..<8 { group.addTask { try await Self.add(1000 + id, test.database) } }
                await withTaskGroup(of: Bool.self) { leaving in
                    for id in 0..<32 {
                        leaving.addTask {
                            waiting.update { $0 += 1 }
                            do {
                                try await Self.add(id, test.database)
                                return false
                            } catch {
                                return error is CancellationError
                            }
                        }
                    }
                    try? await eventually("all wait") { waiting.value == 32 }
                    leaving.cancelAll()
                    let cancelled = await leaving.reduce(0) { $0 + ($1 ? 1 : 0) }
                    #expect(cancelled == 32)
                }
                plug.pull()
                try await group.waitForAll()
            }
            try await held
            let ids = try await test.integers("SELECT id AS n FROM thing ORDER BY id")
            #expect(ids == Array(1000..<1008))
        }
    }

    @Test(
        "a caller who goes away while its body runs undoes all of it or nothing, and nobody else",
        arguments: DatabaseAdapter.available, [1, 2] as [UInt64])
    func cancelRunning(adapter: DatabaseAdapter, seed: UInt64) async throws {
        try await adapter.withDatabase { test in
            try await test.create(Self.table)
            let done = Shared(Set<Int>())
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in 0..<64 {
                    let leaves = id.isMultiple(of: 2)
                    group.addTask {
                        do {
                            try await Self.addTwice(id, leavesEarly: leaves, test.database)
                            done.update { _ = $0.insert(id) }
                        } catch is CancellationError {
                            #expect(leaves, "\(id) was never cancelled")
                        }
                    }
                }
                try await group.waitForAll()
            }
            let expected = done.value.sorted()
            #expect(expected.count >= 32)
            #expect(try await test.integers("SELECT id AS n FROM thing WHERE part = 0 ORDER BY id") == expected)
            #expect(
                try await test.integers("SELECT id - 1000 AS n FROM thing WHERE part = 1 ORDER BY id") == expected)
        }
    }

    /// Cancels the caller once its body runs.
    private static func addTwice(_ id: Int, leavesEarly: Bool, _ database: any Database) async throws {
        let hasBegun = Shared(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await database.write(.system) { tx in
                    try tx.run("INSERT INTO thing VALUES ($1, 0)", [id])
                    hasBegun.update { $0 = true }
                    for _ in 0..<20 { _ = try tx.rows("SELECT 1 AS one") }
                    try tx.run("INSERT INTO thing VALUES ($1, 1)", [id + 1000])
                }
            }
            if leavesEarly {
                try await eventually("the body runs") { hasBegun.value }
                group.cancelAll()
            }
            try await group.waitForAll()
        }
    }

    @Test("a caller who is cancelled already runs nothing", arguments: DatabaseAdapter.available)
    func cancelledBefore(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(Self.table)
            await withTaskGroup(of: Void.self) { group in
                group.cancelAll()
                group.addTask {
                    await #expect(throws: CancellationError.self) { try await Self.add(1, test.database) }
                }
            }
            #expect(try await test.integer("SELECT COUNT(*) AS n FROM thing") == 0)
        }
    }

    @Test("one more than may wait is refused, and the others are served", arguments: DatabaseAdapter.available)
    func overloaded(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase(connections: 1, waiting: 4) { test in
            try await test.create(Self.table)
            let plug = Plug()
            async let held: Void = test.database.write(.system) { _ in plug.hold() }
            try await eventually("the only connection is held") { plug.holds == 1 }
            let refused = Shared(0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in 0..<12 {
                    group.addTask {
                        do {
                            try await Self.add(id, test.database)
                        } catch DatabaseFailure.overloaded {
                            refused.update { $0 += 1 }
                        }
                    }
                }
                try await eventually("eight are refused") { refused.value == 8 }
                plug.pull()
                try await group.waitForAll()
            }
            try await held
            #expect(try await test.integer("SELECT COUNT(*) AS n FROM thing") == 4)
        }
    }

    @Test(
        "closing answers everybody, refuses what comes later, and can be repeated", arguments: DatabaseAdapter.available
    )
    func close(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(Self.table)
            let added = await withTaskGroup(of: Bool.self) { group in
                for id in 0..<100 {
                    group.addTask {
                        do {
                            try await Self.add(id, test.database)
                            return true
                        } catch {
                            #expect(error as? DatabaseFailure == .closed)
                            return false
                        }
                    }
                }
                group.addTask {
                    try? await test.close()
                    return false
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(added.count == 101)
            await #expect(throws: DatabaseFailure.closed) { try await Self.add(1000, test.database) }
            await #expect(throws: DatabaseFailure.closed) { try await test.database.read(.system) { _ in } }
            await #expect(throws: DatabaseFailure.closed) {
                try await test.database.execute(.system, "DELETE FROM thing", [])
            }
            try await test.close()
        }
    }
}
