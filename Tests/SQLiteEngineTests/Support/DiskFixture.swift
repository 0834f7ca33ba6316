import Database
import Kernel
import Logging
import SQLiteEngine
import TestKit
import Testing

/// An engine on a simulated disk, whose bodies wait together until they are let go.
final class DiskFixture: Sendable {
    let disk: SimulatedDisk
    let threads = HeldThreads()
    let limits: SQLiteDatabase.Limits
    let clock: any Clock

    init(
        _ disk: SimulatedDisk = SimulatedDisk(random: SeededRandom()), clock: any Clock = ManualClock(),
        limits: SQLiteDatabase.Limits = SQLiteDatabase.Limits()
    ) {
        SimulatedVFS.install()
        self.disk = disk
        self.clock = clock
        self.limits = limits
    }

    /// As a process of its own.
    func open() async throws -> SQLiteDatabase {
        let database = try SQLiteDatabase.open(
            path: disk.mount().sqlitePath("/data/volery.db"), clock: clock, logger: quiet, limits: limits,
            threads: threads, files: .virtual)
        try await database.write(.schema) { tx in
            try tx.run("CREATE TABLE IF NOT EXISTS thing (id INTEGER PRIMARY KEY, bytes BLOB) STRICT")
        }
        return database
    }

    /// Has all of them in one batch, in this order.
    func together(
        _ database: SQLiteDatabase, _ bodies: [@Sendable (any Tx) throws -> Void]
    ) async -> [DatabaseFailure?] {
        threads.hold()
        return await withTaskGroup(of: (Int, DatabaseFailure?).self) { group in
            let order = OneByOne()
            for (index, body) in bodies.enumerated() {
                group.addTask(executorPreference: order) {
                    do {
                        try await database.write(.system, body)
                        return (index, nil)
                    } catch {
                        return (index, error as? DatabaseFailure ?? .statement("not the engine's: \(error)"))
                    }
                }
            }
            group.addTask(executorPreference: order) { [threads] in
                threads.release()
                return (-1, nil)
            }
            var answers = [DatabaseFailure?](repeating: nil, count: bodies.count)
            for await (index, failure) in group where index >= 0 { answers[index] = failure }
            return answers
        }
    }

    func ids(_ database: SQLiteDatabase) async throws -> Set<Int> {
        Set(try await database.read(.system) { tx in try tx.rows("SELECT id FROM thing").map { try $0.value("id") } })
    }
}

/// Failures are provoked here; they would only fill the log.
let quiet: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}()

func insert(_ id: Int, _ tx: any Tx) throws { try tx.run("INSERT INTO thing (id) VALUES ($1)", [id]) }

func expectSound(_ database: SQLiteDatabase, _ note: String = "") async throws {
    let words: [String] = try await database.read(.system) { tx in
        try tx.rows("PRAGMA integrity_check").map { try $0.value("integrity_check") }
    }
    #expect(words == ["ok"], "\(note)")
}
