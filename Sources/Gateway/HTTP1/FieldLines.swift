import Kernel
import NIOCore

/// Header fields as they stand on the wire, written where they go out from: no table of texts is made first, and none
/// is asked afterwards.
///
/// No value ends its line: what would is written as a blank, so that no field and no answer can be made up within one.
struct FieldLines {
    private(set) var bytes: ByteBuffer

    /// - Parameter bytes: what the lines go behind.
    init(into bytes: ByteBuffer = ByteBuffer()) { self.bytes = bytes }

    mutating func add(_ name: StaticString, _ value: String) {
        var value = value
        value.withUTF8 { add(UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), $0) }
    }

    mutating func add(_ name: StaticString, _ value: some TextWritable) {
        add(most: name.utf8CodeUnitCount + value.longestText + 4) { $0.line(name, value) }
    }

    /// Lines whose names and values are ours, with one look at the room for all of them.
    /// - Parameters:
    ///   - most: bytes that they take at most.
    ///   - body: puts them.
    mutating func add(most: Int, _ body: (inout TextCursor) -> Void) {
        bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: most) { target in
            target.withMemoryRebound(to: UInt8.self) { target in
                var cursor = TextCursor(target)
                body(&cursor)
                return cursor.count
            }
        }
    }

    mutating func add(_ lines: FieldLines) { bytes.writeImmutableBuffer(lines.bytes) }

    /// - Parameter fields: their names are ours.
    mutating func add(_ fields: [(name: String, value: String)]) {
        for var (name, value) in fields {
            name.withUTF8 { name in value.withUTF8 { add(UnsafeRawBufferPointer(name), $0) } }
        }
    }

    /// Whatever is not a field: the line before them, or what ends them.
    mutating func put(_ text: StaticString) { bytes.writeStaticString(text) }

    mutating func put(text: String) { bytes.writeString(text) }

    private mutating func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeBufferPointer<UInt8>) {
        let count = name.count + value.count + 4
        bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            target.copyMemory(from: name)
            target[name.count] = UInt8(ascii: ":")
            target[name.count + 1] = UInt8(ascii: " ")
            // Without a look at sums, which cannot overflow: several bytes at a time then.
            let start = name.count &+ 2
            for place in value.indices {
                let byte = value[place]
                target[start &+ place] = byte < 0x20 || byte == 0x7F ? UInt8(ascii: " ") : byte
            }
            target[count - 2] = UInt8(ascii: "\r")
            target[count - 1] = UInt8(ascii: "\n")
            return count
        }
    }
}

extension TextCursor {
    mutating func put(_ bytes: ByteBuffer) {
        bytes.withUnsafeReadableBytes { put($0.assumingMemoryBound(to: UInt8.self)) }
    }

    /// - Parameter unit: goes behind the value.
    @inline(__always)
    mutating func line(_ name: StaticString, _ value: some TextWritable, unit: StaticString = "") {
        put(name)
        put(": ")
        put(value)
        put(unit)
        put("\r\n")
    }
}
