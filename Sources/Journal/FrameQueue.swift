/// Whole frames in memory, one behind the other, oldest first.
struct FrameQueue {
    private var bytes: [UInt8] = []
    /// What lies before it is gone already.
    private var start = 0

    var isEmpty: Bool { start == bytes.count }

    /// Bytes that are held.
    var byteCount: Int { bytes.count - start }

    mutating func append(_ frame: borrowing ByteWriter) { frame.withBytes { bytes.append(contentsOf: $0) } }

    mutating func append(_ frames: UnsafeRawBufferPointer) { bytes.append(contentsOf: frames) }

    /// Puts what `other` holds behind this queue's own.
    mutating func append(_ other: FrameQueue) { bytes.append(contentsOf: other.bytes[other.start...]) }

    mutating func removeFirst(_ count: Int) {
        start += count
        if start == bytes.count {
            // Keeps the room that is used again and again, not what a bad hour took.
            bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 20)
            start = 0
        } else if start > 1 << 16, start > bytes.count / 2 {
            bytes.removeFirst(start)
            start = 0
        }
    }

    /// Whole frames from the front: as many as fit into `limit`, and at least one.
    func withFront<Answer>(_ limit: Int, _ body: (UnsafeRawBufferPointer) -> Answer) -> Answer {
        bytes.withUnsafeBytes { raw in
            var end = start
            while end < raw.count {
                let next = Self.end(of: end, in: raw)
                if next - start > limit, end > start { break }
                end = next
            }
            return body(UnsafeRawBufferPointer(rebasing: raw[start..<end]))
        }
    }

    func forEachFrame(_ body: (UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeBytes { Self.forEachFrame(in: UnsafeRawBufferPointer(rebasing: $0[start...]), body) }
    }

    static func forEachFrame(in bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        var begin = 0
        while begin < bytes.count {
            let end = end(of: begin, in: bytes)
            body(UnsafeRawBufferPointer(rebasing: bytes[begin..<end]))
            begin = end
        }
    }

    private static func end(of begin: Int, in bytes: UnsafeRawBufferPointer) -> Int {
        let length = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: begin, as: UInt32.self))
        return begin + RecordFrame.prefix + Int(length)
    }
}
