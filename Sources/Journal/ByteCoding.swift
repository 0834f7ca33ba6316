import Kernel

/// Writes little-endian values into a buffer that its owner uses again and again.
struct ByteWriter {
    private var storage: [UInt8]
    private(set) var count = 0

    init(capacity: Int = 4096) { storage = Array(repeating: 0, count: capacity) }

    /// What was written, as a copy.
    var bytes: [UInt8] { Array(storage[..<count]) }

    func withBytes<Answer>(_ body: (UnsafeRawBufferPointer) -> Answer) -> Answer {
        storage.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }

    mutating func removeAll() { count = 0 }

    mutating func integer<T: FixedWidthInteger>(_ value: T) {
        reserve(MemoryLayout<T>.size)
        replace(at: count, with: value)
        count += MemoryLayout<T>.size
    }

    /// Overwrites a value written before.
    mutating func replace<T: FixedWidthInteger>(at offset: Int, with value: T) {
        storage.withUnsafeMutableBytes { $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self) }
    }

    mutating func id<Kind: IDKind>(_ id: ID<Kind>) {
        integer(id.ulid.high)
        integer(id.ulid.low)
    }

    /// - Parameter limit: bytes kept; what is longer is cut before the character that passes it.
    mutating func text(_ text: String, limit: Int) {
        var text = text
        text.withUTF8 { utf8 in
            var kept = min(utf8.count, limit)
            // Not in the middle of a character: its further bytes begin with the bits 10.
            while kept < utf8.count, kept > 0, utf8[kept] & 0xC0 == 0x80 { kept -= 1 }
            integer(UInt16(truncatingIfNeeded: kept))
            append(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: utf8[..<kept])))
        }
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        reserve(bytes.count)
        let offset = count
        storage.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[offset...]).copyMemory(from: bytes)
        }
        count += bytes.count
    }

    private mutating func reserve(_ size: Int) {
        guard storage.count - count < size else { return }
        storage.append(contentsOf: repeatElement(0, count: max(storage.count, size)))
    }
}

/// Reads what `ByteWriter` wrote; every read fails at the end of the bytes.
struct ByteReader {
    struct Exhausted: Error {}

    private let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// A record has some thirty of them: a call for each would cost more than to read it.
    @inline(__always)
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
        String(decoding: try next(Int(try integer(UInt16.self))), as: UTF8.self)
    }

    mutating func bytes(_ count: Int) throws(Exhausted) -> [UInt8] { Array(try next(count)) }

    private mutating func next(_ count: Int) throws(Exhausted) -> UnsafeRawBufferPointer {
        guard bytes.count - offset >= count else { throw Exhausted() }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }
}
