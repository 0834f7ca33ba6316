import Database
import Dispatch
import Kernel
import SQLiteEngine
import TestKit
import Testing

/// One of 32 callers, or the disk, breaks the transaction that all of them share.
@Suite struct BrokenBatchTests {
    private static let innocent = 31

    /// 31 bodies that each add a row, and one at `place` that does what it likes.
    private func bodies(
        guilty place: Int, _ guilty: @escaping @Sendable (any Tx) throws -> Void
    ) -> [@Sendable (any Tx) throws -> Void] {
        var bodies: [@Sendable (any Tx) throws -> Void] = (0..<Self.innocent).map { id in
            { tx in try insert(id, tx) }
        }
        bodies.insert(guilty, at: place)
        return bodies
    }

    // The smaller one is found too large by COMMIT, the larger one by its own statement.
    @Test("a body that fills the disk fails alone", arguments: [1_500_000, 12_000_000], [0, 15, 31])
    func full(size: Int, place: Int) async throws {
        let fixture = DiskFixture()
        let database = try await fixture.open()
        fixture.disk.faults.capacity = fixture.disk.usedBytes + 1_000_000
        let answers = await fixture.together(
            database,
            bodies(guilty: place) { tx in
                try tx.run("INSERT INTO thing (id, bytes) VALUES (1000, zeroblob($1))", [size])
            })
        #expect(answers[place] == .full)
        #expect(answers.count { $0 == nil } == Self.innocent)
        #expect(try await fixture.ids(database) == Set(0..<Self.innocent))
        try await expectSound(database)
        fixture.disk.update { $0.capacity = nil }
        try await database.write(.system) { tx in try insert(1000, tx) }
        #expect(try await fixture.ids(database).count == Self.innocent + 1)
    }

    @Test("a failure that came from a neighbour's undone row is not told")
    func noDirtyFailure() async throws {
        let fixture = DiskFixture()
        let database = try await fixture.open()
        fixture.disk.faults.capacity = fixture.disk.usedBytes + 1_000_000
        let answers = await fixture.together(
            database,
            [
                { tx in try tx.run("INSERT INTO thing (id, bytes) VALUES (1, zeroblob(1500000))") },
                // A duplicate, as long as the row above seems to be there.
                { tx in try insert(1, tx) },
            ])
        #expect(answers == [.full, nil])
        #expect(try await fixture.ids(database) == [1])
    }

    @Test("a body that takes too long is interrupted and undone alone", arguments: [true, false], [0, 15, 31])
    func interrupted(writes: Bool, place: Int) async throws {
        var limits = SQLiteDatabase.Limits()
        limits.statementTime = .seconds(2)
        let fixture = DiskFixture(clock: TickingClock(), limits: limits)
        let database = try await fixture.open()
        let runs = Shared(0)
        let answers = await fixture.together(
            database,
            bodies(guilty: place) { tx in
                runs.update { $0 += 1 }
                try insert(1000, tx)
                let endless = "WITH RECURSIVE n (i) AS (SELECT 2000 UNION ALL SELECT i + 1 FROM n) "
                if writes {
                    try tx.run(endless + "INSERT INTO thing (id) SELECT i FROM n")
                } else {
                    _ = try tx.rows(endless + "SELECT MAX(i) AS last FROM n")
                }
            })
        #expect(answers[place] == .unavailable("took longer than 2.0 seconds"))
        #expect(answers.count { $0 == nil } == Self.innocent)
        #expect(runs.value == 1, "what took too long once is not tried again")
        #expect(try await fixture.ids(database) == Set(0..<Self.innocent))
        try await expectSound(database)
    }

