import Database
import Foundation
import Kernel
import Logging
import SQLiteEngine
import TestKit
import Testing

@Suite struct SQLiteDatabaseTests {
    private let folder: TemporaryFolder
    private let clock = ManualClock()

    init() throws { folder = try TemporaryFolder() }

    private func open(_ limits: SQLiteDatabase.Limits = SQLiteDatabase.Limits()) async throws -> SQLiteDatabase {
        let database = try SQLiteDatabase.open(
            path: folder.path("volery.db"), clock: clock, logger: Logger(label: "test"), limits: limits)
        try await database.write(.system) { tx in
            try tx.run("CREATE TABLE IF NOT EXISTS thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT")
            try tx.run(
                "CREATE TABLE IF NOT EXISTS part (id INTEGER PRIMARY KEY, thing INTEGER REFERENCES thing (id)) STRICT")
        }
        return database
    }

    private func count(_ database: SQLiteDatabase) async throws -> Int {
        try await database.read(.system) { tx in try tx.row("SELECT COUNT(*) AS n FROM thing")?.value("n") ?? -1 }
    }

    private func add(_ id: Int, _ tx: any Tx) throws {
        try tx.run("INSERT INTO thing (id, name) VALUES ($1, $2)", [id, "name \(id)"])
    }

    /// An empty database with pages of 4 KiB, as SQLite makes it.
    /// Source: https://www.sqlite.org/fileformat2.html#the_database_header
    private func makeOldFile() throws {
        var page = [UInt8]("SQLite format 3\0".utf8) + [0x10, 0, 1, 1, 0, 64, 32, 32]
        for number in [1, 1, 0, 0, 0, 4, 0, 0, 1, 0, 0, 0] as [UInt8] { page += [0, 0, 0, number] }
        page += Array(repeating: 0, count: 92 - page.count) + [0, 0, 0, 1, 0, 0x2E, 0x63, 0]
        // A leaf without cells, whose content begins at the page's end.
        page += [0x0D, 0, 0, 0, 0, 0x10, 0, 0]
        page += Array(repeating: 0, count: 4096 - page.count)
        try Data(page).write(to: URL(fileURLWithPath: folder.path("volery.db")))
    }

    @Test(
        "a new database has pages of 8 KiB, one that is there keeps its own, and the log is as long for both",
        arguments: [(false, 8192), (true, 4096)])
    func pages(isOld: Bool, size: Int) async throws {
        if isOld { try makeOldFile() }
        let database = try await open()
        let found = try await database.write(.system) { tx in
            try add(1, tx)
            let pageSize = try tx.row("PRAGMA page_size")?.value("page_size", as: Int.self)
            return (pageSize, try tx.row("PRAGMA wal_autocheckpoint")?.value("wal_autocheckpoint", as: Int.self))
        }
        #expect(found.0 == size && found.1 == (16 << 20) / size)
        #expect(try await count(database) == 1)
        try await database.close()
    }

    @Test("values come back as they went in, and what is quoted is no placeholder")
    func values() async throws {
        let database = try await open()
        let row = try await database.read(.system) { tx in
            try tx.row(
                "SELECT $1 AS empty, '$9' AS quoted, $2 AS text, $3 AS least, $4 AS half, $5 AS absent, $12 AS far",
                ["", "a\0b ü\u{1F600}", Int64.min, 0.5, String?.none, 6, 7, 8, 9, 10, 11, "twelve"])
        }
        let found = try #require(row)
        #expect(try found.value("empty") == "" && found.value("quoted") == "$9" && found.value("far") == "twelve")
        #expect(try found.value("text") == "a\0b ü\u{1F600}" && found.value("least") == Int64.min)
        #expect(try found.value("half") == 0.5 && found.value("absent", as: String?.self) == nil)
    }

