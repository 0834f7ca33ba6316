import Database
import Dispatch
import Kernel
import Logging
import SQLiteEngine
import Synchronization
import TestKit
import Testing

@Suite struct GroupCommitTests {
    private struct Refusal: Error, Equatable { let id: Int }

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func open(_ limits: SQLiteDatabase.Limits = SQLiteDatabase.Limits()) async throws -> SQLiteDatabase {
        let database = try SQLiteDatabase.open(
            path: folder.path("volery.db"), clock: SystemClock(), logger: Logger(label: "test"), limits: limits)
        try await database.write(.system) { tx in try tx.run("CREATE TABLE thing (id INTEGER PRIMARY KEY) STRICT") }
        return database
    }

    private func ids(_ database: SQLiteDatabase) async throws -> Set<Int> {
        Set(try await database.read(.system) { tx in try tx.rows("SELECT id FROM thing").map { try $0.value("id") } })
    }

    /// Holds the writer, so that what comes behind waits and shares a batch.
    private final class Plug: Sendable {
        private let began = Atomic(false)
        private let release = DispatchSemaphore(value: 0)

        var hasBegun: Bool { began.load(ordering: .acquiring) }

        func hold() {
            began.store(true, ordering: .releasing)
            release.wait()
        }

        func pull() { release.signal() }
    }

    @Test("a failing body is undone alone; the others of its batch are kept", arguments: [1, 2, 3] as [UInt64])
    func failsAlone(seed: UInt64) async throws {
        let database = try await open()
        let random = SeededRandom(seed: seed)
        let failing = Set((0..<300).filter { _ in random.next(below: 3) == 0 })
        await withTaskGroup(of: Void.self) { group in
            for id in 0..<300 {
                group.addTask {
                    do {
                        try await database.write(.system) { tx in
                            try tx.run("INSERT INTO thing (id) VALUES ($1)", [id])
                            if failing.contains(id) { throw Refusal(id: id) }
                        }
                        #expect(!failing.contains(id), "seed \(seed)")
                    } catch {
                        #expect(error as? Refusal == Refusal(id: id), "seed \(seed)")
                    }
                }
            }
        }
        #expect(try await ids(database) == Set(0..<300).subtracting(failing), "seed \(seed)")
    }

