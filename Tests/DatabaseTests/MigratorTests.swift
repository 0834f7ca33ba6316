import Database
import Kernel
import Logging
import SQLiteEngine
import TestKit
import Testing

@Suite struct MigratorTests {
    private let folder: TemporaryFolder
    private let database: SQLiteDatabase
    private let version = BinaryVersion(1, 0, 0)

    private let first = Migration(
        number: 1, name: "first", oldestBinary: BinaryVersion(0, 1, 0),
        statements: ["CREATE TABLE thing (id {int64} PRIMARY KEY, name TEXT NOT NULL) {strict}"])
    private let second = Migration(
        number: 2, name: "second", oldestBinary: BinaryVersion(2, 0, 0),
        statements: ["ALTER TABLE thing ADD COLUMN size {int64}", "INSERT INTO thing (id, name) VALUES (1, 'x')"])

    init() throws {
        folder = try TemporaryFolder()
        database = try SQLiteDatabase.open(
            path: folder.path("a.db"), clock: ManualClock(), logger: Logger(label: "test"))
    }

    private func migrate(_ migrations: [Migration], as binary: BinaryVersion? = nil) async throws -> [Int] {
        try await Migrator(migrations, binary: binary ?? version).migrate(database)
    }

    private func code(_ work: () async throws -> Void) async -> ErrorCode? {
        do {
            try await work()
            return nil
        } catch {
            return (error as? Problem)?.code
        }
    }

    @Test("each migration is applied once, in order")
    func once() async throws {
        #expect(try await migrate([first]) == [1])
        #expect(try await migrate([first, second]) == [2])
        #expect(try await migrate([first, second]) == [])
        let names = try await database.read(.system) { tx in
            try tx.rows("SELECT name FROM migration ORDER BY number").map { try $0.value("name", as: String.self) }
        }
        #expect(names == ["first", "second"])
    }

    @Test("several that start together apply each once")
    func together() async throws {
        let migrations = [first, second]
        let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
            for _ in 0..<8 { group.addTask { try await Migrator(migrations, binary: version).migrate(database) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(applied.sorted() == [1, 2])
    }

    @Test("a failing migration leaves nothing of itself behind")
    func failing() async throws {
        let broken = Migration(
            number: 2, name: "broken", oldestBinary: version,
            statements: ["ALTER TABLE thing ADD COLUMN size {int64}", "NO SQL"])
        #expect(await code { _ = try await migrate([first, broken]) } == .internalError)
        #expect(try await migrate([first, second]) == [2])
    }

    @Test("a changed migration is refused, and nothing is touched")
    func changed() async throws {
        _ = try await migrate([first])
        let other = Migration(
            number: 1, name: "first", oldestBinary: first.oldestBinary, statements: ["CREATE TABLE other (id TEXT)"])
        #expect(await code { _ = try await migrate([other, second]) } == .schemaRefused)
        let count: Int = try await database.read(.system) { tx in
            try tx.row("SELECT COUNT(*) AS n FROM migration")?.value("n") ?? 0
        }
        #expect(count == 1)
    }

    @Test("a newer migration is refused, unless it says that it serves this binary")
    func newer() async throws {
        _ = try await migrate([first, second], as: BinaryVersion(2, 0, 0))
        #expect(await code { _ = try await migrate([first], as: BinaryVersion(1, 9, 9)) } == .schemaRefused)
        #expect(try await migrate([first], as: BinaryVersion(2, 0, 0)) == [])
    }

    @Test("a gap is refused")
    func gap() async throws {
        _ = try await migrate([first, second])
        try await database.write(.system) { tx in try tx.run("DELETE FROM migration WHERE number = 1") }
        #expect(await code { _ = try await migrate([first, second]) } == .schemaRefused)
    }

    @Test("a checksum depends on the name, on every statement and on where one ends")
    func checksum() {
        func sum(_ name: String, _ statements: [String]) -> String {
            Migration(number: 1, name: name, oldestBinary: version, statements: statements).checksum
        }
        let sums = [sum("a", ["bc", "d"]), sum("a", ["b", "cd"]), sum("ab", ["c", "d"]), sum("a", ["bcd"])]
        #expect(Set(sums).count == sums.count)
        #expect(sums.allSatisfy { $0.count == 16 })
    }

    @Test("versions sort by number, and read what `--version` prints")
    func versions() {
        #expect(BinaryVersion("1.10.0") ?? version > BinaryVersion(1, 9, 9))
        #expect(BinaryVersion("0.1.0-dev+abc") == BinaryVersion(0, 1, 0))
        for text in ["", "1", "1.2", "1.2.3.4", "1.2.x", "-1.2.3", "1..3"] { #expect(BinaryVersion(text) == nil) }
    }
}
