import Foundation
import Inference
import Kernel
import TestKit
import Testing

@testable import Journal

/// Files that came back otherwise than they were written.
@Suite struct JournalDamageTests {
    /// A crashed journal with requests of all kinds in several files, and the rows that it must give.
    private func crashed() throws -> (bench: JournalBench, rows: [RequestID: UsageRecord]) {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.segmentBytes = 1500
        let journal = try bench.open(limits, writer: .stepped)
        var rows: [RequestID: UsageRecord] = [:]
        for index in 0..<16 {
            let open = bench.request()
            journal.open(open)
            let progress = bench.progress(of: open, tokens: index)
            journal.progress(progress)
            if index % 5 == 4 {
                rows[open.request] = UsageRecord(interrupted: open, after: progress)
            } else {
                journal.close(bench.end(of: open, tokens: index))
                rows[open.request] = bench.end(of: open, tokens: index)
            }
            if index % 3 == 2 { bench.step(journal) }
        }
        let copy = try bench.crashCopy()
        journal.close()
        return (copy, rows)
    }

    @Test("a last record torn at any byte costs that record only")
    func everyTear() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        let open = bench.request()
        let others = bench.append(2, to: journal)
        journal.open(open)
        journal.progress(bench.progress(of: open, tokens: 4))
        let without = try bench.crashCopy()
        journal.close(bench.end(of: open))
        let whole = try bench.crashCopy()
        journal.close()
        let file = try #require(whole.files.first)
        let bytes = try whole.bytes(of: file)
        let shortest = try without.bytes(of: file).count
        #expect(shortest < bytes.count)
        for length in shortest..<bytes.count {
            let torn = try without.crashCopy()
            try torn.write(bytes.prefix(length), to: file)
            let verdict = try JournalInspection(folder: torn.path).verify()
            #expect(verdict.isIntact && verdict.openRequests == 1)
            #expect(verdict.segments.first?.tornBytes == length - shortest)
            let reopened = try torn.open(writer: .stepped)
            try await torn.shipper(reopened).shipAll()
            for record in others { #expect(torn.store.record(of: record.request) == record) }
            #expect(
                torn.store.record(of: open.request)
                    == UsageRecord(interrupted: open, after: bench.progress(of: open, tokens: 4)), "\(length)")
            reopened.close()
        }
    }

    @Test(
        "a flipped bit anywhere never makes a wrong row, and costs no other request",
        arguments: 1...4 as ClosedRange<UInt64>)
    func flips(seed: UInt64) async throws {
        let random = SeededRandom(seed: seed)
        let (bench, rows) = try crashed()
        #expect(bench.files.count >= 3)
        for _ in 0..<25 {
            let trial = try bench.crashCopy()
            let file = trial.files[Int(random.next(below: UInt64(trial.files.count)))]
            var bytes = try trial.bytes(of: file)
            let place = Int(random.next(below: UInt64(bytes.count)))
            bytes[place] ^= UInt8(1) << UInt8(random.next(below: 8))
            try trial.write(bytes, to: file)
            let journal = try trial.open(writer: .stepped)
            try await trial.shipper(journal).shipAll()
            let hint = "seed \(seed), \(file) byte \(place)"
            var wrong = 0
            for (request, row) in rows {
                guard let stored = trial.store.record(of: request) else {
                    wrong += 1
                    continue
                }
                // Its end may be what was hit: then it is settled from what is left of it.
                if stored != row {
                    #expect(stored.status == .interrupted, "\(hint)")
                    #expect(stored.usage.outputTokens <= row.usage.outputTokens, "\(hint)")
                    wrong += 1
                }
            }
            #expect(wrong <= 1, "\(hint)")
            #expect(trial.store.count <= rows.count, "\(hint)")
            #expect(journal.lag == 0, "\(hint)")
            journal.close()
        }
    }

    @Test(
        "verify finds any flipped bit but one in the last record, which looks torn",
        arguments: 1...4 as ClosedRange<UInt64>)
    func verified(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        let (bench, _) = try crashed()
        #expect(try JournalInspection(folder: bench.path).verify().isIntact)
        for _ in 0..<40 {
            let trial = try bench.crashCopy()
            let index = Int(random.next(below: UInt64(trial.files.count)))
            let file = trial.files[index]
            var bytes = try trial.bytes(of: file)
            let place = Int(random.next(below: UInt64(bytes.count)))
            bytes[place] ^= UInt8(1) << UInt8(random.next(below: 8))
            let last = try trial.contents(of: file).scan.frames.last?.begin ?? 0
            let isLast = index == trial.files.count - 1 && place >= SegmentHeader.length + last
            try trial.write(bytes, to: file)
            let verdict = try JournalInspection(folder: trial.path).verify()
            #expect(verdict.isIntact == isLast, "seed \(seed), \(file) byte \(place)")
        }
    }

    @Test("verify says what is missing, sealed, torn and running")
    func verdict() throws {
        let (bench, _) = try crashed()
        let intact = try JournalInspection(folder: bench.path).verify()
        #expect(intact.isIntact && intact.openRequests == 3 && intact.gaps.isEmpty)
        #expect(intact.segments.dropLast().allSatisfy { $0.seal == .own })
        #expect(intact.segments.last?.seal == SegmentVerdict.Seal.none)

        let files = bench.files
        let robbed = try bench.crashCopy()
        try FileManager.default.removeItem(atPath: robbed.path + "/" + files[1])
        let missing = try JournalInspection(folder: robbed.path).verify()
        #expect(!missing.isIntact)
        #expect(missing.gaps == [intact.segments[1].first...intact.segments[1].last])

        let reopened = try bench.open(writer: .stepped)
        let after = try JournalInspection(folder: bench.path).verify()
        #expect(after.isIntact && after.openRequests == 0)
        #expect(after.segments[files.count - 1].seal == .later)
        reopened.close()
    }

    @Test("inspection hands out each record with its place")
    func inspection() throws {
        let (bench, rows) = try crashed()
        let inspection = JournalInspection(folder: bench.path)
        var kinds: [RecordKind: Int] = [:]
        var sequence: UInt64 = 0
        for name in try inspection.segments() {
            var offset = SegmentHeader.length
            for record in try #require(try inspection.records(of: name)) {
                #expect(record.offset == offset && record.sequence == sequence + 1)
                (offset, sequence) = (offset + record.bytes, record.sequence)
                kinds[try #require(record.kind), default: 0] += 1
                #expect(record.record?.request.map { rows[$0] != nil } ?? true)
            }
        }
        #expect(kinds[.open] == 16 && kinds[.progress] == 16 && kinds[.close] == 13)
        #expect(kinds[.seal] == (try inspection.segments().count - 1))
    }
}
