import Foundation
import Inference
import Kernel
import Synchronization
import TestKit
import Testing

@testable import Journal

/// What is promised about the disk, and what happens when the disk breaks its own promises.
@Suite struct JournalSyncTests {
    private final class Calls: Sendable {
        private let state = Mutex<[Int]>([])
        var all: [Int] { state.withLock { $0 } }
        func note(_ number: Int) { state.withLock { $0.append(number) } }
    }

    @Test("a callback comes after a sync that began after its record was written, never before")
    func neverEarly() throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        let calls = Calls()
        journal.whenSynced { calls.note(0) }
        #expect(calls.all == [0], "nothing is unsynced yet")
        bench.append(1, to: journal)
        journal.whenSynced { calls.note(1) }
        let pass = journal.beginPass()
        // While the sync runs: it may or may not take this one along.
        bench.append(1, to: journal)
        journal.whenSynced { calls.note(2) }
        let outcome = pass.sync()
        #expect(calls.all == [0])
        journal.endPass(pass, outcome)
        #expect(calls.all == [0, 1])
        bench.step(journal)
        #expect(calls.all == [0, 1, 2])
        bench.step(journal)
        #expect(calls.all == [0, 1, 2])
        journal.close()
    }

    @Test("after a failed sync callbacks wait until their records are on the disk in a new file")
    func failedSync() throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        let calls = Calls()
        let records = bench.append(3, to: journal)
        journal.whenSynced { calls.note(1) }
        bench.disk.failSyncs(1)
        bench.step(journal)
        #expect(calls.all.isEmpty && bench.files.count == 2)
        let second = try #require(bench.files.last)
        #expect(try bench.contents(of: second).scan.frames.compactMap(\.row) == records)
        let before = bench.disk.events.count
        bench.step(journal)
        #expect(calls.all == [1])
        #expect(bench.disk.events[before...].contains(.endSync(second, 0)))
        journal.close()
    }

    @Test("a failed sync of a file that was just replaced has its last records written again")
    func failedSyncOfReplaced() async throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.segmentBytes = 2000
        let journal = try bench.open(limits, writer: .stepped)
        let first = bench.append(20, to: journal)
        let pass = journal.beginPass()
        let outcome = pass.sync()
        let late = bench.append(2, to: journal)
        journal.endPass(pass, outcome)
        #expect(bench.files.count == 2, "replaced, and its last two records are not synced")
        let calls = Calls()
        journal.whenSynced { calls.note(1) }
        bench.disk.failSyncs(1)
        bench.step(journal)
        #expect(calls.all.isEmpty)
        bench.step(journal)
        #expect(calls.all == [1])
        let crashed = try bench.crashCopy()
        // As if the pages of the file had been dropped that were not synced.
        let old = try #require(crashed.files.first)
        let frames = try crashed.contents(of: old).scan.frames
        let end = SegmentHeader.length + frames[19].end
        try crashed.write(try crashed.bytes(of: old).prefix(end), to: old)
        journal.close()
        let reopened = try crashed.open(writer: .stepped)
        try await crashed.shipper(reopened).shipAll()
        for record in first + late { #expect(crashed.store.record(of: record.request) == record) }
        reopened.close()
    }

    @Test("rewritten records keep their running requests on file", arguments: [1, 2, 5])
    func failedSyncWithRunning(failures: Int) async throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        let running = bench.request()
        journal.open(running)
        journal.progress(bench.progress(of: running, tokens: 6))
        bench.disk.failSyncs(failures)
        for _ in 0..<(failures + 2) {
            bench.append(3, to: journal)
            bench.step(journal)
            try await bench.shipper(journal).shipAll()
        }
        #expect(journal.refusal == nil)
        let crashed = try bench.crashCopy()
        journal.close()
        for file in crashed.files.dropLast() {
            // The first file's sync never succeeded.
            try FileManager.default.removeItem(atPath: crashed.path + "/" + file)
        }
        let reopened = try crashed.open(writer: .stepped)
        try await crashed.shipper(reopened).shipAll()
        let row = try #require(crashed.store.record(of: running.request))
        #expect(row.status == .interrupted && row.usage.outputTokens == 6)
        reopened.close()
    }

    @Test("a thread answers callbacks of many callers without the time of gathering, and at the journal's end")
    func thread() async throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.mode = .strict
        // With gathering this would take a minute for each.
        limits.syncInterval = .seconds(60)
        let journal = try bench.open(limits)
        #expect(journal.isStrict)
        let calls = Calls()
        for number in 0..<50 {
            bench.append(1, to: journal)
            journal.whenSynced { calls.note(number) }
        }
        try await eventually("all were answered") { calls.all.count == 50 }
        #expect(calls.all.sorted() == Array(0..<50))
        journal.close()

        let second = try bench.open()
        bench.append(1, to: second)
        second.whenSynced { calls.note(50) }
        second.close()
        #expect(calls.all.contains(50))
    }

    @Test("a callback whose record the disk never took does not come")
    func neverSynced() throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        let calls = Calls()
        bench.disk.set(.full)
        bench.append(1, to: journal)
        journal.whenSynced { calls.note(1) }
        bench.step(journal)
        journal.close()
        journal.whenSynced { calls.note(2) }
        #expect(calls.all.isEmpty)
    }

    @Test("a file that cannot be begun leaves the old one in use", arguments: [1, 3])
    func failedRotation(times: Int) async throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.segmentBytes = 2000
        let journal = try bench.open(limits, writer: .stepped)
        bench.disk.failCreates(times)
        for _ in 0..<times {
            bench.append(20, to: journal)
            bench.step(journal)
            #expect(bench.files.count == 1)
        }
        #expect(journal.refusal == nil)
        bench.step(journal)
        bench.append(1, to: journal)
        bench.step(journal)
        #expect(bench.files.count == 2)
        try await bench.shipper(journal).shipAll()
        #expect(bench.store.count == times * 20 + 1)
        journal.close()
        #expect(try bench.isEmptied)
    }

    @Test("a seal says what its file holds, and an orderly end seals the last one")
    func seals() throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.segmentBytes = 2000
        let journal = try bench.open(limits, writer: .stepped)
        for _ in 0..<3 {
            bench.append(20, to: journal)
            bench.step(journal)
        }
        journal.close()
        let files = try bench.files.map { try bench.contents(of: $0) }
        #expect(files.count >= 3)
        for contents in files where !contents.scan.frames.isEmpty {
            let seal = try #require(contents.seal)
            #expect(seal.records == contents.scan.frames.count - 1)
            #expect(seal.first == contents.scan.frames.first?.sequence)
            #expect(seal.last == contents.scan.frames.dropLast().last?.sequence)
        }
    }

    @Test("appends of eight threads get each number once, whatever the disk does meanwhile")
    func numbers() async throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.segmentBytes = 20_000
        limits.syncInterval = .milliseconds(1)
        let journal = try bench.open(limits)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<200 {
                        let open = bench.request()
                        journal.open(open)
                        journal.progress(bench.progress(of: open, tokens: 1))
                        journal.close(bench.end(of: open))
                    }
                }
            }
            group.addTask {
                for fault in [FaultyFiles.Fault.short, .none, .full, .none] {
                    bench.disk.set(fault)
                    for _ in 0..<50 { await Task.yield() }
                }
                bench.disk.failSyncs(1)
            }
        }
        try await eventually("the disk is trusted again") { journal.refusal == nil && !journal.hasWork }
        journal.close()
        let frames = try bench.contents()
        let numbers = Set(frames.map(\.sequence))
        #expect(numbers == Set(1...(numbers.max() ?? 0)))
        #expect(Set(frames.compactMap { $0.row?.request }).count == 1600)
        #expect(try JournalInspection(folder: bench.path).verify().openRequests == 0)
    }
}
