import Foundation
import Journal
import TestKit
import Testing

@Suite struct DiskTests {
    private func text(_ bytes: [UInt8]?) -> String { String(decoding: bytes ?? [], as: UTF8.self) }

    @discardableResult
    private func append(_ text: String, _ file: any JournalFile) -> Int {
        Array(text.utf8).withUnsafeBytes { file.append($0) }
    }

    /// A file of which "safe" is durable, its name too.
    private func start(_ disk: SimulatedDisk) throws -> (Mount, any JournalFile) {
        let mount = disk.mount()
        let file = try mount.files.create("/d/file")
        append("safe", file)
        #expect(file.sync() == 0)
        try mount.files.syncFolder("/d")
        return (mount, file)
    }

    @Test("a killed process loses no byte that it wrote, its locks go, and it does nothing any more")
    func killed() throws {
        let disk = SimulatedDisk(random: SeededRandom())
        let (mount, file) = try start(disk)
        #expect(try mount.files.claim("/d"))
        append(" and not synced", file)
        let other = disk.mount()
        #expect(try !other.files.claim("/d"))
        mount.kill()
        #expect(try other.files.claim("/d"))
        #expect(append("ghost", file) == -5 && file.sync() == 5 && file.truncate(to: 0) == 5)
        #expect(throws: FileFailure.self) { try mount.files.remove("/d/file") }
        #expect(throws: FileFailure.self) { try mount.files.names(in: "/d") }
        #expect(text(disk.contents("/d/file")) == "safe and not synced")
        #expect(!mount.isAlive && other.isAlive)
    }

    @Test("a power cut leaves what was synced and any part of the rest")
    func powerCut() throws {
        var seen: Set<String> = []
        for seed in 1...400 as ClosedRange<UInt64> {
            let disk = SimulatedDisk(random: SeededRandom(seed: seed))
            let (mount, file) = try start(disk)
            append("12", file)
            append("34", file)
            disk.crash(.power)
            #expect(!mount.isAlive)
            seen.insert(text(disk.contents("/d/file")))
        }
        #expect(seen.allSatisfy { $0.hasPrefix("safe") })
        // Nothing, a byte, the first, all of it; and the second without the first: a hole.
        for outcome in ["safe", "safe1", "safe12", "safe123", "safe1234", "safe\u{0}\u{0}34"] {
            #expect(seen.contains(outcome), "\(outcome.debugDescription)")
        }
    }

    @Test("a write inside a file is torn at its sectors and nowhere else")
    func tornSectors() throws {
        var torn = 0
        for seed in 1...300 as ClosedRange<UInt64> {
            let disk = SimulatedDisk(random: SeededRandom(seed: seed))
            let mount = disk.mount()
            let file = try mount.files.create("/d/file")
            try mount.files.syncFolder("/d")
            append(String(repeating: "a", count: 4096), file)
            #expect(file.sync() == 0)
            #expect(file.truncate(to: 0) == 0)
            append(String(repeating: "b", count: 4096), file)
            disk.crash(.power)
            let bytes = try #require(disk.contents("/d/file"))
            guard bytes.count == 4096, Set(bytes).count > 1 else { continue }
            torn += 1
            for sector in stride(from: 0, to: 4096, by: 512) {
                #expect(Set(bytes[sector..<sector + 512]).count == 1, "seed \(seed)")
            }
        }
        #expect(torn > 0)
    }

