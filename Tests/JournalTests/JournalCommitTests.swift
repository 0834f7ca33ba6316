import Inference
import Kernel
import TestKit
import Testing

@testable import Journal

/// Records that are noted one by one and handed over together.
@Suite struct JournalCommitTests {
    private func writes(of bench: JournalBench) -> [[UInt64]] {
        bench.disk.events.compactMap {
            guard case .append(_, let sequences) = $0, !sequences.isEmpty else { return nil }
            return sequences
        }
    }

    @Test("what was noted is in the file after the commit, in one write, and not before")
    func together() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        let running = bench.request()
        journal.note(running)
        journal.note(bench.progress(of: running, tokens: 6))
        let records = (0..<20).map { bench.record(tokens: $0) }
        for record in records { journal.note(record) }
        #expect(try bench.contents().isEmpty && writes(of: bench).isEmpty)
        journal.commit()
        journal.commit()
        #expect(writes(of: bench).map(\.count) == [22])
        #expect(journal.lag == 20)
        let crashed = try bench.crashCopy()
        journal.close()
        let reopened = try crashed.open(writer: .stepped)
        try await crashed.shipper(reopened).shipAll()
        for record in records { #expect(crashed.store.record(of: record.request) == record) }
        #expect(crashed.store.record(of: running.request)?.usage.outputTokens == 6)
        reopened.close()
    }

    @Test("a pass of the writer takes along what nobody has committed, before it syncs")
    func writersPass() throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        let record = bench.record()
        journal.note(record)
        bench.step(journal)
        #expect(try bench.contents().compactMap(\.row) == [record])
        #expect(!journal.hasWork, "and it is on the disk")
        journal.close()
    }

    @Test(
        "a write that the disk takes none or half of is undone, and the writer repeats it in order",
        arguments: [
            FaultyFiles.Fault.full, .short,
        ])
    func refused(fault: FaultyFiles.Fault) async throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        let before = bench.append(1, to: journal)
        bench.disk.set(fault)
        let records = (0..<5).map { bench.record(tokens: $0) }
        for record in records { journal.note(record) }
        #expect(journal.refusal == nil)
        journal.commit()
        #expect(journal.refusal?.code == .journalUnavailable)
        #expect(try bench.contents().compactMap(\.row) == before)
        bench.disk.set(.none)
        // Only the writer goes on: a loop does not try for each of its requests.
        let late = bench.append(1, to: journal)
        #expect(try bench.contents().compactMap(\.row) == before)
        bench.step(journal)
        #expect(journal.refusal == nil)
        #expect(try bench.contents().compactMap(\.row) == before + records + late)
        bench.step(journal)
        #expect(!journal.hasWork)
        let next = bench.append(1, to: journal)
        #expect(try bench.contents().compactMap(\.row) == before + records + late + next)
        try await bench.shipper(journal).shipAll()
        #expect(bench.store.count == 8 && journal.lag == 0)
        journal.close()
    }

    @Test("a request whose records the writer took along into one segment after the other is settled from its last")
    func acrossSegments() async throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.segmentBytes = 1500
        let journal = try bench.open(limits, writer: .stepped)
        let running = bench.request()
        journal.note(running)
        for tokens in 1...4 {
            bench.append(10, to: journal)
            journal.note(bench.progress(of: running, tokens: tokens))
            bench.step(journal)
            try await bench.shipper(journal).shipAll()
        }
        #expect(bench.files.count > 1)
        // Of this one nobody has said that it is to be handed over.
        journal.note(bench.progress(of: running, tokens: 5))
        let crashed = try bench.crashCopy()
        journal.close()
        let reopened = try crashed.open(writer: .stepped)
        try await crashed.shipper(reopened).shipAll()
        let row = try #require(crashed.store.record(of: running.request))
        #expect(row.status == .interrupted && row.usage.outputTokens == 4)
        reopened.close()
    }

    @Test("opens and progress that are written together with nothing else leave nothing to ship")
    func nothingToShip() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        for _ in 0..<3 {
            let running = bench.request()
            journal.note(running)
            journal.note(bench.progress(of: running, tokens: 1))
        }
        journal.commit()
        #expect(try journal.nextStretch() == nil)
        bench.append(1, to: journal)
        #expect(try journal.nextStretch() != nil)
        journal.close()
    }

    @Test("a mark covers what was noted before it, and is passed when that is stored")
    func mark() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        journal.note(bench.record())
        let mark = try #require(journal.mark())
        #expect(!journal.isShipped(mark))
        try await bench.shipper(journal).shipAll()
        #expect(journal.isShipped(mark) && bench.store.count == 1)
        journal.close()
    }
}
