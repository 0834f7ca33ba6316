import Inference
import Kernel
import Logging
import TestKit
import Testing

@testable import Journal

/// Records that a killed process wrote and never synced: the next one reads them from the system's memory, settles by
/// them and serves. Found by the simulation: a power cut then took them, and with them what had been decided.
@Suite struct KilledBeforeSyncTests {
    private let samples = Samples()

    private func open(_ disk: SimulatedDisk) throws -> SegmentedJournal {
        try SegmentedJournal.open(
            folder: "/data/journal", clock: samples.clock, logger: Logger(label: "test"), files: disk.mount().files,
            writer: .stepped)
    }

    /// Lets a process write records that nothing syncs, and kills it.
    private func killed(on disk: SimulatedDisk, records: Int) throws {
        let journal = try open(disk)
        let workspace: WorkspaceID = samples.ids.next()
        let key: KeyID = samples.ids.next()
        for _ in 0..<records { journal.close(samples.record(in: workspace, key: key)) }
        disk.crash(.process)
    }

    @Test("are on the disk once the next process has the journal open", arguments: 1...20 as ClosedRange<UInt64>)
    func recoveredIsDurable(seed: UInt64) throws {
        let disk = SimulatedDisk(random: SeededRandom(seed: seed))
        try killed(on: disk, records: 5)
        #expect(try open(disk).lag == 5)
        disk.crash(.power)
        #expect(try open(disk).lag == 5, "seed \(seed)")
    }

    @Test("are copied when their own file cannot be synced", arguments: 1...20 as ClosedRange<UInt64>)
    func copiedWhenUnsynced(seed: UInt64) throws {
        let disk = SimulatedDisk(random: SeededRandom(seed: seed))
        try killed(on: disk, records: 5)
        disk.update { $0.failingSyncs = 1 }
        #expect(try open(disk).lag == 5)
        disk.crash(.power)
        #expect(try open(disk).lag == 5, "seed \(seed)")
    }

    @Test("stop the start when no copy can be synced either: nothing is promised by them")
    func noDisk() throws {
        let disk = SimulatedDisk(random: SeededRandom(seed: 3))
        try killed(on: disk, records: 5)
        disk.update { $0.failingSyncs = 2 }
        let problem = #expect(throws: Problem.self) { try open(disk) }
        #expect(problem?.code == .journalUnavailable)
    }
}
