import Foundation
import Inference
import Kernel
import TestKit
import Testing

@testable import Journal

/// Requests that run while files come and go, and those that were running when their process ended.
@Suite struct JournalRunningTests {
    private var smallFiles: JournalLimits {
        var limits = JournalLimits()
        limits.segmentBytes = 2000
        return limits
    }

    @Test("every kind of record survives its encoding, and is refused when it is cut")
    func coding() throws {
        let bench = try JournalBench()
        let open = bench.request(attempt: 3)
        let bare = OpenRequest(
            request: open.request, clientRequest: nil, workspace: open.workspace, key: open.key,
            operation: .embeddings, model: "", deployment: open.deployment, isStream: false, attempt: 1,
            started: open.started)
        let unbegun = RequestProgress(request: open.request, usage: .none, elapsed: .zero, firstToken: nil)
        let records: [JournalRecord] = [
            .open(open), .open(bare), .progress(bench.progress(of: open, tokens: 5)), .progress(unbegun),
            .close(bench.end(of: open)), .settled(UsageRecord(interrupted: bare, after: unbegun)),
            .seal(SegmentSeal(segment: 9, records: 4, first: 100, last: 103)),
        ]
        for record in records {
            var writer = ByteWriter(capacity: 1)
            record.encode(into: &writer)
            let bytes = writer.bytes
            #expect(bytes.withUnsafeBytes { JournalRecord(record.kind, $0) } == record)
            for count in 0..<bytes.count {
                #expect(bytes[..<count].withUnsafeBytes { JournalRecord(record.kind, $0) } == nil, "\(record.kind)")
            }
        }
    }

    @Test("a request that runs keeps its file and all later ones; when it ended and that is on the disk, they go")
    func heldFile() async throws {
        let bench = try JournalBench()
        var limits = smallFiles
        limits.heldSegments = 1000
        let journal = try bench.open(limits, writer: .stepped)
        let shipper = bench.shipper(journal)
        let running = bench.request()
        journal.open(running)
        for _ in 0..<6 {
            bench.append(20, to: journal)
            bench.step(journal)
        }
        try await shipper.shipAll()
        #expect(journal.lag == 0)
        #expect(bench.files.count == 7, "the oldest is held, and those behind it may hold its progress")
        journal.progress(bench.progress(of: running, tokens: 4))
        journal.close(bench.end(of: running))
        try await shipper.shipAll()
        #expect(bench.files.count == 7, "its end is not on the disk yet")
        bench.step(journal)
        try await shipper.shipAll()
        #expect(bench.files.count <= 2)
        #expect(bench.store.record(of: running.request) == bench.end(of: running))
        journal.close()
        #expect(try bench.isEmptied)
    }

