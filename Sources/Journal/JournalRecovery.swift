import Inference
import Kernel
import Logging
import Metrics

/// What an earlier process left behind.
///
/// It changes nothing but torn tails, which it cuts off, puts aside what it cannot read, and syncs what a killed
/// process may not have synced: whoever acts on a record relies on it. Whatever else is to be said goes into the new
/// segment, so that a crash in the middle of a recovery is one more crash to recover from.
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
    /// Files with bytes behind the last record.
    private var tails: [Tail] = []

    private struct Tail {
        let number: UInt64
        /// Where the last record ends, and where the file does.
        let end, bytes: Int
        let hasRecords: Bool
    }

    var lastSequence: UInt64 { max(sequences.last, nextSequence - 1) }

    init(_ folder: JournalFolder, logger: Logger) throws(FileFailure) {
        let (numbers, setAside) = try folder.numbers()
        highestNumber = max(numbers.last ?? 0, setAside.last ?? 0)
        for number in numbers {
            guard let bytes = try Self.read(number, folder, logger) else { continue }
            let contents = SegmentContents(bytes, number: number)
            if contents.scan.frames.isEmpty {
                try addEmpty(number, contents, folder, logger)
            } else {
                add(number, contents)
                if contents.end == contents.bytes { try folder.makeDurable(number, bytes) }
            }
        }
        for tail in tails { try settle(tail, folder, logger) }
        seals = segments.map(\.seal).filter { !sealed.contains($0.segment) }
    }

    /// One bad file must not keep the platform from starting.
    /// - Returns: nil for one that cannot be read, and was set aside where that could be done.
    private static func read(
        _ number: UInt64, _ folder: JournalFolder, _ logger: Logger
    ) throws(FileFailure) -> [UInt8]? {
        do throws(FileFailure) {
            return try folder.read(number)
        } catch {
            if error.isShortage { throw error }
            let isSetAside = (try? folder.setAside(number)) != nil
            logger.critical(
                "a journal file is gone or cannot be read; what was only there is not stored",
                metadata: ["segment": "\(number)", "set_aside": "\(isSetAside)", "error": "\(error)"])
            return nil
        }
    }

    private mutating func add(_ number: UInt64, _ contents: SegmentContents) {
        var segment = Segment(number: number, start: contents.start, length: contents.end)
        segment.isDamaged = contents.header == nil
        for frame in contents.scan.frames {
            let isRow = frame.kind?.isRow ?? true
            segment.note(frame.sequence, isRow: isRow)
            if isRow { lag += 1 }
            // What a failed sync had written twice counts once.
            guard sequences.insert(frame.sequence), let record = frame.record else { continue }
            requests.note(record)
            if case .seal(let seal) = record { sealed.insert(seal.segment) }
        }
        segments.append(segment)
        noteTail(number, contents, hasRecords: true)
    }

    private mutating func noteTail(_ number: UInt64, _ contents: SegmentContents, hasRecords: Bool) {
        guard contents.end < contents.bytes else { return }
        tails.append(Tail(number: number, end: contents.end, bytes: contents.bytes, hasRecords: hasRecords))
    }

    /// A crash between creating a file and its header leaves a short one; a longer one that cannot be read at all is
    /// damage that a person sees.
    private mutating func addEmpty(
        _ number: UInt64, _ contents: SegmentContents, _ folder: JournalFolder, _ logger: Logger
    ) throws(FileFailure) {
        if let header = contents.header {
            nextSequence = max(nextSequence, header.sequence ?? 1, 1)
            noteTail(number, contents, hasRecords: false)
            if contents.end == contents.bytes { empty.append(number) }
        } else if contents.bytes < SegmentHeader.length {
            empty.append(number)
        } else {
            try folder.setAside(number)
            JournalMetrics().damaged.increment(by: contents.bytes)
            logger.critical(
                "a journal file has no readable header; it was set aside", metadata: ["segment": "\(number)"])
        }
    }

    /// Decided when every file was read, since a later one may hold the seal. A write that a crash cut short leaves
    /// less than one record, in a file that nobody sealed. Anything else was whole once: it is evidence and stays.
    private mutating func settle(
        _ tail: Tail, _ folder: JournalFolder, _ logger: Logger
    ) throws(FileFailure) {
        let metadata: Logger.Metadata = ["segment": "\(tail.number)", "bytes": "\(tail.bytes - tail.end)"]
        let isTorn = !sealed.contains(tail.number) && tail.bytes - tail.end < RecordFrame.longest
        if isTorn {
            if tail.hasRecords {
                try folder.truncate(tail.number, to: tail.end)
                try folder.makeDurable(tail.number, folder.read(tail.number))
            } else {
                empty.append(tail.number)
            }
            logger.warning("the torn tail of a journal file was cut off", metadata: metadata)
        } else if tail.hasRecords {
            // The shipper stores what can be read, counts the rest and sets the file aside.
            for index in segments.indices where segments[index].number == tail.number {
                segments[index].isDamaged = true
                segments[index].length = tail.bytes
            }
            try folder.makeDurable(tail.number, folder.read(tail.number))
            logger.critical("a journal file is damaged at its end; nothing is cut off", metadata: metadata)
        } else {
            try folder.setAside(tail.number)
            JournalMetrics().damaged.increment(by: tail.bytes - tail.end)
            logger.critical("a journal file holds no readable record; it was set aside", metadata: metadata)
        }
    }
}
