import Kernel

/// Appends little-endian values to a buffer that its owner uses again and again.
struct ByteWriter {
    var bytes: [UInt8]

    init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    mutating func integer<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Overwrites a value written before.
    mutating func replace<T: FixedWidthInteger>(at offset: Int, with value: T) {
        withUnsafeBytes(of: value.littleEndian) { raw in
            for (index, byte) in raw.enumerated() { bytes[offset + index] = byte }
        }
    }

    mutating func id<Kind: IDKind>(_ id: ID<Kind>) {
        integer(id.ulid.high)
        integer(id.ulid.low)
    }

    /// - Parameter limit: bytes kept; what is longer is cut.
    mutating func text(_ text: String, limit: Int) {
        let kept = text.utf8.prefix(limit)
        integer(UInt16(truncatingIfNeeded: kept.count))
        bytes.append(contentsOf: kept)
    }
}

/// Reads what `ByteWriter` wrote; every read fails at the end of the bytes.
struct ByteReader {
    struct Exhausted: Error {}

    private let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func integer<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(Exhausted) -> T {
        let size = MemoryLayout<T>.size
        guard bytes.count - offset >= size else { throw Exhausted() }
        defer { offset += size }
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    mutating func id<Kind: IDKind>(_ kind: Kind.Type = Kind.self) throws(Exhausted) -> ID<Kind> {
        let high: UInt64 = try integer()
        let low: UInt64 = try integer()
        return ID(ULID(high: high, low: low))
    }

    mutating func text() throws(Exhausted) -> String {
        let count = Int(try integer(UInt16.self))
        guard bytes.count - offset >= count else { throw Exhausted() }
        defer { offset += count }
        return String(decoding: bytes[offset..<offset + count], as: UTF8.self)
    }
}