    @Test("a request that runs for long is copied forward with its progress, and its file goes")
    func copiedForward() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(smallFiles, writer: .stepped)
        let shipper = bench.shipper(journal)
        let running = bench.request()
        journal.open(running)
        journal.progress(bench.progress(of: running, tokens: 41))
        for _ in 0..<40 {
            bench.append(20, to: journal)
            bench.step(journal)
            try await shipper.shipAll()
            #expect(bench.files.count <= 8)
        }
        let crashed = try bench.crashCopy()
        journal.close()
        let reopened = try crashed.open(writer: .stepped)
        try await crashed.shipper(reopened).shipAll()
        let row = try #require(crashed.store.record(of: running.request))
        #expect(row.status == .interrupted && row.usage.outputTokens == 41)
        reopened.close()
    }

    @Test("what ran when the process ended is settled once: from its progress, else with nothing")
    func settled() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        let (early, late, done, retried) = (bench.request(), bench.request(), bench.request(), bench.request())
        for open in [early, late, done, retried] { journal.open(open) }
        for tokens in [1, 8] { journal.progress(bench.progress(of: late, tokens: tokens)) }
        journal.open(retried)
        journal.progress(bench.progress(of: done, tokens: 2))
        journal.close(bench.end(of: done, tokens: 3))
        let crashed = try bench.crashCopy()
        journal.close()

        let reopened = try crashed.open(writer: .stepped)
        #expect(reopened.lag == 4)
        let again = try crashed.crashCopy()
        try await crashed.shipper(reopened).shipAll()
        #expect(crashed.store.count == 4)
        #expect(crashed.store.record(of: early.request) == UsageRecord(interrupted: early, after: nil))
        #expect(
            crashed.store.record(of: late.request)
                == UsageRecord(interrupted: late, after: bench.progress(of: late, tokens: 8)))
        #expect(crashed.store.record(of: done.request) == bench.end(of: done, tokens: 3))
        reopened.close()

        let third = try again.open(writer: .stepped)
        #expect(third.lag == 4, "what is settled is not settled again")
        third.close()
    }

    @Test(
        "a recovery that is cut at any byte is recovered from, and settles the same", arguments: [1, 2, 3] as [UInt64])
    func cutRecovery(seed: UInt64) async throws {
        let random = SeededRandom(seed: seed)
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        var expected: [RequestID: UsageRecord] = [:]
        for index in 0..<12 {
            let open = bench.request()
            journal.open(open)
            var last: RequestProgress?
            if index % 3 > 0 {
                last = bench.progress(of: open, tokens: index)
                if let last { journal.progress(last) }
            }
            if index % 4 == 0 {
                journal.close(bench.end(of: open))
                expected[open.request] = bench.end(of: open)
            } else {
                expected[open.request] = UsageRecord(interrupted: open, after: last)
            }
        }
        let crashed = try bench.crashCopy()
        journal.close()
        for _ in 0..<12 {
            let trial = try crashed.crashCopy()
            for _ in 0..<3 {
                try trial.open(writer: .stepped).close()
                // As if the machine had ended somewhere in the last file.
                let file = try #require(trial.files.last)
                let bytes = try trial.bytes(of: file)
                try trial.write(bytes.prefix(Int(random.next(below: UInt64(bytes.count + 1)))), to: file)
            }
            let last = try trial.open(writer: .stepped)
            try await trial.shipper(last).shipAll()
            #expect(trial.store.count == expected.count, "seed \(seed)")
            for (request, record) in expected { #expect(trial.store.record(of: request) == record, "seed \(seed)") }
            last.close()
            #expect(try trial.isEmptied, "seed \(seed)")
        }
    }

    @Test("a disk that takes nothing at the start refuses to open, and loses nothing")
    func fullAtOpening() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        let running = bench.request()
        journal.open(running)
        let crashed = try bench.crashCopy()
        journal.close()
        crashed.disk.set(.full)
        #expect(throws: Problem(.journalUnavailable)) { try crashed.open(writer: .stepped) }
        crashed.disk.set(.none)
        crashed.disk.failSyncs(2)
        for _ in 0..<2 { #expect(throws: Problem(.journalUnavailable)) { try crashed.open(writer: .stepped) } }
        let reopened = try crashed.open(writer: .stepped)
        try await crashed.shipper(reopened).shipAll()
        #expect(crashed.store.record(of: running.request)?.status == .interrupted)
        reopened.close()
    }

    @Test("sequence numbers go on over files and restarts, also when everything was stored")
    func sequences() async throws {
        let bench = try JournalBench()
        var next: UInt64 = 1
        for round in 0..<4 {
            let journal = try bench.open(smallFiles, writer: .stepped)
            for _ in 0..<5 {
                bench.append(15, to: journal)
                bench.step(journal)
            }
            let numbers = try bench.contents().map(\.sequence)
            // An odd round follows one whose records were all stored, and their files removed.
            if round % 2 == 1 { #expect(numbers.min() == next + 1) }
            next = try #require(numbers.max())
            let verdict = try JournalInspection(folder: bench.path).verify()
            #expect(verdict.isIntact && verdict.gaps.isEmpty)
            if round % 2 == 0 { try await bench.shipper(journal).shipAll() }
            journal.close()
            #expect(try JournalInspection(folder: bench.path).verify().isIntact)
        }
        #expect(next >= 300)
    }

    @Test("files of the first format, which know ends only, are read on")
    func firstFormat() async throws {
        let bench = try JournalBench()
        try bench.open(writer: .stepped).close()
        let bytes = ByteWriter()
        Array("VOLJ".utf8).withUnsafeBytes { bytes.append($0) }
        bytes.integer(UInt16(1))
        bytes.integer(UInt16(0))
        bytes.integer(UInt64(5))
        var old = Data(bytes.bytes)
        let records = (0..<3).map { bench.record(tokens: $0) }
        for (index, record) in records.enumerated() {
            var writer = ByteWriter()
            RecordFrame.encode(.close, sequence: UInt64(70 + index), into: &writer) {
                UsageRecordCoding.encode(record, into: &$0)
            }
            old += Data(writer.bytes)
        }
        try bench.write(old, to: "00000005.vj")
        let journal = try bench.open(writer: .stepped)
        #expect(journal.lag == 3)
        bench.append(1, to: journal)
        #expect(try bench.contents().map(\.sequence) == [70, 71, 72, 73, 74], "a seal, and one more")
        try await bench.shipper(journal).shipAll()
        #expect(bench.store.count == 4)
        for record in records { #expect(bench.store.record(of: record.request) == record) }
        journal.close()
    }

    @Test("more running requests than are tracked stop new work, until there are fewer")
    func tooMany() throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.runningRequests = 20
        let journal = try bench.open(limits, writer: .stepped)
        let requests = (0..<20).map { _ in bench.request() }
        for request in requests.dropLast() { journal.open(request) }
        #expect(journal.refusal == nil)
        journal.open(requests[19])
        #expect(journal.refusal?.code == .overloaded)
        for request in requests.prefix(5) { journal.close(bench.end(of: request)) }
        bench.step(journal)
        #expect(journal.refusal == nil)
        journal.close()
    }
}
