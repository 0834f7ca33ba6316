import Foundation
import Inference
import Kernel
import TestKit
import Testing

@testable import Journal

@Suite struct JournalRecoveryTests {
    @Test("a record survives its encoding, whatever is absent in it")
    func coding() throws {
        let bench = try JournalBench()
        let full = bench.record()
        let bare = UsageRecord(
            request: full.request, clientRequest: nil, workspace: full.workspace, key: full.key,
            operation: .embeddings, model: "m", deployment: full.deployment, isStream: false, status: .timedOut,
            httpStatus: 504, errorCode: "UPSTREAM_TIMEOUT",
            usage: Usage(inputTokens: 0, outputTokens: 0, source: .counted),
            started: full.started, latency: .seconds(1), firstToken: nil)
        for record in [full, bare] {
            var writer = ByteWriter()
            UsageRecordCoding.encode(record, into: &writer)
            let decoded = writer.bytes.withUnsafeBytes { UsageRecordCoding.decode($0) }
            #expect(decoded == record)
            for count in 0..<writer.bytes.count {
                let cut = writer.bytes[..<count]
                #expect(cut.withUnsafeBytes { UsageRecordCoding.decode($0) } == nil)
            }
        }
    }

    @Test("every case of every enumeration survives the encoding")
    func everyCase() throws {
        let bench = try JournalBench()
        let base = bench.record()
        for operation in Inference.Operation.allCases {
            for status in RequestStatus.allCases {
                for source in CountSource.allCases {
                    let record = UsageRecord(
                        request: base.request, clientRequest: "c", workspace: base.workspace, key: base.key,
                        operation: operation, model: base.model, deployment: base.deployment, isStream: true,
                        status: status, httpStatus: 200, errorCode: nil,
                        usage: Usage(inputTokens: 1, outputTokens: 2, source: source), started: base.started,
                        latency: base.latency, firstToken: base.firstToken)
                    var writer = ByteWriter()
                    UsageRecordCoding.encode(record, into: &writer)
                    #expect(writer.bytes.withUnsafeBytes { UsageRecordCoding.decode($0) } == record)
                }
            }
        }
    }

    @Test("text from outside that is very long is cut, not refused")
    func longText() throws {
        let bench = try JournalBench()
        let base = bench.record()
        let long = UsageRecord(
            request: base.request, clientRequest: String(repeating: "é", count: 100_000), workspace: base.workspace,
            key: base.key, operation: .chat, model: String(repeating: "m", count: 100_000), deployment: base.deployment,
            isStream: false, status: .succeeded, httpStatus: 200, errorCode: nil, usage: base.usage,
            started: base.started, latency: base.latency, firstToken: nil)
        var writer = ByteWriter()
        RecordFrame.encode(.close, sequence: 1, into: &writer) { UsageRecordCoding.encode(long, into: &$0) }
        #expect(writer.bytes.count < RecordFrame.maximumLength)
        let scan = writer.bytes.withUnsafeBytes { SegmentScan($0, .everything) }
        #expect(scan.frames.first?.row?.request == base.request)
    }

    @Test("what was appended before a crash is shipped after it")
    func crash() async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        let records = bench.append(300, to: journal)
        let after = try bench.crashCopy()
        journal.close()
        let reopened = try after.open()
        #expect(reopened.lag == 300)
        #expect(await after.shipper(reopened).drain(within: .seconds(60)))
        for record in records { #expect(after.store.record(of: record.request) == record) }
        #expect(after.store.count == 300)
        reopened.close()
        #expect(try after.isEmptied)
    }

