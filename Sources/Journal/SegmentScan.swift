import Inference

/// What a stretch of a segment holds.
struct SegmentScan {
    /// Which payloads are read.
    enum Depth {
        /// None: where the frames lie is enough.
        case frames
        case everything
    }

    struct Frame {
        /// Where it lies, counted from the start of the stretch.
        let begin, end: Int
        let sequence: UInt64
        /// Nil for one that this binary does not know.
        let kind: RecordKind?
        /// Nil when it was not asked for, or cannot be read.
        let record: JournalRecord?
        /// Whether this binary does not know its kind, or the version of its payload where that was asked for.
        let isUnreadable: Bool

        /// Whether it becomes a row.
        var isRow: Bool { kind?.isRow ?? false }
    }

    private(set) var frames: [Frame] = []
    /// Bytes between intact frames that are not a frame.
    private(set) var damagedBytes = 0
    /// Where the last intact frame ends. What follows is a torn tail.
    private(set) var end = 0

    init(_ bytes: UnsafeRawBufferPointer, _ depth: Depth) {
        var offset = 0
        while offset < bytes.count {
            guard let end = RecordFrame.end(at: offset, in: bytes) else {
                // A damaged record must not cost those behind it: look for the next intact one.
                guard let next = Self.resume(after: offset, in: bytes) else { break }
                damagedBytes += next - offset
                offset = next
                continue
            }
            frames.append(Self.frame(bytes, offset..<end, depth))
            offset = end
            self.end = end
        }
    }

    private static func resume(after offset: Int, in bytes: UnsafeRawBufferPointer) -> Int? {
        guard offset + 1 < bytes.count else { return nil }
        return (offset + 1..<bytes.count).first { RecordFrame.end(at: $0, in: bytes) != nil }
    }

    private static func frame(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ depth: Depth) -> Frame {
        let frame = UnsafeRawBufferPointer(rebasing: bytes[range])
        let kind = RecordFrame.kind(of: frame)
        let record =
            switch depth {
            case .frames: JournalRecord?.none
            case .everything: kind.flatMap { JournalRecord($0, RecordFrame.payload(of: frame)) }
            }
        return Frame(
            begin: range.lowerBound, end: range.upperBound, sequence: RecordFrame.sequence(of: frame), kind: kind,
            record: record, isUnreadable: kind == nil || depth == .everything && record == nil)
    }
}

/// What a whole segment file holds.
struct SegmentContents {
    let number: UInt64
    let bytes: Int
    /// Nil when it cannot be read. Then the records are looked for from the first byte on.
    let header: SegmentHeader?
    /// Positions count from `start`.
    let scan: SegmentScan
    /// Where the records begin.
    let start: Int

    /// Where the last intact record ends.
    var end: Int { start + scan.end }

    init(_ bytes: [UInt8], number: UInt64, _ depth: SegmentScan.Depth = .everything) {
        self.number = number
        self.bytes = bytes.count
        let header = bytes.withUnsafeBytes { SegmentHeader($0, of: number) }
        let start = header?.end ?? 0
        self.header = header
        self.start = start
        scan = bytes.withUnsafeBytes { SegmentScan(UnsafeRawBufferPointer(rebasing: $0[start...]), depth) }
    }

    /// What its own last record says of it; nil when it was not sealed in order.
    var seal: SegmentSeal? {
        guard case .seal(let seal) = scan.frames.last?.record, seal.segment == number else { return nil }
        return seal
    }
}
