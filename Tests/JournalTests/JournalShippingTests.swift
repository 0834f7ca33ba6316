import Foundation
import Inference
import Kernel
import Logging
import Synchronization
import TestKit
import Testing

@testable import Journal

@Suite struct JournalShippingTests {
    @Test("shipping twice makes the same rows")
    func twice() async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        bench.append(50, to: journal)
        try await bench.shipper(journal).shipAll()
        let crashed = try bench.crashCopy()
        journal.close()
        // The copy remembers nothing of what was shipped.
        let reopened = try crashed.open()
        #expect(reopened.lag == 50)
        for _ in 0..<2 {
            let shipper = JournalShipper(
                journal: reopened, store: bench.store, clock: bench.samples.clock, random: SeededRandom(),
                logger: Logger(label: "test"))
            try await shipper.shipAll()
        }
        #expect(bench.store.count == 50)
        #expect(bench.store.inserts == 100)
        reopened.close()
    }

    @Test("files are begun by size, and deleted when they are sealed and shipped")
    func rotation() async throws {
        let bench = try JournalBench()
        var limits = SegmentedJournal.Limits()
        limits.segmentBytes = 2000
        limits.syncInterval = .milliseconds(1)
        let journal = try bench.open(limits)
        for round in 1...5 {
            bench.append(20, to: journal)
            // A round may begin two, when the thread looks in the middle of it.
            try await eventually("file \(round + 1) began") { journal.state.withLock { $0.sealed.count } >= round }
        }
        #expect(journal.lag == 100)
        let begun = bench.files
        try await bench.shipper(journal).shipAll()
        #expect(bench.store.count == 100 && journal.lag == 0)
        #expect(bench.files.count <= 2, "the one that is written, and the last with records")
        #expect(Set(bench.files).isSubset(of: begun))
        journal.close()
        #expect(try bench.isEmptied)
    }

    @Test("many writers at once lose nothing, while files rotate and records are shipped")
    func concurrent() async throws {
        let bench = try JournalBench()
        var limits = SegmentedJournal.Limits()
        limits.segmentBytes = 5000
        limits.syncInterval = .milliseconds(1)
        let journal = try bench.open(limits)
        let shipper = bench.shipper(journal)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<250 { journal.close(bench.record()) } }
            }
            group.addTask { for _ in 0..<20 { try await shipper.shipAll() } }
            try await group.waitForAll()
        }
        #expect(await shipper.drain(within: .seconds(60)))
        #expect(bench.store.count == 2000)
        #expect(bench.store.inserts == 2000)
        journal.close()
        #expect(try bench.isEmptied)
    }

    @Test("while the store is away records wait, tries grow apart, and then everything is stored")
    func storeAway() async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        let clock = bench.samples.clock
        bench.store.fail(with: Problem(.storageUnavailable))
        let shipper = bench.shipper(journal)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await shipper.run() }
            bench.append(10, to: journal)
            var waited = Duration.zero
            for _ in 0..<6 {
                try? await eventually("the shipper pauses") { clock.sleepers == 1 }
                let began = waited
                while clock.sleepers == 1 {
                    clock.advance(by: .milliseconds(50))
                    waited += .milliseconds(50)
                    if waited - began > .seconds(60) { break }
                }
            }
            #expect(waited > .seconds(5), "1/4 + 1/2 + 1 + 2 + 4 and jitter")
            #expect(journal.lag == 10 && journal.refusal == nil)
            bench.store.fail(with: nil)
            try? await eventually("everything is stored") {
                clock.advance(by: .seconds(1))
                return bench.store.count == 10
            }
            group.cancelAll()
        }
        #expect(journal.lag == 0)
        journal.close()
    }

    @Test("a busy platform's records are gathered for up to a second, a quiet one's are not")
    func gathering() async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        let clock = bench.samples.clock
        var limits = JournalShipper.Limits()
        limits.gathered = 50
        let shipper = bench.shipper(journal, limits: limits)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await shipper.run() }
            var stored = 0
            /// How many intervals pass until all is stored, while in each of them so many records come.
            func intervals(_ coming: [Int]) async -> Int {
                try? await eventually("the shipper pauses") { clock.sleepers == 1 }
                var passed = 0
                for count in coming {
                    bench.append(count, to: journal)
                    stored += count
                    clock.advance(by: .milliseconds(200))
                    passed += 1
                    try? await eventually("the shipper pauses again") { clock.sleepers == 1 }
                    if bench.store.count == stored { break }
                }
                return passed
            }
            #expect(await intervals([4]) == 1, "a few")
            #expect(await intervals([50]) == 1, "enough")
            #expect(await intervals([5, 5, 5, 5, 5, 5, 5]) == 5, "never longer than a second")
            #expect(await intervals([20, 20, 20, 20]) == 3, "until it is enough")
            #expect(await intervals([20, 0, 0, 0]) == 2, "until no more come")
            group.cancelAll()
        }
        #expect(journal.lag == 0)
        journal.close()
    }

    @Test("a drain that cannot store gives up in time, and the next start stores it")
    func drainGivesUp() async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        bench.append(5, to: journal)
        bench.store.fail(with: Problem(.storageUnavailable))
        #expect(await bench.shipper(journal).drain(within: .seconds(5)) == false)
        journal.close()
        bench.store.fail(with: nil)
        let reopened = try bench.open()
        #expect(reopened.lag == 5)
        #expect(await bench.shipper(reopened).drain(within: .seconds(5)))
        #expect(bench.store.count == 5)
        reopened.close()
        #expect(try bench.isEmptied)
    }

    @Test(
        "a full disk stops new work, keeps the records in memory, and writes them when there is room",
        arguments: [
            FaultyFiles.Fault.full, .short,
        ])
    func diskFull(fault: FaultyFiles.Fault) async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        let early = bench.append(3, to: journal)
        bench.disk.set(fault)
        let late = bench.append(400, to: journal)
        #expect(journal.refusal != nil)
        #expect(journal.lag == 403)
        bench.disk.set(.none)
        try await eventually("the disk is trusted again") { journal.refusal == nil }
        let crashed = try bench.crashCopy()
        journal.close()
        let reopened = try crashed.open()
        #expect(await crashed.shipper(reopened).drain(within: .seconds(60)))
        for record in early + late { #expect(crashed.store.record(of: record.request) == record) }
        #expect(crashed.store.count == 403)
        #expect(!crashed.files.contains { $0.hasSuffix(".damaged") }, "no half record was left in the file")
        reopened.close()
    }

    @Test("records that come while others wait for the disk do not overtake them")
    func order() async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        bench.disk.set(.full)
        bench.append(1, to: journal)
        bench.disk.set(.none)
        bench.append(5, to: journal)
        try await eventually("everything is written") { journal.refusal == nil }
        let sequences = try #require(try journal.nextStretch()).scan.frames.map(\.sequence)
        #expect(sequences == Array(1...6))
        journal.close()
    }

    @Test("a failed sync is not tried again: its records go to a new file as well", arguments: [1, 3])
    func failedSync(times: Int) async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        bench.disk.failSyncs(times)
        let records = bench.append(10, to: journal)
        try await eventually("a new file has them") {
            bench.files.count == 2 && journal.refusal == nil
        }
        let crashed = try bench.crashCopy()
        journal.close()
        // As if the pages of the first file had been dropped.
        try FileManager.default.removeItem(atPath: crashed.path + "/" + (try #require(crashed.files.first)))
        let reopened = try crashed.open()
        #expect(await crashed.shipper(reopened).drain(within: .seconds(60)))
        for record in records { #expect(crashed.store.record(of: record.request) == record) }
        reopened.close()
    }

    @Test("records are synced soon after they were appended, and an idle journal does not sync")
    func syncs() async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        let before = bench.disk.syncs
        bench.append(100, to: journal)
        try await eventually("a sync") { bench.disk.syncs > before }
        journal.close()
        #expect(bench.disk.syncs <= before + 5)
    }
}
