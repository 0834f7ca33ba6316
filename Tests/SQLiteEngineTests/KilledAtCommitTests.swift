import Database
import Kernel
import SQLiteEngine
import Synchronization
import TestKit
import Testing

/// A process is killed between the write of a transaction and its sync: the next one can read it, and it is not on the
/// disk. Found by the simulation: a row was taken for stored, its journal record went, and a power cut took the row.
@Suite(.serialized) struct KilledAtCommitTests {
    @Test(
        "what a killed process left readable is durable once the next one has it open",
        arguments: 1...12 as ClosedRange<UInt64>)
    func readableIsDurable(seed: UInt64) async throws {
        let disk = SimulatedDisk(random: SeededRandom(seed: seed))
        let fixture = DiskFixture(disk)
        _ = try await fixture.open()
        let dying = try SQLiteDatabase.open(
            path: disk.mount().sqlitePath("/data/volery.db"), clock: fixture.clock, logger: quiet,
            threads: InlineThreads(), files: .virtual)
        // The sync of the insertion's COMMIT never comes: the process is killed before it.
        disk.onOperation { operation in
            operation.kind == .sync && operation.path.hasSuffix("-wal") ? .crashBefore(.process) : .proceed
        }
        let failure = await #expect(throws: (any Error).self) { try await dying.write(.system) { try insert(1, $0) } }
        #expect(failure != nil)
        disk.onOperation(nil)

        let second = try await fixture.open()
        let seen = try await fixture.ids(second)
        // What finds its row there changes nothing, so that its own COMMIT has nothing to sync.
        try await second.write(.system) { tx in
            try tx.run("INSERT INTO thing (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", [1])
        }
        disk.crash(.power)

        let third = try await fixture.open()
        #expect(try await fixture.ids(third) == [1], "seed \(seed), readable before: \(seen)")
        try await expectSound(third)
    }
}