    @Test("placeholders are bound by their number, in whatever order and however often they come")
    func placeholders() async throws {
        let database = try await open()
        let row = try await database.read(.system) { tx in
            try tx.row("SELECT $2 AS b, $1 AS a, $3 AS c, $1 AS again", [1, "two", Int?.none])
        }
        let found = try #require(row)
        #expect(try found.value("a") == 1 && found.value("again") == 1 && found.value("b") == "two")
        #expect(try found.value("c", as: Int?.self) == nil)
        await #expect(throws: DatabaseFailure.self) {
            try await database.read(.system) { tx in try tx.rows("SELECT $1, $2", [1]).count }
        }
    }

    @Test("a statement says how many rows it changed")
    func changedRows() async throws {
        let database = try await open()
        let counts = try await database.write(.system) { tx in
            [
                try tx.run("INSERT INTO thing (id, name) VALUES (1, 'a'), (2, 'b')"),
                try tx.run("INSERT INTO thing (id, name) VALUES (1, 'a') ON CONFLICT DO NOTHING"),
                try tx.run("UPDATE thing SET name = name || '!' WHERE id = 2"),
                try tx.run("DELETE FROM thing WHERE id = 99"), try tx.run("CREATE TABLE more (id INTEGER)"),
                try tx.run("DELETE FROM thing"),
            ]
        }
        #expect(counts == [2, 0, 1, 0, 0, 2])
    }

    @Test("the file is in WAL mode, syncs in full, checks foreign keys, and is its owner's alone")
    func settings() async throws {
        let database = try await open()
        let (synchronous, journal, keys): (Int, String, Int) = try await database.write(.system) { tx in
            (
                try tx.row("PRAGMA synchronous")?.value("synchronous") ?? -1,
                try tx.row("PRAGMA journal_mode")?.value("journal_mode") ?? "",
                try tx.row("PRAGMA foreign_keys")?.value("foreign_keys") ?? -1
            )
        }
        #expect(synchronous == 2 && journal == "wal" && keys == 1)
        for name in ["volery.db", "volery.db-wal"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.path(name))
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
        }
    }

    @Test("what breaks a rule of the schema is an outcome of its own")
    func constraints() async throws {
        let database = try await open()
        try await database.write(.system) { tx in try add(1, tx) }
        let cases: [(String, DatabaseFailure.Constraint)] = [
            ("INSERT INTO thing (id, name) VALUES (1, 'other')", .unique),
            ("INSERT INTO thing (id, name) VALUES (2, 'name 1')", .unique),
            ("INSERT INTO thing (id, name) VALUES (3, NULL)", .notNull),
            ("INSERT INTO part (id, thing) VALUES (1, 99)", .foreignKey),
        ]
        for (sql, expected) in cases {
            do {
                try await database.write(.system) { tx in try tx.run(sql) }
                Issue.record("accepted: \(sql)")
            } catch DatabaseFailure.constraint(let constraint, _) {
                #expect(constraint == expected, "\(sql)")
            }
        }
        // A STRICT table refuses text in a number's column.
        await #expect(throws: DatabaseFailure.self) {
            try await database.write(.system) { tx in
                try tx.run("INSERT INTO thing (id, name) VALUES ($1, 'x')", ["text"])
            }
        }
    }

    @Test("a reading body cannot write")
    func readOnly() async throws {
        let database = try await open()
        await #expect(throws: DatabaseFailure.self) { try await database.read(.system) { tx in try add(1, tx) } }
        #expect(try await count(database) == 0)
    }

    @Test("the transaction's time is the clock's")
    func time() async throws {
        let database = try await open()
        clock.advance(by: .seconds(3))
        #expect(try await database.read(.system) { $0.now } == clock.now)
        #expect(try await database.write(.system) { $0.now } == clock.now)
    }

    @Test("a full file is said to be full, undoes nothing of others, and takes rows again when there is room")
    func full() async throws {
        let database = try await open()
        try await database.write(.system) { tx in try add(1, tx) }
        _ = try await database.write(.system) { tx in try tx.rows("PRAGMA max_page_count = 8").count }
        await #expect(throws: DatabaseFailure.full) {
            try await database.write(.system) { tx in
                let name = String(repeating: "x", count: 100_000)
                try tx.run("INSERT INTO thing (id, name) VALUES (2, $1)", [name])
            }
        }
        #expect(try await count(database) == 1)
        _ = try await database.write(.system) { tx in try tx.rows("PRAGMA max_page_count = 100000").count }
        try await database.write(.system) { tx in try add(2, tx) }
        #expect(try await count(database) == 2)
    }

    @Test("a file that is no database, and a folder that is not there, are clear problems")
    func notADatabase() throws {
        let path = folder.path("junk.db")
        try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: path))
        for path in [path, folder.path("missing/volery.db")] {
            do {
                _ = try SQLiteDatabase.open(path: path, clock: clock, logger: Logger(label: "test"))
                Issue.record("opened \(path)")
            } catch {
                #expect((error as? Problem)?.code == .storageUnavailable)
            }
        }
    }

    @Test("closing answers everybody, refuses what comes later, and can be repeated")
    func close() async throws {
        let database = try await open()
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for id in 0..<200 {
                group.addTask {
                    do {
                        try await database.write(.system) { tx in try add(id, tx) }
                        return true
                    } catch {
                        #expect(error as? DatabaseFailure == .closed)
                        return false
                    }
                }
            }
            group.addTask {
                try? await database.close()
                return false
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.count == 201)
        await #expect(throws: DatabaseFailure.closed) { try await database.write(.system) { _ in } }
        await #expect(throws: DatabaseFailure.closed) { try await database.read(.system) { _ in } }
        try await database.close()
        let again = try await open()
        #expect(try await count(again) == outcomes.count { $0 })
        try await again.close()
    }

    @Test("a read is ended when its caller goes away, and the reader serves the next one")
    func cancelledRead() async throws {
        var limits = SQLiteDatabase.Limits()
        limits.readers = 1
        let database = try await open(limits)
        let began = Shared(false)
        let endless = Task {
            try await database.read(.system) { tx in
                began.update { $0 = true }
                return try tx.rows(
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) AS last FROM n"
                ).count
            }
        }
        try await eventually("the read runs") { began.value }
        let waiting = Task { try await count(database) }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        endless.cancel()
        await #expect(throws: CancellationError.self) { try await endless.value }
        #expect(try await count(database) == 0)
    }

    @Test("on a disk in memory, with somebody else's threads, it opens, works, closes and opens again")
    func virtual() async throws {
        let fixture = DiskFixture()
        let database = try await fixture.open()
        let answers = await fixture.together(database, (0..<8).map { id in { tx in try insert(id, tx) } })
        #expect(answers == Array(repeating: nil, count: 8))
        try await database.close()
        #expect(fixture.disk.paths == ["/data/volery.db"], "the last one to close leaves no side files")
        await #expect(throws: DatabaseFailure.closed) { try await fixture.ids(database) }
        let again = try await fixture.open()
        #expect(try await fixture.ids(again) == Set(0..<8))
        try await again.close()
        try await again.close()
    }
}
