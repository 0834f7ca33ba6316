import Inference
import Kernel
import Logging

/// What an earlier process left behind.
///
/// It changes nothing but torn tails, which it cuts off, and syncs what a killed process may not have synced: whoever
/// acts on a record relies on it. Whatever else is to be said goes into the new segment, so that a crash in the middle
/// of a recovery is one more crash to recover from.
struct JournalRecovery {
    /// With records, oldest first.
    private(set) var segments: [Segment] = []
    /// Files without a record: to be removed once a new segment keeps the count going.
    private(set) var empty: [UInt64] = []
    /// Of segments that a crash ended.
    private(set) var seals: [SegmentSeal] = []
    private(set) var requests = OpenRequests()
    private(set) var lag = 0
    private(set) var highestNumber: UInt64 = 0
    private var sequences = SequenceRanges()
    /// What the header of an empty file says.
    private var nextSequence: UInt64 = 1
    private var sealed: Set<UInt64> = []

    var lastSequence: UInt64 { max(sequences.last, nextSequence - 1) }

    init(_ folder: JournalFolder, logger: Logger) throws(FileFailure) {
        let (numbers, setAside) = try folder.numbers()
        highestNumber = max(numbers.last ?? 0, setAside.last ?? 0)
        for number in numbers {
            let bytes = try folder.read(number)
            let contents = SegmentContents(bytes, number: number)
            if contents.scan.frames.isEmpty {
                try addEmpty(number, contents, folder, logger)
            } else {
                try add(number, contents, folder, logger)
                try folder.makeDurable(number, Array(bytes[..<contents.end]))
            }
        }
        seals = segments.map(\.seal).filter { !sealed.contains($0.segment) }
    }

    private mutating func add(
        _ number: UInt64, _ contents: SegmentContents, _ folder: JournalFolder, _ logger: Logger
    ) throws(FileFailure) {
        if contents.end < contents.bytes {
            try folder.truncate(number, to: contents.end)
            logger.warning(
                "the torn tail of a journal file was cut off",
                metadata: ["segment": "\(number)", "bytes": "\(contents.bytes - contents.end)"])
        }
        var segment = Segment(number: number, start: contents.start, length: contents.end)
        segment.isDamaged = contents.header == nil
        for frame in contents.scan.frames {
            segment.note(frame.sequence)
            if frame.kind?.isRow ?? true { lag += 1 }
            // What a failed sync had written twice counts once.
            guard sequences.insert(frame.sequence), let record = frame.record else { continue }
            requests.note(record)
            if case .seal(let seal) = record { sealed.insert(seal.segment) }
        }
        segments.append(segment)
    }

    /// A crash between creating a file and its header leaves a short one; a longer one that cannot be read at all is
    /// damage that a person sees.
    private mutating func addEmpty(
        _ number: UInt64, _ contents: SegmentContents, _ folder: JournalFolder, _ logger: Logger
    ) throws(FileFailure) {
        if let header = contents.header {
            nextSequence = max(nextSequence, header.sequence ?? 1, 1)
            empty.append(number)
        } else if contents.bytes < SegmentHeader.length {
            empty.append(number)
        } else {
            try folder.setAside(number)
            logger.critical(
                "a journal file has no readable header; it was set aside", metadata: ["segment": "\(number)"])
        }
    }
}
