/// What the active file ends with, in memory: so the shipper reads back from the disk only what it is far behind with.
///
/// A copy that may be given up at any time. The file has everything.
struct SegmentTail: Sendable {
    /// Bytes. Who lets more come together reads the file.
    static let most = 2 << 20
    /// Bytes that are kept for the next one.
    private static let mostKept = 1 << 20

    private var bytes: [UInt8] = []
    /// Where in the file it begins; nil when it was given up.
    private var start: Int?
    /// The memory of one that was shipped.
    private var spare: [UInt8] = []

    /// Forgets what there is, and begins where the file ends.
    mutating func begin(at end: Int) {
        bytes.removeAll(keepingCapacity: bytes.capacity <= Self.mostKept)
        start = end
    }

    /// Follows what was written to the file.
    /// - Parameter shipped: where the file begins to be of interest.
    mutating func append(_ frames: UnsafeRawBufferPointer, from shipped: Int) {
        guard let start else { return }
        guard bytes.count + frames.count <= Self.most else {
            bytes = []
            self.start = nil
            return
        }
        bytes.append(contentsOf: frames)
        guard shipped > start else { return }
        // Only where everything before these frames was shipped: it is no more than a few.
        bytes.removeFirst(min(shipped - start, bytes.count))
        self.start = shipped
    }

    /// - Returns: whether it is what the file has from `offset` to `end`.
    func isFile(from offset: Int, to end: Int) -> Bool { start == offset && bytes.count == end - offset }

    /// Takes what there is, and begins where the file ends.
    mutating func take(_ end: Int) -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &bytes)
        swap(&bytes, &spare)
        begin(at: end)
        return taken
    }

    /// - Parameter bytes: that were taken, and are not needed any more.
    mutating func keep(_ bytes: [UInt8]) { if bytes.capacity <= Self.mostKept { spare = bytes } }
}
