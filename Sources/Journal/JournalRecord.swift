package import Inference
package import Kernel

/// A record of the journal. Behind one reference: whoever reads a file holds many of them.
package indirect enum JournalRecord: Sendable, Hashable {
    case open(OpenRequest)
    case progress(RequestProgress)
    case close(UsageRecord)
    case settled(UsageRecord)
    case seal(SegmentSeal)

    /// - Returns: nil for what this version did not write.
    init?(_ kind: RecordKind, _ payload: UnsafeRawBufferPointer) {
        let record: JournalRecord? =
            switch kind {
            case .open: OpenRequestCoding.decode(payload).map(JournalRecord.open)
            case .progress: ProgressCoding.decode(payload).map(JournalRecord.progress)
            case .close: UsageRecordCoding.decode(payload).map(JournalRecord.close)
            case .settled: UsageRecordCoding.decode(payload).map(JournalRecord.settled)
            case .seal: SealCoding.decode(payload).map(JournalRecord.seal)
            }
        guard let record else { return nil }
        self = record
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .open(let request): OpenRequestCoding.encode(request, into: &writer)
        case .progress(let progress): ProgressCoding.encode(progress, into: &writer)
        case .close(let record), .settled(let record): UsageRecordCoding.encode(record, into: &writer)
        case .seal(let seal): SealCoding.encode(seal, into: &writer)
        }
    }

    package var kind: RecordKind {
        switch self {
        case .open: .open
        case .progress: .progress
        case .close: .close
        case .settled: .settled
        case .seal: .seal
        }
    }

    package var request: RequestID? {
        switch self {
        case .open(let open): open.request
        case .progress(let progress): progress.request
        case .close(let record), .settled(let record): record.request
        case .seal: nil
        }
    }
}

/// What a segment holds, said when it takes no more records: at its own end, or in a later segment when a crash ended
/// it.
package struct SegmentSeal: Sendable, Hashable {
    package let segment: UInt64
    /// Records before the seal.
    package let records: Int
    /// The lowest and the highest sequence among them; 0 without any.
    package let first, last: UInt64
}

enum SealCoding {
    private static let version: UInt8 = 1

    static func encode(_ seal: SegmentSeal, into writer: inout ByteWriter) {
        writer.integer(version)
        writer.integer(seal.segment)
        writer.integer(UInt64(clamping: seal.records))
        writer.integer(seal.first)
        writer.integer(seal.last)
    }

    static func decode(_ bytes: UnsafeRawBufferPointer) -> SegmentSeal? {
        var reader = ByteReader(bytes)
        do {
            guard try reader.integer(UInt8.self) == version else { return nil }
            return SegmentSeal(
                segment: try reader.integer(), records: Int(clamping: try reader.integer(UInt64.self)),
                first: try reader.integer(), last: try reader.integer())
        } catch {
            return nil
        }
    }
}