    @Test("a torn tail costs the torn record only, wherever it was torn")
    func tornTail() async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        let records = bench.append(3, to: journal)
        let crashed = try bench.crashCopy()
        journal.close()
        let file = try #require(crashed.files.first)
        let whole = try crashed.bytes(of: file)
        let length = (whole.count - SegmentHeader.length) / 3
        for cut in stride(from: 1, through: length, by: 7) {
            let torn = try JournalBench()
            try FileManager.default.copyItem(atPath: crashed.path, toPath: torn.path)
            try torn.write(whole.dropLast(cut), to: file)
            let reopened = try torn.open()
            #expect(reopened.lag == 2, "cut \(cut)")
            #expect(try torn.bytes(of: file).count == whole.count - length, "cut \(cut)")
            #expect(await torn.shipper(reopened).drain(within: .seconds(60)))
            #expect(torn.store.record(of: records[1].request) == records[1])
            #expect(torn.store.count == 2)
            reopened.close()
        }
    }

    @Test("garbage and zeros behind the last record are cut off", arguments: [0x00, 0xFF, 0x41] as [UInt8])
    func garbage(byte: UInt8) async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        bench.append(3, to: journal)
        let crashed = try bench.crashCopy()
        journal.close()
        let file = try #require(crashed.files.first)
        let whole = try crashed.bytes(of: file)
        try crashed.write(whole + Data(repeating: byte, count: 5000), to: file)
        let reopened = try crashed.open()
        #expect(reopened.lag == 3)
        #expect(try crashed.bytes(of: file) == whole)
        reopened.close()
    }

    @Test("a flipped bit costs one record; the ones behind it are kept, and the file is set aside as evidence")
    func flippedBit() async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        let records = bench.append(5, to: journal)
        let crashed = try bench.crashCopy()
        journal.close()
        let file = try #require(crashed.files.first)
        var bytes = try crashed.bytes(of: file)
        let length = (bytes.count - SegmentHeader.length) / 5
        bytes[SegmentHeader.length + 2 * length + 40] ^= 0x10
        try crashed.write(bytes, to: file)
        let reopened = try crashed.open()
        #expect(await crashed.shipper(reopened).drain(within: .seconds(60)))
        #expect(crashed.store.count == 4)
        #expect(crashed.store.record(of: records[2].request) == nil)
        #expect(crashed.store.record(of: records[4].request) == records[4])
        #expect(crashed.files.contains(file + ".damaged"))
        reopened.close()
        let third = try crashed.open()
        #expect(third.lag == 0)
        crashed.append(1, to: third)
        #expect(!crashed.files.contains(file), "a number that was set aside is not used again")
        third.close()
    }

    @Test("random damage never crashes and never invents a record", arguments: [1, 2, 3, 4] as [UInt64])
    func randomDamage(seed: UInt64) throws {
        let bench = try JournalBench()
        let random = SeededRandom(seed: seed)
        var whole: [UInt8] = []
        var known: Set<RequestID> = []
        var writer = ByteWriter()
        for sequence in 1...20 as ClosedRange<UInt64> {
            let record = bench.record()
            known.insert(record.request)
            RecordFrame.encode(.close, sequence: sequence, into: &writer) {
                UsageRecordCoding.encode(record, into: &$0)
            }
            whole += writer.bytes
        }
        for _ in 0..<200 {
            var bytes = whole
            for _ in 0...random.next(below: 4) {
                bytes[Int(random.next(below: UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            bytes.removeLast(Int(random.next(below: 300)))
            let scan = bytes.withUnsafeBytes { SegmentScan($0, .everything) }
            for frame in scan.frames {
                #expect(frame.row.map { known.contains($0.request) } ?? true, "seed \(seed)")
            }
            #expect(scan.frames.count >= 13, "seed \(seed)")
        }
    }

    @Test(
        "records of a kind or version that is not known are kept on file, not dropped",
        arguments: [("kind", 8), ("version", 9)])
    func unknownKind(what: String, offset: Int) async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        bench.append(1, to: journal)
        let crashed = try bench.crashCopy()
        journal.close()
        let file = try #require(crashed.files.first)
        var writer = ByteWriter()
        RecordFrame.encode(.close, sequence: 2, into: &writer) { UsageRecordCoding.encode(bench.record(), into: &$0) }
        writer.replace(at: RecordFrame.prefix + offset, with: 200 as UInt8)
        let sum = writer.bytes.withUnsafeBytes {
            RecordFrame.checksum(UnsafeRawBufferPointer(rebasing: $0[RecordFrame.prefix...]))
        }
        writer.replace(at: 4, with: sum)
        try crashed.write(try crashed.bytes(of: file) + Data(writer.bytes), to: file)
        let reopened = try crashed.open()
        #expect(reopened.lag == 2)
        #expect(await crashed.shipper(reopened).drain(within: .seconds(60)))
        #expect(crashed.store.count == 1)
        #expect(crashed.files.contains(file + ".damaged"))
        reopened.close()
    }

    @Test("a folder belongs to one process at a time")
    func lock() throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        do {
            _ = try bench.open()
            Issue.record("opened twice")
        } catch {
            #expect(error as? Problem == Problem(.dataFolderInUse))
        }
        journal.close()
        let again = try bench.open()
        again.close()
    }

    @Test("a file cut short inside its header is dropped, and one with a strange header is set aside")
    func headers() throws {
        let bench = try JournalBench()
        try bench.open().close()
        try bench.write(Data([0x56, 0x4F]), to: "00000007.vj")
        try bench.write(Data(repeating: 0x20, count: 64), to: "00000008.vj")
        let journal = try bench.open()
        #expect(bench.files == ["00000008.vj.damaged", "00000009.vj"])
        journal.close()
    }

    @Test("the folder and its files are their owner's alone")
    func modes() throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        func mode(_ path: String) throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        }
        #expect(try mode(bench.path) == 0o700)
        for file in bench.files + ["lock"] { #expect(try mode(bench.path + "/" + file) == 0o600) }
        journal.close()
    }
}