    @Test("a name is durable when its folder was synced; before that it is there or not, and a rename is whole")
    func names() throws {
        var seen: Set<[String]> = []
        for seed in 1...100 as ClosedRange<UInt64> {
            let disk = SimulatedDisk(random: SeededRandom(seed: seed))
            let (mount, _) = try start(disk)
            try mount.files.rename("/d/file", to: "/d/renamed")
            let new = try mount.files.create("/d/new")
            #expect(new.sync() == 0)
            disk.crash(.power)
            seen.insert(disk.paths)
        }
        #expect(
            seen == [["/d/file"], ["/d/renamed"], ["/d/file", "/d/new"], ["/d/new", "/d/renamed"]])
    }

    @Test("a sync covers what was written before it began")
    func syncInTime() throws {
        var seen: Set<String> = []
        for seed in 1...100 as ClosedRange<UInt64> {
            let disk = SimulatedDisk(random: SeededRandom(seed: seed))
            let (_, file) = try start(disk)
            let simulated = try #require(file as? SimulatedFile)
            append("1", file)
            let sync = simulated.beginSync()
            append("2", file)
            #expect(simulated.endSync(sync) == 0)
            disk.crash(.power)
            seen.insert(text(disk.contents("/d/file")))
        }
        #expect(seen == ["safe1", "safe12"])
    }

    @Test("what a failed sync lost, a later one does not save")
    func failedSync() throws {
        var seen: Set<String> = []
        for seed in 1...100 as ClosedRange<UInt64> {
            let disk = SimulatedDisk(random: SeededRandom(seed: seed))
            let (_, file) = try start(disk)
            append("1", file)
            disk.update { $0.failingSyncs = 1 }
            #expect(file.sync() == 5)
            #expect(file.sync() == 0)
            #expect(text(disk.contents("/d/file")) == "safe1")
            disk.crash(.power)
            seen.insert(text(disk.contents("/d/file")))
        }
        #expect(seen == ["safe", "safe1"])
    }

    @Test("a full disk takes what fits, then refuses, and tells how much is free")
    func full() throws {
        let disk = SimulatedDisk(random: SeededRandom())
        let (mount, file) = try start(disk)
        disk.update { $0.capacity = 10 }
        #expect(try mount.files.freeBytes(in: "/d") == 6)
        #expect(append("12345678", file) == 6)
        #expect(append("9", file) == -28)
        try mount.files.truncate("/d/file", to: 4)
        #expect(append("9", file) == 1)
        #expect(text(disk.contents("/d/file")) == "safe9")
    }

    @Test("the hook sees every operation, and a crash strikes before it, in it or after it")
    func crashPoints() throws {
        let cases: [(DiskVerdict, String)] = [
            (.proceed, "safe1234"), (.crashBefore(.process), "safe"), (.crashAfter(.process), "safe1234"),
            (.crashWithin(.process, bytes: 3), "safe123"),
        ]
        for (verdict, expected) in cases {
            let disk = SimulatedDisk(random: SeededRandom())
            let operations = Shared<[DiskOperation.Kind]>([])
            disk.onOperation { operation in
                operations.update { $0.append(operation.kind) }
                return operation.count == 4 && operation.offset == 4 ? verdict : .proceed
            }
            let (mount, file) = try start(disk)
            let count = append("1234", file)
            #expect(count == (verdict == .proceed ? 4 : -5) && mount.isAlive == (verdict == .proceed))
            #expect(text(disk.contents("/d/file")) == expected)
            #expect(operations.value == [.create, .write, .sync, .syncFolder, .write])
            #expect(disk.operations == 5)
        }
    }

    @Test("a copy shares nothing with its original; the same seed loses the same")
    func copies() throws {
        let disk = SimulatedDisk(random: SeededRandom())
        _ = try start(disk)
        let snapshot = disk.snapshot()
        func run(_ seed: UInt64) throws -> (UInt64, String) {
            let copy = SimulatedDisk(copying: snapshot, random: SeededRandom(seed: seed))
            let file = try copy.mount().files.create("/d/other")
            for _ in 0..<20 { append("0123456789", file) }
            copy.crash(.power)
            return (copy.hash, text(copy.contents("/d/file")))
        }
        #expect(try run(1) == run(1))
        #expect(try Set((1...20).map { try run($0).0 }).count > 1)
        #expect(try run(3).1 == "safe")
        #expect(disk.paths == ["/d/file"])
    }

    @Test("a disk can be written out for a person to look at")
    func written() throws {
        let disk = SimulatedDisk(random: SeededRandom())
        _ = try start(disk)
        let folder = try TemporaryFolder()
        try disk.write(to: folder.path)
        #expect(try String(contentsOfFile: folder.path("d/file"), encoding: .utf8) == "safe")
    }
}
