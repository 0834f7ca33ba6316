import Inference
package import Kernel
package import Logging
import Metrics

extension SegmentedJournal {
    /// Takes the folder, cuts torn tails, and begins a new segment. Every older one waits for the shipper.
    /// - Throws: `Problem(.dataFolderInUse)` when another process has it; `.journalUnavailable`; what an operator needs
    ///   beside it is logged.
    package static func open(
        folder path: String, clock: any Clock, logger: Logger, limits: Limits = Limits(), disk: JournalDisk = .system
    ) throws(Problem) -> SegmentedJournal {
        do {
            let folder = try JournalFolder(path: path)
            guard folder.takeLock() == .taken else { throw Problem(.dataFolderInUse) }
            let recovery = try Recovery(folder, logger: logger)
            let number = recovery.highestNumber + 1
            let state = JournalState(
                sealed: recovery.segments, active: Segment(number: number, length: headerLength),
                descriptor: try folder.create(number, disk: disk), lastSequence: recovery.lastSequence,
                lag: recovery.records)
            let journal = SegmentedJournal(
                folder: folder, state: state, disk: disk, limits: limits, clock: clock, logger: logger)
            journal.metrics.lag.record(recovery.records)
            journal.startThread()
            return journal
        } catch let problem as Problem {
            throw problem
        } catch {
            logger.error("the journal cannot be opened", metadata: ["path": "\(path)", "error": "\(error)"])
            throw Problem(.journalUnavailable)
        }
    }

    private static var headerLength: Int { JournalFolder.headerLength }
}

/// What an earlier process left behind.
private struct Recovery {
    private(set) var segments: [Segment] = []
    private(set) var records = 0
    private(set) var lastSequence: UInt64 = 0
    private(set) var highestNumber: UInt64 = 0

    init(_ folder: JournalFolder, logger: Logger) throws {
        highestNumber = try folder.segmentsSetAside().last ?? 0
        for number in try folder.segments() {
            highestNumber = max(highestNumber, number)
            let bytes = try folder.read(number, from: 0)
            guard JournalFolder.isHeader(bytes, of: number) else {
                try dropHeadless(number, count: bytes.count, in: folder, logger: logger)
                continue
            }
            try add(number, bytes: bytes, in: folder, logger: logger)
        }
    }

    private mutating func add(_ number: UInt64, bytes: [UInt8], in folder: JournalFolder, logger: Logger) throws {
        let start = JournalFolder.headerLength
        let scan = bytes.withUnsafeBytes { SegmentScan(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        let length = start + scan.end
        if length < bytes.count {
            try folder.truncate(number, to: length)
            logger.warning(
                "the torn tail of a journal file was cut off",
                metadata: ["segment": "\(number)", "bytes": "\(bytes.count - length)"])
        }
        if scan.frames.isEmpty {
            try folder.remove(number)
            return
        }
        segments.append(Segment(number: number, length: length))
        records += scan.frames.count
        lastSequence = max(lastSequence, scan.frames.map(\.sequence).max() ?? 0)
    }

    /// A crash between creating a file and its header leaves a short one; a longer one is damage that a person sees.
    private func dropHeadless(_ number: UInt64, count: Int, in folder: JournalFolder, logger: Logger) throws {
        if count < JournalFolder.headerLength {
            try folder.remove(number)
        } else {
            try folder.setAside(number)
            logger.critical(
                "a journal file has no readable header; it was set aside", metadata: ["segment": "\(number)"])
        }
    }
}