    @Test("a read that takes too long is interrupted")
    func interruptedRead() async throws {
        var limits = SQLiteDatabase.Limits()
        limits.statementTime = .seconds(2)
        let fixture = DiskFixture(clock: TickingClock(), limits: limits)
        let database = try await fixture.open()
        await #expect(throws: DatabaseFailure.unavailable("took longer than 2.0 seconds")) {
            try await database.read(.system) { tx in
                try tx.rows(
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) AS last FROM n"
                ).count
            }
        }
        #expect(try await fixture.ids(database).isEmpty)
    }

    @Test("a look at everything may take longer than a read may")
    func survey() async throws {
        var limits = SQLiteDatabase.Limits()
        limits.statementTime = .seconds(2)
        let fixture = DiskFixture(clock: TickingClock(), limits: limits)
        let database = try await fixture.open()
        let long =
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT COUNT(*) AS n FROM n"
        await #expect(throws: DatabaseFailure.self) {
            try await database.read(.system) { tx in for _ in 0..<10 { _ = try tx.rows(long) } }
        }
        let count: Int = try await database.survey(.system) { tx in
            for _ in 0..<10 { _ = try tx.rows(long) }
            return try tx.row(long)?.value("n") ?? 0
        }
        #expect(count == 20000)
    }

    @Test(
        "when COMMIT's sync fails, nobody knows whether it took place; then it has not, also after a crash",
        arguments: DiskCrash.allCases, [1, 2, 3] as [UInt64])
    func failedSync(crash: DiskCrash, seed: UInt64) async throws {
        let fixture = DiskFixture(SimulatedDisk(random: SeededRandom(seed: seed)))
        var database = try await fixture.open()
        fixture.disk.update { $0.failingSyncs = 1 }
        let answers = await fixture.together(database, bodies(guilty: 31) { tx in try insert(1000, tx) })
        for answer in answers {
            guard case .commitUnknown? = answer else {
                Issue.record("seed \(seed): \(String(describing: answer))")
                continue
            }
        }
        #expect(try await fixture.ids(database).isEmpty)
        fixture.disk.crash(crash)
        database = try await fixture.open()
        #expect(try await fixture.ids(database).isEmpty, "seed \(seed)")
        try await expectSound(database, "seed \(seed)")
    }

    @Test("as long as a failed COMMIT stays in doubt nobody reads; the disk mended, everybody does")
    func doubt() async throws {
        let fixture = DiskFixture()
        let database = try await fixture.open()
        fixture.disk.update { $0.failingSyncs = 1000 }
        let answers = await fixture.together(database, bodies(guilty: 31) { tx in try insert(1000, tx) })
        #expect(answers.allSatisfy { if case .commitUnknown? = $0 { true } else { false } })
        do {
            let ids = try await fixture.ids(database)
            Issue.record("read \(ids)")
        } catch {
            guard case DatabaseFailure.unavailable = error else {
                Issue.record("\(error)")
                return
            }
        }
        fixture.disk.update { $0.failingSyncs = 0 }
        #expect(try await fixture.ids(database).isEmpty)
        try await database.write(.system) { tx in try insert(7, tx) }
        fixture.disk.crash(.power)
        let again = try await fixture.open()
        #expect(try await fixture.ids(again) == [7])
    }

    @Test("a writer that another process holds up is waited for, but not for ever")
    func busy() async throws {
        var limits = SQLiteDatabase.Limits()
        limits.lockWait = .milliseconds(30)
        let fixture = DiskFixture(limits: limits)
        let database = try await fixture.open()
        let other = DiskFixture(fixture.disk)
        let stranger = try await other.open()
        let gate = DispatchSemaphore(value: 0)
        async let held: Void = stranger.write(.system) { tx in
            try insert(500, tx)
            gate.wait()
        }
        try await eventually("the other process holds the lock") { fixture.disk.isWriteLocked("/data/volery.db") }
        let answers = await fixture.together(database, bodies(guilty: 31) { tx in try insert(1000, tx) })
        for answer in answers {
            guard case .unavailable? = answer else {
                Issue.record("\(String(describing: answer))")
                continue
            }
        }
        gate.signal()
        try await held
        #expect(try await fixture.ids(database) == [500])
        try await database.write(.system) { tx in try insert(1, tx) }
        #expect(try await other.ids(stranger) == [1, 500])
    }

    @Test(
        "a body that ends the transaction is refused before it harms anybody",
        arguments: ["COMMIT", "rollback", " END", "ROLLBACK TO body", "RELEASE body", "SAVEPOINT mine", "/* */ COMMIT"])
    func ending(sql: String) async throws {
        let fixture = DiskFixture()
        let database = try await fixture.open()
        let answers = await fixture.together(
            database,
            bodies(guilty: 15) { tx in
                try insert(1000, tx)
                try tx.run(sql)
            })
        #expect(answers[15] == .statement("a body does not end its transaction"))
        #expect(answers.count { $0 == nil } == Self.innocent)
        #expect(try await fixture.ids(database) == Set(0..<Self.innocent))
    }

    @Test("a disk that fails in the middle of a body answers everybody, and the next batch works")
    func failedWrite() async throws {
        let fixture = DiskFixture()
        let database = try await fixture.open()
        fixture.disk.update { $0.failingWrites = 1 }
        let answers = await fixture.together(
            database, bodies(guilty: 15) { tx in try tx.run("INSERT INTO thing VALUES (1000, zeroblob(9000000))") })
        let kept = Set((0..<32).filter { answers[$0] == nil })
        #expect(kept.count >= Self.innocent)
        let stored = try await fixture.ids(database)
        #expect(stored.subtracting([1000]) == Set(0..<Self.innocent))
        #expect(stored.contains(1000) == kept.contains(15))
        try await expectSound(database)
    }

    // The larger one takes the whole transaction with it.
    @Test("a body that goes on after a failed statement is undone and told of it", arguments: [10, 12_000_000])
    func goesOn(size: Int) async throws {
        let fixture = DiskFixture()
        let database = try await fixture.open()
        try await database.write(.system) { tx in try insert(1000, tx) }
        fixture.disk.faults.capacity = fixture.disk.usedBytes + 1_000_000
        let answers = await fixture.together(
            database,
            bodies(guilty: 15) { tx in
                try insert(1001, tx)
                _ = try? tx.run("INSERT INTO thing (id, bytes) VALUES (1000, zeroblob($1))", [size])
                try? insert(1002, tx)
            })
        #expect(answers[15] != nil)
        #expect(answers.count { $0 == nil } == Self.innocent)
        #expect(try await fixture.ids(database) == Set(0..<Self.innocent).union([1000]))
    }

    @Test("a migration may take longer than a body may")
    func migration() async throws {
        var limits = SQLiteDatabase.Limits()
        limits.statementTime = .seconds(2)
        let fixture = DiskFixture(clock: TickingClock(), limits: limits)
        let database = try await fixture.open()
        let long =
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT COUNT(*) AS n FROM n"
        let count: Int = try await database.write(.schema) { tx in
            for _ in 0..<10 { _ = try tx.rows(long) }
            return try tx.row(long)?.value("n") ?? 0
        }
        #expect(count == 20000)
        await #expect(throws: DatabaseFailure.self) {
            try await database.write(.system) { tx in for _ in 0..<10 { _ = try tx.rows(long) } }
        }
    }
}