    @Test("waiting bodies share transactions")
    func shares() async throws {
        let database = try await open()
        let plug = Plug()
        async let held: Void = database.write(.system) { _ in plug.hold() }
        try await eventually("the writer is held") { plug.hasBegun }
        let started = Shared(0)
        let changes: [Int] = try await withThrowingTaskGroup(of: Int.self) { group in
            for id in 0..<64 {
                group.addTask {
                    started.update { $0 += 1 }
                    return try await database.write(.system) { tx in
                        try tx.run("INSERT INTO thing (id) VALUES ($1)", [id])
                        return try tx.row("SELECT COUNT(*) AS n FROM thing")?.value("n") ?? 0
                    }
                }
            }
            try await eventually("all asked") { started.value == 64 }
            for _ in 0..<1000 { await Task.yield() }
            plug.pull()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        try await held
        #expect(changes.sorted() == Array(1...64))
    }

    @Test("nobody is answered before what they wrote can be read by others")
    func durableBeforeAnswer() async throws {
        let database = try await open()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for id in 0..<100 {
                group.addTask {
                    try await database.write(.system) { tx in try tx.run("INSERT INTO thing (id) VALUES ($1)", [id]) }
                    // Another connection sees committed rows only.
                    #expect(try await ids(database).contains(id))
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("a cancelled body that waits is dropped; its caller is answered at once; the others go on")
    func cancelled() async throws {
        let database = try await open()
        let plug = Plug()
        async let held: Void = database.write(.system) { _ in plug.hold() }
        try await eventually("the writer is held") { plug.hasBegun }
        let ran = Shared(0)
        let started = Shared(0)
        let waiting = (0..<32).map { id in
            Task {
                started.update { $0 += 1 }
                try await database.write(.system) { tx in
                    ran.update { $0 += 1 }
                    try tx.run("INSERT INTO thing (id) VALUES ($1)", [id])
                }
            }
        }
        // Cancelled in the queue, not before they came to it.
        try await eventually("all asked") { started.value == 32 }
        for _ in 0..<1000 { await Task.yield() }
        for task in waiting[..<16] { task.cancel() }
        for task in waiting[..<16] {
            // Answered while the writer is still held.
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        plug.pull()
        try await held
        for task in waiting[16...] { _ = try await task.value }
        #expect(ran.value == 16)
        #expect(try await ids(database) == Set(16..<32))
    }

    @Test("a full queue refuses, and takes work again when it has room")
    func bounded() async throws {
        var limits = SQLiteDatabase.Limits()
        limits.waitingWrites = 4
        let database = try await open(limits)
        let plug = Plug()
        async let held: Void = database.write(.system) { _ in plug.hold() }
        try await eventually("the writer is held") { plug.hasBegun }
        let accepted = Shared(0)
        let refused = Shared(0)
        await withTaskGroup(of: Void.self) { group in
            for id in 0..<20 {
                group.addTask {
                    do {
                        try await database.write(.system) { tx in try tx.run("INSERT INTO thing (id) VALUES ($1)", [id])
                        }
                        accepted.update { $0 += 1 }
                    } catch {
                        #expect(error as? DatabaseFailure == .overloaded)
                        refused.update { $0 += 1 }
                    }
                }
            }
            try? await eventually("the rest is refused") { refused.value == 16 }
            plug.pull()
        }
        try await held
        #expect(accepted.value == 4)
        try await database.write(.system) { tx in try tx.run("INSERT INTO thing (id) VALUES (100)") }
        #expect(try await ids(database).count == 5)
    }

    @Test("bodies that try to end the transaction fail alone, and no answered row is lost")
    func brokenTransaction() async throws {
        let database = try await open()
        let kept = Shared<Set<Int>>([])
        await withTaskGroup(of: Void.self) { group in
            for id in 0..<100 {
                group.addTask {
                    do {
                        try await database.write(.system) { tx in
                            try tx.run("INSERT INTO thing (id) VALUES ($1)", [id])
                            if id % 25 == 7 { try tx.run("ROLLBACK") }
                        }
                        kept.update { $0.insert(id) }
                    } catch {}
                }
            }
        }
        let stored = try await ids(database)
        #expect(stored == kept.value)
        #expect(stored == Set((0..<100).filter { $0 % 25 != 7 }))
        try await database.write(.system) { tx in try tx.run("INSERT INTO thing (id) VALUES (1000)") }
    }

    @Test("concurrent increments of one row lose none")
    func increments() async throws {
        let database = try await open()
        try await database.write(.system) { tx in
            try tx.run("CREATE TABLE counter (n INTEGER NOT NULL) STRICT")
            try tx.run("INSERT INTO counter (n) VALUES (0)")
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    try await database.write(.system) { tx in
                        let n: Int = try tx.row("SELECT n FROM counter")?.value("n") ?? 0
                        try tx.run("UPDATE counter SET n = $1", [n + 1])
                    }
                }
            }
            try await group.waitForAll()
        }
        let total: Int = try await database.read(.system) { tx in try tx.row("SELECT n FROM counter")?.value("n") ?? 0 }
        #expect(total == 200)
    }

    @Test("a body that COMMIT finds wrong fails alone, and the next batch works")
    func failedCommit() async throws {
        let database = try await open()
        try await database.write(.system) { tx in
            try tx.run("CREATE TABLE part (thing INTEGER REFERENCES thing (id) DEFERRABLE INITIALLY DEFERRED) STRICT")
        }
        let plug = Plug()
        async let held: Void = database.write(.system) { _ in plug.hold() }
        try await eventually("the writer is held") { plug.hasBegun }
        let failures = Shared(0)
        let started = Shared(0)
        await withTaskGroup(of: Void.self) { group in
            for id in 0..<10 {
                group.addTask {
                    started.update { $0 += 1 }
                    do {
                        try await database.write(.system) { tx in
                            try tx.run("INSERT INTO thing (id) VALUES ($1)", [id])
                            // Found wrong only at COMMIT.
                            if id == 4 { try tx.run("INSERT INTO part (thing) VALUES (999)") }
                        }
                    } catch {
                        guard case DatabaseFailure.constraint(.foreignKey, _) = error else {
                            Issue.record("\(error)")
                            return
                        }
                        failures.update { $0 += 1 }
                    }
                }
            }
            try? await eventually("all asked") { started.value == 10 }
            for _ in 0..<1000 { await Task.yield() }
            plug.pull()
        }
        try await held
        let stored = try await ids(database)
        #expect(failures.value == 1)
        #expect(stored == Set(0..<10).subtracting([4]))
        try await database.write(.system) { tx in try tx.run("INSERT INTO thing (id) VALUES (1000)") }
    }
}
