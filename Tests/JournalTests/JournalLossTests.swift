import Foundation
import Inference
import Kernel
import Synchronization
import TestKit
import Testing

@testable import Journal

/// Files and records that are lost: what is not lost goes on, and nobody is told otherwise.
@Suite struct JournalLossTests {
    private var small: JournalLimits {
        var limits = JournalLimits()
        limits.segmentBytes = 1500
        return limits
    }

    private func remove(_ file: String, of bench: JournalBench) throws {
        try FileManager.default.removeItem(atPath: bench.path + "/" + file)
    }

    // MARK: Files

    @Test("a sealed file that is gone costs its own records only, and no request that runs")
    func goneSealed() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(small, writer: .stepped)
        let running = bench.request()
        journal.open(running)
        journal.progress(bench.progress(of: running, tokens: 6))
        let lost = bench.append(20, to: journal)
        bench.step(journal)
        bench.step(journal)
        let kept = bench.append(20, to: journal)
        #expect(bench.files.count >= 2)
        try remove(try #require(bench.files.first), of: bench)
        try await bench.shipper(journal).shipAll()
        for record in kept { #expect(bench.store.record(of: record.request) == record) }
        #expect(bench.store.count == kept.count && !lost.isEmpty)
        #expect(journal.lag == 0)
        bench.step(journal)
        let crashed = try bench.crashCopy()
        journal.close()
        let reopened = try crashed.open(writer: .stepped)
        try await crashed.shipper(reopened).shipAll()
        let row = try #require(crashed.store.record(of: running.request))
        #expect(row.status == .interrupted && row.usage.outputTokens == 6)
        reopened.close()
    }

    @Test("a sealed file that is gone before its sync has its records in memory still")
    func goneUnsynced() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(small, writer: .stepped)
        let records = bench.append(20, to: journal)
        let nothing = JournalPass(files: [], ticket: 0, end: 0, generation: -1)
        journal.endPass(nothing, 0)
        #expect(bench.files.count == 2, "begun without a sync of the first")
        try remove(try #require(bench.files.first), of: bench)
        for _ in 0..<3 {
            try await bench.shipper(journal).shipAll()
            bench.step(journal)
        }
        for record in records { #expect(bench.store.record(of: record.request) == record) }
        #expect(journal.lag == 0)
        journal.close()
    }

    @Test("a sealed file that cannot be read is tried five times, and then set aside")
    func unreadableSealed() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(small, writer: .stepped)
        bench.append(20, to: journal)
        bench.step(journal)
        let kept = bench.append(20, to: journal)
        let file = try #require(bench.files.first)
        bench.disk.failReads(of: file, .max)
        for _ in 0..<4 {
            await #expect(throws: FileFailure.self) { try await bench.shipper(journal).shipAll() }
            #expect(bench.files.contains(file))
        }
        try await bench.shipper(journal).shipAll()
        #expect(bench.files.contains(file + ".damaged"))
        for record in kept { #expect(bench.store.record(of: record.request) == record) }
        #expect(journal.lag == 0)
        journal.close()
    }

    @Test("a shortage of descriptors says nothing of a file: neither shipping nor a start gives it up")
    func shortage() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(small, writer: .stepped)
        let records = bench.append(20, to: journal)
        bench.step(journal)
        let file = try #require(bench.files.first)
        bench.disk.failReads(of: file, 20, code: EMFILE)
        for _ in 0..<20 {
            await #expect(throws: FileFailure.self) { try await bench.shipper(journal).shipAll() }
        }
        let crashed = try bench.crashCopy()
        crashed.disk.failReads(of: file, 1, code: EMFILE)
        #expect(throws: Problem.self) { try crashed.open(writer: .stepped) }
        #expect(!crashed.files.contains { $0.hasSuffix(".damaged") })
        try await bench.shipper(journal).shipAll()
        #expect(bench.store.count == records.count)
        journal.close()
    }

    @Test("an active file that is gone is replaced; what was not synced is written anew")
    func goneActive() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(writer: .stepped)
        let synced = bench.append(5, to: journal)
        bench.step(journal)
        let before = bench.append(3, to: journal)
        let calls = Mutex(0)
        journal.whenSynced { calls.withLock { $0 += 1 } }
        // A sync that runs while the file goes proves nothing.
        let pass = journal.beginPass()
        let outcome = pass.sync()
        try remove(try #require(bench.files.first), of: bench)
        try await bench.shipper(journal).shipAll()
        let after = bench.append(2, to: journal)
        journal.endPass(pass, outcome)
        #expect(calls.withLock { $0 } == 0)
        bench.step(journal)
        #expect(calls.withLock { $0 } == 1)
        try await bench.shipper(journal).shipAll()
        for record in before + after { #expect(bench.store.record(of: record.request) == record) }
        #expect(bench.store.count == 5 && bench.store.record(of: synced[0].request) == nil)
        #expect(journal.lag == 0 && journal.refusal == nil)
        let last = bench.append(1, to: journal)
        bench.step(journal)
        try await bench.shipper(journal).shipAll()
        #expect(bench.store.record(of: last[0].request) == last[0])
        journal.close()
    }

    @Test("a start sets aside a file that it cannot read, and serves the others")
    func unreadableAtStart() async throws {
        let bench = try JournalBench()
        let journal = try bench.open(small, writer: .stepped)
        bench.append(20, to: journal)
        bench.step(journal)
        let kept = bench.append(5, to: journal)
        let crashed = try bench.crashCopy()
        journal.close()
        let file = try #require(crashed.files.first)
        crashed.disk.failReads(of: file, .max)
        let reopened = try crashed.open(writer: .stepped)
        #expect(crashed.files.contains(file + ".damaged"))
        try await crashed.shipper(reopened).shipAll()
        #expect(crashed.store.count == kept.count && reopened.lag == 0)
        reopened.close()
    }

    // MARK: Memory

    @Test("progress and new requests leave the memory for ends, while the disk takes nothing")
    func reserve() async throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.unwrittenRecords = 32
        let journal = try bench.open(limits, writer: .stepped)
        let running = (0..<8).map { _ in bench.request() }
        for request in running { journal.open(request) }
        bench.disk.set(.full)
        for tokens in 0..<40 { journal.progress(bench.progress(of: running[tokens % 8], tokens: tokens)) }
        #expect(journal.state.withLock { $0.waitingCount } == 16)
        #expect(journal.state.withLock { $0.running[running[7].request]?.progress?.usage.outputTokens } == 39)
        for _ in 0..<40 { journal.open(bench.request()) }
        #expect(journal.state.withLock { $0.waitingCount } == 24)
        for request in running { journal.close(bench.end(of: request)) }
        bench.disk.set(.none)
        bench.step(journal)
        try await bench.shipper(journal).shipAll()
        for request in running { #expect(bench.store.record(of: request.request) == bench.end(of: request)) }
        journal.close()
    }

    @Test("a callback that is asked for after a lost record never comes; later ones do once the disk has caught up")
    func lostIsNotSynced() throws {
        let bench = try JournalBench()
        var limits = JournalLimits()
        limits.unwrittenRecords = 4
        let journal = try bench.open(limits, writer: .stepped)
        let calls = Mutex<[Int]>([])
        func ask(_ number: Int) { journal.whenSynced { calls.withLock { $0.append(number) } } }
        bench.disk.set(.full)
        bench.append(4, to: journal)
        ask(1)
        bench.append(1, to: journal)
        ask(2)
        bench.disk.set(.none)
        bench.step(journal)
        ask(3)
        bench.step(journal)
        #expect(calls.withLock { $0 } == [1])
        ask(4)
        bench.append(1, to: journal)
        ask(5)
        bench.step(journal)
        #expect(calls.withLock { $0 } == [1, 4, 5])
        journal.state.withLock { $0.isClosed = true }
        bench.append(1, to: journal)
        ask(6)
        bench.step(journal)
        #expect(calls.withLock { $0 } == [1, 4, 5], "the record came after the end")
        journal.state.withLock { $0.isClosed = false }
        journal.close()
    }

    // MARK: Ends of files

    enum Ending: CaseIterable {
        case sealedFlip, sealedShort, laterSealed, newestLong, newestShort, bothUnsealedShort
    }

    @Test(
        "the end of a file is cut off when a crash may have torn it, and else kept as evidence",
        arguments: Ending.allCases)
    func endings(ending: Ending) async throws {
        let bench = try JournalBench()
        let journal = try bench.open(small, writer: .stepped)
        bench.append(20, to: journal)
        bench.step(journal)
        bench.append(5, to: journal)
        var trial = try bench.crashCopy()
        journal.close()
        let (first, second) = (trial.files[0], trial.files[1])
        var isDamage = true
        var damaged = first
        switch ending {
        case .sealedFlip: try trial.write(trial.bytes(of: first) + Data(repeating: 7, count: 50), to: first)
        case .sealedShort: try trial.write(trial.bytes(of: first) + Data([1]), to: first)
        case .laterSealed:
            let reopened = try trial.open(writer: .stepped)
            trial = try trial.crashCopy()
            reopened.close()
            damaged = second
            try trial.write(trial.bytes(of: second).dropLast(3), to: second)
        case .newestLong:
            damaged = second
            try trial.write(trial.bytes(of: second) + Data(repeating: 7, count: RecordFrame.longest + 1), to: second)
        case .newestShort:
            isDamage = false
            try trial.write(trial.bytes(of: second).dropLast(3), to: second)
        case .bothUnsealedShort:
            isDamage = false
            // Without its seal, and torn.
            let seal = try #require(try trial.contents(of: first).scan.frames.last)
            try trial.write(trial.bytes(of: first).prefix(SegmentHeader.length + seal.begin + 9), to: first)
            try trial.write(trial.bytes(of: second).dropLast(3), to: second)
        }
        let bytes = try trial.bytes(of: damaged)
        let verdict = try JournalInspection(folder: trial.path).verify()
        #expect(verdict.segments.contains(where: \.isDamaged) == isDamage)
        for _ in 0..<2 {
            // A start that dies before anything is shipped leaves the same to the next.
            let dying = try trial.open(writer: .stepped)
            trial = try trial.crashCopy()
            dying.close()
        }
        let reopened = try trial.open(writer: .stepped)
        try await trial.shipper(reopened).shipAll()
        #expect(trial.files.contains(damaged + ".damaged") == isDamage)
        if isDamage { #expect(try trial.bytes(of: damaged + ".damaged") == bytes) }
        #expect(trial.store.count >= 24 && reopened.lag == 0)
        reopened.close()
    }

    @Test("a sealed file of which nothing can be read is set aside, not removed")
    func nothingReadable() throws {
        let bench = try JournalBench()
        let journal = try bench.open(small, writer: .stepped)
        journal.close(bench.record())
        let crashed = try bench.crashCopy()
        journal.close()
        let dying = try crashed.open(writer: .stepped)
        let trial = try crashed.crashCopy()
        dying.close()
        let file = try #require(trial.files.first)
        var bytes = try trial.bytes(of: file)
        bytes[SegmentHeader.length + 12] ^= 1
        try trial.write(bytes, to: file)
        let reopened = try trial.open(writer: .stepped)
        #expect(try trial.bytes(of: file + ".damaged") == bytes)
        reopened.close()
    }
}
