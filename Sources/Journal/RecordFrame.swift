import CSupport
import Inference

/// How a record lies in a segment: length, CRC-32C, then what these two cover: sequence, kind, payload.
/// All numbers are little-endian.
enum RecordFrame {
    /// What a record says. Values 1, 2 and 4 are set aside for `open`, `progress` and `settled`.
    enum Kind: UInt8 {
        case close = 3
    }

    /// Length and sum, which the length does not count.
    static let prefix = 8
    /// Sequence and kind.
    static let head = 9
    /// Greater lengths are damage. A `close` record has at most about 3,200 bytes.
    static let maximumLength = 16_384

    static func encode(_ record: UsageRecord, sequence: UInt64, into writer: inout ByteWriter) {
        writer.bytes.removeAll(keepingCapacity: true)
        writer.integer(UInt64(0))
        writer.integer(sequence)
        writer.integer(Kind.close.rawValue)
        UsageRecordCoding.encode(record, into: &writer)
        let length = writer.bytes.count - prefix
        let sum = writer.bytes.withUnsafeBytes { checksum(UnsafeRawBufferPointer(rebasing: $0[prefix...])) }
        writer.replace(at: 0, with: UInt32(length))
        writer.replace(at: 4, with: sum)
    }

    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard let base = bytes.baseAddress else { return 0 }
        return volery_crc32c(0, base, bytes.count)
    }

    /// The end of the intact frame that begins at `offset`; nil when there is none.
    static func end(at offset: Int, in bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count - offset >= prefix + head else { return nil }
        let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        guard (head...maximumLength).contains(length), bytes.count - offset - prefix >= length else { return nil }
        let sum = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
        let begin = offset + prefix
        let covered = UnsafeRawBufferPointer(rebasing: bytes[begin..<begin + length])
        return checksum(covered) == sum ? begin + length : nil
    }
}

/// What a stretch of a segment holds.
struct SegmentScan {
    struct Frame {
        /// Where the next one begins, counted from the start of the stretch.
        let end: Int
        let sequence: UInt64
        /// Nil for a kind or version that this binary does not know.
        let record: UsageRecord?
    }

    private(set) var frames: [Frame] = []
    /// Bytes between intact frames that are not a frame.
    private(set) var damagedBytes = 0
    /// Where the last intact frame ends. What follows is a torn tail.
    private(set) var end = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while offset < bytes.count {
            guard let end = RecordFrame.end(at: offset, in: bytes) else {
                // A damaged record must not cost those behind it: look for the next intact one.
                guard let next = Self.resume(after: offset, in: bytes) else { break }
                damagedBytes += next - offset
                offset = next
                continue
            }
            frames.append(Self.frame(UnsafeRawBufferPointer(rebasing: bytes[offset..<end]), end: end))
            offset = end
            self.end = end
        }
    }

    private static func resume(after offset: Int, in bytes: UnsafeRawBufferPointer) -> Int? {
        guard offset + 1 < bytes.count else { return nil }
        return (offset + 1..<bytes.count).first { RecordFrame.end(at: $0, in: bytes) != nil }
    }

    private static func frame(_ bytes: UnsafeRawBufferPointer, end: Int) -> Frame {
        let sequence = UInt64(
            littleEndian: bytes.loadUnaligned(fromByteOffset: RecordFrame.prefix, as: UInt64.self))
        let kind = RecordFrame.Kind(rawValue: bytes[RecordFrame.prefix + 8])
        let payload = UnsafeRawBufferPointer(rebasing: bytes[(RecordFrame.prefix + RecordFrame.head)...])
        let record: UsageRecord? =
            switch kind {
            case .close: UsageRecordCoding.decode(payload)
            case nil: nil
            }
        return Frame(end: end, sequence: sequence, record: record)
    }
}
