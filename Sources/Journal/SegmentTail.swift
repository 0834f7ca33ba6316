/// What the active file ends with, in memory: a shipper that keeps up reads nothing back that was just written.
///
/// A copy that may be given up at any time. The file has everything.
struct SegmentTail: Sendable {
    /// Bytes: some ten thousand requests. Who lets more come together reads the file.
    static let most = 8 << 20

    private var bytes: [UInt8] = []
    /// Where in the file it begins; nil when it was given up.
    private var start: Int?
    /// The memory of one that was shipped.
    private var spare: [UInt8] = []

    /// Forgets what there is, and begins where the file ends.
    mutating func begin(at end: Int) { (bytes, start) = ([], end) }

    /// Follows what was written to the file.
    /// - Parameter shipped: where the file begins to be of interest.
    mutating func append(_ frames: UnsafeRawBufferPointer, from shipped: Int) {
        guard let start else { return }
        guard bytes.count + frames.count <= Self.most else { return (bytes, self.start) = ([], nil) }
        bytes.append(contentsOf: frames)
        guard shipped > start else { return }
        // Only where everything before these frames was shipped: it is no more than a few.
        bytes.removeFirst(min(shipped - start, bytes.count))
        self.start = shipped
    }

    /// - Returns: whether it is what the file has from `offset` to `end`.
    func isFile(from offset: Int, to end: Int) -> Bool { start == offset && bytes.count == end - offset }

    /// Takes what there is.
    /// - Parameter end: of the file, where the next one begins.
    mutating func take(endingAt end: Int) -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &bytes)
        swap(&bytes, &spare)
        bytes.removeAll(keepingCapacity: true)
        start = end
        return taken
    }

    /// - Parameter bytes: that were taken, and are not needed any more. What a busy hour made of them is not kept.
    mutating func keep(_ bytes: [UInt8]) { spare = bytes.count >= bytes.capacity / 8 ? bytes : [] }
}
