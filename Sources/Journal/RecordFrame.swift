import CSupport

/// What a record says. The numbers are on disk: none is ever used again.
package enum RecordKind: UInt8, Sendable, CaseIterable {
    /// A request goes to its upstream.
    case open = 1
    /// What a running request has consumed so far.
    case progress = 2
    /// How a request ended.
    case close = 3
    /// How a request ended that was running when an earlier process ended.
    case settled = 4
    /// What a segment holds that takes no more records.
    case seal = 5

    /// Whether the shipper makes a row of it.
    package var isRow: Bool {
        switch self {
        case .close, .settled: true
        case .open, .progress, .seal: false
        }
    }
}

/// How a record lies in a segment: length, CRC-32C, then what these two cover: sequence, kind, payload.
/// All numbers are little-endian.
enum RecordFrame {
    /// Length and sum, which the length does not count.
    static let prefix = 8
    /// Sequence and kind.
    static let head = 9
    /// Greater lengths are damage. The longest record has about 34,000 bytes: a hold of `Hold.maximumParts` parts, and
    /// a decision among many.
    static let maximumLength = 49_152
    /// What a write that was cut short is always shorter than.
    static let longest = prefix + maximumLength

    /// Makes the writer hold one frame.
    static func encode(
        _ kind: RecordKind, sequence: UInt64, into writer: inout ByteWriter, _ payload: (inout ByteWriter) -> Void
    ) {
        writer.removeAll()
        writer.integer(UInt64(0))
        writer.integer(sequence)
        writer.integer(kind.rawValue)
        payload(&writer)
        let sum = writer.withBytes { checksum(UnsafeRawBufferPointer(rebasing: $0[prefix...])) }
        writer.replace(at: 0, with: UInt32(writer.count - prefix))
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

    /// The parts of an intact frame.
    static func sequence(of frame: UnsafeRawBufferPointer) -> UInt64 {
        UInt64(littleEndian: frame.loadUnaligned(fromByteOffset: prefix, as: UInt64.self))
    }

    static func kind(of frame: UnsafeRawBufferPointer) -> RecordKind? { RecordKind(rawValue: frame[prefix + 8]) }

    static func payload(of frame: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: frame[(prefix + head)...])
    }
}
