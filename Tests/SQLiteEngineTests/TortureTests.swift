import Database
import Kernel
import Logging
import SQLiteEngine
import TestKit
import Testing

/// Transactions on a disk that crashes under them at any operation, again and again.
@Suite(.serialized) struct TortureTests {
    /// What a file must say after a crash.
    private struct Broken: Error, CustomStringConvertible { let description: String }

    private static let counters = 24

    /// A database with its tables, made once.
    private static func prepared() async throws -> DiskSnapshot {
        let disk = SimulatedDisk(random: SeededRandom())
        let database = try open(disk.mount())
        try await database.write(.schema) { tx in
            try tx.run("CREATE TABLE counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL, fill BLOB) STRICT")
            try tx.run("CREATE TABLE summary (last INTEGER NOT NULL, total INTEGER NOT NULL) STRICT")
            try tx.run("INSERT INTO summary VALUES (0, 0)")
            for id in 0..<counters { try tx.run("INSERT INTO counter (id, value) VALUES ($1, 0)", [id]) }
        }
        try await database.close()
        return disk.snapshot()
    }

    private static func open(_ mount: Mount) throws -> SQLiteDatabase {
        SimulatedVFS.install()
        return try SQLiteDatabase.open(
            path: mount.sqlitePath("/data/volery.db"), clock: ManualClock(), logger: quiet,
            threads: InlineThreads(), files: .virtual)
    }

    /// One transaction: some counters go up, and the summary with them.
    private static func transact(_ database: SQLiteDatabase, number: Int, _ random: SeededRandom) async throws {
        let changes = (0..<1 + random.next(below: 6)).map { _ in
            (id: Int(random.next(below: UInt64(counters))), by: Int(random.next(below: 100)))
        }
        let fill = random.next(below: 4) == 0 ? Int(random.next(below: 20_000)) : 10
        try await database.write(.system) { tx in
            for change in changes {
                try tx.run(
                    "UPDATE counter SET value = value + $1, fill = zeroblob($3) WHERE id = $2",
                    [change.by, change.id, fill])
            }
            try tx.run("UPDATE summary SET last = $1, total = total + $2", [number, changes.reduce(0) { $0 + $1.by }])
        }
    }

    /// - Returns: the last transaction that the file holds.
    private static func examine(_ database: SQLiteDatabase, acknowledged: Int, begun: Int) async throws -> Int {
        let (last, total, sum, words): (Int, Int, Int, [String]) = try await database.read(.system) { tx in
            guard let row = try tx.row("SELECT last, total, (SELECT SUM(value) FROM counter) AS sum FROM summary")
            else { throw Broken(description: "the summary is gone") }
            return (
                try row.value("last"), try row.value("total"), try row.value("sum"),
                try tx.rows("PRAGMA integrity_check").map { try $0.value("integrity_check") }
            )
        }
        guard words == ["ok"] else { throw Broken(description: "\(words)") }
        guard total == sum else { throw Broken(description: "a part of a transaction: \(sum) instead of \(total)") }
        guard (acknowledged...begun).contains(last) else {
            throw Broken(description: "\(last) is the last one; \(acknowledged) was acknowledged, \(begun) begun")
        }
        return last
    }

    /// Some crashes on one disk.
    /// - Returns: how many of them struck in the middle of the work.
    private static func run(seed: UInt64, from start: DiskSnapshot, syncLies: Bool = false) async throws -> Int {
        let random = SeededRandom(seed: seed)
        let disk = SimulatedDisk(copying: start, random: SeededRandom(seed: seed ^ 0xD15C))
        disk.update { $0.syncLies = syncLies }
        SimulatedVFS.reseed(SeededRandom(seed: seed), clock: ManualClock())
        defer { SimulatedVFS.endSimulation() }
        var (acknowledged, begun, struck) = (0, 0, 0)
        for _ in 0..<3 {
            let kind: DiskCrash = random.next(below: 2) == 0 ? .process : .power
            let point = disk.operations + 1 + Int(random.next(below: 120))
            let (style, bytes) = (random.next(below: 3), Int(random.next(below: 4200)))
            disk.onOperation { [weak disk] _ in
                guard let disk, disk.operations == point else { return .proceed }
                return switch style {
                case 0: .crashBefore(kind)
                case 1: .crashAfter(kind)
                default: .crashWithin(kind, bytes: bytes)
                }
            }
            do {
                let database = try open(disk.mount())
                _ = try await database.write(.system) { tx in try tx.rows("PRAGMA wal_autocheckpoint = 6").count }
                for _ in 0..<60 {
                    begun += 1
                    try await transact(database, number: begun, random)
                    acknowledged = begun
                }
                try await database.close()
            } catch is DatabaseFailure {
                struck += 1
            } catch is Problem {
                struck += 1
            }
            disk.onOperation(nil)
            disk.crash(kind)
            let database = try open(disk.mount())
            begun = try await examine(database, acknowledged: acknowledged, begun: begun)
            acknowledged = begun
            if random.next(below: 2) == 0 { try await database.close() }
        }
        return struck
    }

    @Test("whatever operation a process or the power dies at, what was acknowledged is there, whole, and nothing else")
    func survives() async throws {
        let start = try await Self.prepared()
        var struck = 0
        for seed in 1...300 as ClosedRange<UInt64> {
            do {
                struck += try await Self.run(seed: seed, from: start)
            } catch {
                Issue.record("seed \(seed): \(error)")
            }
        }
        #expect(struck > 600, "most crashes strike in the middle")
    }

    @Test("a disk whose sync lies is found out within 20 seeds", arguments: [1, 1001, 2001] as [UInt64])
    func findsLies(first: UInt64) async throws {
        let start = try await Self.prepared()
        var found: UInt64?
        for seed in first..<first + 20 where found == nil {
            do {
                _ = try await Self.run(seed: seed, from: start, syncLies: true)
            } catch {
                found = seed
            }
        }
        #expect(found != nil, "from seed \(first)")
    }

    @Test("the same seed leaves the same bytes")
    func repeats() async throws {
        let start = try await Self.prepared()
        func hash(_ seed: UInt64) async throws -> UInt64 {
            let disk = SimulatedDisk(copying: start, random: SeededRandom(seed: seed))
            let random = SeededRandom(seed: seed)
            SimulatedVFS.reseed(SeededRandom(seed: seed), clock: ManualClock())
            defer { SimulatedVFS.endSimulation() }
            disk.onOperation { [weak disk] _ in disk?.operations == 70 ? .crashBefore(.power) : .proceed }
            let database = try Self.open(disk.mount())
            await #expect(throws: DatabaseFailure.self) {
                for number in 1...20 { try await Self.transact(database, number: number, random) }
            }
            return disk.hash
        }
        // Another test's SQLite may draw from the same random numbers meanwhile; not for ever.
        try await eventually("two runs are equal") { try await hash(5) == hash(5) }
        #expect(try await hash(5) != hash(6))
    }
}
