import Kernel

/// Writes little-endian values into memory that its owner uses again and again. A record has some fifty of them: an
/// array would look for each whether it is its own.
// SAFETY: it belongs to one owner, who uses it behind a lock or alone.
final class ByteWriter: @unchecked Sendable {
    private var memory: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(capacity: Int = 4096) { memory = Self.allocate(capacity) }

    deinit { memory.deallocate() }

    private static func allocate(_ capacity: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
    }

    /// What was written, as a copy.
    var bytes: [UInt8] { withBytes { Array($0) } }

    func withBytes<Answer>(_ body: (UnsafeRawBufferPointer) -> Answer) -> Answer {
        body(UnsafeRawBufferPointer(rebasing: memory[..<count]))
    }

    func removeAll() { count = 0 }

    @inline(__always)
    func integer<T: FixedWidthInteger>(_ value: T) {
        reserve(MemoryLayout<T>.size)
        memory.storeBytes(of: value.littleEndian, toByteOffset: count, as: T.self)
        count += MemoryLayout<T>.size
    }

    /// Overwrites a value written before.
    func replace<T: FixedWidthInteger>(at offset: Int, with value: T) {
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= count)
        memory.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }

    func id<Kind: IDKind>(_ id: ID<Kind>) {
        integer(id.ulid.high)
        integer(id.ulid.low)
    }

    /// - Parameter limit: bytes kept; what is longer is cut before the character that passes it.
    func text(_ text: String, limit: Int) {
        var text = text
        text.withUTF8 { utf8 in
            var kept = min(utf8.count, limit)
            // Not in the middle of a character: its further bytes begin with the bits 10.
            while kept < utf8.count, kept > 0, utf8[kept] & 0xC0 == 0x80 { kept -= 1 }
            integer(UInt16(truncatingIfNeeded: kept))
            append(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: utf8[..<kept])))
        }
    }

    func append(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        reserve(bytes.count)
        UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: bytes)
        count += bytes.count
    }

    @inline(__always)
    private func reserve(_ size: Int) {
        if memory.count - count < size { grow(by: size) }
    }

    @inline(never)
    private func grow(by size: Int) {
        let larger = Self.allocate(memory.count + max(memory.count, size))
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[..<count]))
        memory.deallocate()
        memory = larger
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
