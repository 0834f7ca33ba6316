import Foundation
import Inference
import Kernel
import TestKit
import Testing

@testable import Journal

/// How much the journal may hold while its records are not stored.
@Suite struct JournalBoundsTests {
    @Test("a journal at its bound refuses new work, takes what runs, and accepts again when there is room")
    func bytes() async throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.maximumBytes = 200_000
        let journal = try bench.open(limits, writer: .stepped)
        bench.store.fail(with: Problem(.storageUnavailable))
        let running = (0..<5).map { _ in bench.request() }
        for request in running { journal.open(request) }
        var appended = 0
        while journal.refusal == nil, appended < 10_000 {
            bench.append(10, to: journal)
            appended += 10
            bench.step(journal)
        }
        #expect(journal.refusal == Problem(.journalFull, retryAfter: 5))
        for request in running { journal.close(bench.end(of: request)) }
        bench.step(journal)
        #expect(journal.refusal?.code == .journalFull)
        bench.store.fail(with: nil)
        try await bench.shipper(journal).shipAll()
        bench.step(journal)
        #expect(journal.refusal == nil)
        #expect(bench.store.count == appended + 5)
        #expect(bench.files.count <= 2)
        journal.close()
        #expect(try bench.isEmptied)
    }

    @Test("a full journal that a running request holds is emptied by copying the request forward")
    func held() async throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.maximumBytes = 100_000
        limits.heldSegments = 1_000_000
        let journal = try bench.open(limits, writer: .stepped)
        journal.open(bench.request())
        for _ in 0..<2000 where journal.refusal == nil {
            bench.append(10, to: journal)
            bench.step(journal)
        }
        #expect(journal.refusal?.code == .journalFull)
        let shipper = bench.shipper(journal)
        for _ in 0..<4 {
            try await shipper.shipAll()
            bench.step(journal)
            bench.step(journal)
        }
        #expect(journal.refusal == nil)
        #expect(bench.files.count <= 2)
        journal.close()
    }

    @Test("a disk below its reserve refuses new work; it is looked at ten times a second at most")
    func freeSpace() throws {
        let bench = try JournalBench()
        bench.disk.setFreeBytes(1 << 30)
        let journal = try bench.open(writer: .stepped)
        bench.disk.setFreeBytes(100 << 20)
        bench.step(journal)
        #expect(journal.refusal == nil, "looked at a moment ago")
        bench.samples.clock.advance(by: .milliseconds(100))
        bench.step(journal)
        #expect(journal.refusal?.code == .journalFull)
        #expect(journal.refusal?.hint.contains("Free space") == true, "it is not the database's fault")
        bench.append(1, to: journal)
        #expect(journal.lag == 1, "what runs may still write")
        for (free, isRefused) in [(260 << 20, true), (300 << 20, false)] {
            bench.disk.setFreeBytes(free)
            bench.samples.clock.advance(by: .milliseconds(100))
            bench.step(journal)
            #expect((journal.refusal != nil) == isRefused, "\(free)")
        }
        journal.close()
    }

    @Test("a thread that nobody appends to any more still notices that there is room again")
    func idleThread() async throws {
        let bench = try JournalBench()
        bench.disk.setFreeBytes(0)
        let journal = try bench.open()
        #expect(journal.refusal?.code == .journalFull)
        bench.disk.setFreeBytes(1 << 30)
        bench.samples.clock.advance(by: .seconds(1))
        try await eventually("work is accepted again") { journal.refusal == nil }
        journal.close()
    }

    @Test("a disk whose sync hangs stops new work once enough waits for it")
    func hangingSync() throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.unsyncedBytes = 10_000
        let journal = try bench.open(limits, writer: .stepped)
        let pass = journal.beginPass()
        bench.append(100, to: journal)
        #expect(journal.refusal?.code == .journalUnavailable)
        journal.endPass(pass, pass.sync())
        bench.step(journal)
        #expect(journal.refusal == nil)
        journal.close()
    }

    @Test("records beyond what memory may hold are lost, and only those")
    func memory() async throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.unwrittenRecords = 10
        let journal = try bench.open(limits, writer: .stepped)
        bench.disk.set(.full)
        let records = bench.append(12, to: journal)
        #expect(journal.lag == 10 && journal.refusal?.code == .journalUnavailable)
        bench.disk.set(.none)
        bench.step(journal)
        #expect(journal.refusal == nil)
        try await bench.shipper(journal).shipAll()
        for (index, record) in records.enumerated() {
            #expect((bench.store.record(of: record.request) != nil) == (index < 10))
        }
        journal.close()
    }
}
