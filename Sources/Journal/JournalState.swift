import Inference
import Kernel

/// What the journal knows of one of its files.
struct Segment: Sendable {
    let number: UInt64
    /// Where the last whole record ends.
    var length: Int
    /// Up to where everything is a row that becomes one.
    var shipped: Int
    /// Records, and the lowest and the highest sequence among them.
    var records = 0
    var first: UInt64 = 0
    var last: UInt64 = 0
    /// Records that will be rows and are not yet.
    var rows = 0
    /// Whether it holds something that no row was made of.
    var isDamaged = false
    /// Whether its file is not there any more. What it still takes is written to the next one as well.
    var isGone = false
    /// How often in a row its file could not be read.
    var failedReads = 0
    /// Requests whose `open` it holds and that have not ended.
    var running = 0
    /// The ticket of the record that it was last waiting for: it stays until that one is on the disk.
    var releaseTicket: UInt64 = 0

    init(number: UInt64, start: Int = SegmentHeader.length, length: Int = SegmentHeader.length) {
        self.number = number
        self.length = length
        shipped = start
    }

    mutating func note(_ sequence: UInt64, isRow: Bool = false) {
        first = records == 0 ? sequence : min(first, sequence)
        last = max(last, sequence)
        records += 1
        if isRow { rows += 1 }
    }

    var seal: SegmentSeal { SegmentSeal(segment: number, records: records, first: first, last: last) }
}

/// A request that has an `open` and no end yet.
struct RunningRequest: Sendable {
    let open: OpenRequest
    var progress: RequestProgress?
    /// The oldest segment that must stay for it.
    let segment: UInt64
}

/// Everything behind the journal's one lock.
///
/// Records are numbered twice: by sequence, which is on the disk and goes on over restarts, and by ticket, which counts
/// what this process accepted. A ticket is durable when its record is on a disk that said so.
struct JournalState: Sendable {
    struct Waiter: Sendable {
        let ticket: UInt64
        let body: @Sendable () -> Void
    }

    /// Files that take no more records, oldest first. They go in that order.
    var sealed: [Segment] = []
    var active: Segment
    var file: any JournalFile
    /// Files of sealed segments whose last records are not on the disk yet.
    var replaced: [any JournalFile] = []
    /// Segments up to this one were there at the start.
    var recovered: UInt64 = 0
    var lastSequence: UInt64

    var accepted: UInt64 = 0
    var durable: UInt64 = 0
    /// Frames that are on file and not known to be on the disk. Kept, since after a failed sync the file cannot be
    /// trusted to give them back.
    var unsynced = FrameQueue()
    /// Bytes that ever left `unsynced`.
    var syncedBytes = 0
    /// Frames that are not on file: those of the event loops' present turns, and those that the disk did not take.
    /// Nothing is written past them.
    var waiting = FrameQueue()
    var waitingCount: UInt64 = 0
    /// Whether the disk did not take what waits, or it is much: only the writer hands it over then, with its pauses and
    /// in slices.
    var isBehind = false
    /// Grows when `unsynced` is given up for another file: a sync that began before proves nothing.
    var generation = 0
    /// The active file cannot be trusted any more: it is given up for a new one, and never synced again.
    var isSuspect = false
    var waiters: [Waiter] = []
    /// What was accepted when a record was lost. Until that is on the disk nobody is told that something is: whoever
    /// asks may mean the record that is lost.
    private var acceptedBeforeLoss: UInt64?

    /// What the shipper has not taken of the active file.
    var tail = SegmentTail()
    var running: [RequestID: RunningRequest] = [:]
    /// Records on file or in memory that will be rows and are not yet.
    var lag = 0
    /// Reused by every append.
    var scratch = ByteWriter()

    /// Whether the writer's thread waits to be woken.
    var isWriterIdle = false
    var isClosed = false
    /// Closed, and every file with it.
    var isFinished = false
    var freeBytes = Int.max
    var freeBytesLookedAt: Duration?

    init(active: Segment, file: any JournalFile, lastSequence: UInt64) {
        self.active = active
        self.file = file
        self.lastSequence = lastSequence
        tail.begin(at: active.length)
    }

    /// The ticket up to which records are on file.
    var written: UInt64 { accepted - waitingCount }

    /// Whether a pass has something to do.
    var hasWork: Bool { !unsynced.isEmpty || !waiting.isEmpty || isSuspect }

    /// Bytes of all files and of what waits for one.
    var bytes: Int { sealed.reduce(active.length + waiting.byteCount) { $0 + $1.length } }

    mutating func update(_ number: UInt64, _ change: (inout Segment) -> Void) {
        if active.number == number {
            change(&active)
        } else if let index = sealed.lastIndex(where: { $0.number == number }) {
            change(&sealed[index])
        }
    }
}

// MARK: Appending

extension JournalState {
    enum Outcome {
        /// Goes to the file with the next `commit`.
        case noted
        /// Kept in memory behind records that the disk did not take.
        case kept
        case lost
        /// Left out, since memory for what must not be lost is short. No loss: a later one says more.
        case skipped
    }

    /// Puts one record behind those that wait to be written.
    mutating func append(
        _ kind: RecordKind, mostWaiting: Int, _ payload: (inout ByteWriter) -> Void
    ) -> Outcome {
        guard waitingCount < mostWaiting else { return .lost }
        RecordFrame.encode(kind, sequence: lastSequence &+ 1, into: &scratch, payload)
        waiting.append(scratch)
        waitingCount += 1
        lastSequence &+= 1
        accepted += 1
        if kind.isRow { lag += 1 }
        return isBehind ? .kept : .noted
    }

    /// Hands everything that waits to the file, in one write. Where the disk did not take it before, that is left to
    /// the writer.
    /// - Returns: whether the disk has just refused it.
    mutating func commit() -> Bool {
        if waiting.isEmpty || isBehind { return false }
        return !writeFront(.max)
    }

    /// Writes what waits in memory, at most about `limit` bytes.
    /// - Returns: whether the disk took what it was given.
    mutating func writeWaiting(_ limit: Int) -> Bool {
        if waiting.isEmpty || isSuspect { return waiting.isEmpty }
        return writeFront(limit)
    }

    private mutating func writeFront(_ limit: Int) -> Bool {
        // Taken out, so that the queue is changed in place.
        var queue = FrameQueue()
        swap(&queue, &waiting)
        let written = queue.withFront(limit) { frames -> Int? in
            guard take(file.append(frames), of: frames.count) else { return nil }
            note(frames)
            return frames.count
        }
        if let written { queue.removeFirst(written) }
        swap(&queue, &waiting)
        isBehind = written == nil || isBehind && !waiting.isEmpty
        return written != nil
    }

    /// Notes what the file took. A short write is undone, so that the file ends with a whole record.
    private mutating func take(_ count: Int, of wanted: Int) -> Bool {
        if count == wanted { return true }
        if count > 0, file.truncate(to: active.length) != 0 { isSuspect = true }
        return false
    }

    private mutating func note(_ frames: UnsafeRawBufferPointer) {
        // What makes no row is nothing that the shipper has to look at.
        var isNothingToShip = active.shipped == active.length
        FrameQueue.forEachFrame(in: frames) { frame in
            let isRow = RecordFrame.kind(of: frame)?.isRow ?? false
            active.note(RecordFrame.sequence(of: frame), isRow: isRow)
            active.length += frame.count
            if isRow { isNothingToShip = false }
            if isNothingToShip { active.shipped = active.length }
            waitingCount -= 1
        }
        unsynced.append(frames)
        tail.append(frames, from: active.shipped)
    }
}

// MARK: Losses

extension JournalState {
    mutating func noteLoss() { acceptedBeforeLoss = isClosed ? .max : max(accepted, acceptedBeforeLoss ?? 0) }

    /// Whether a record was lost and the disk has not caught up since.
    mutating func isLossRecent() -> Bool {
        guard let accepted = acceptedBeforeLoss else { return false }
        if durable < accepted { return true }
        acceptedBeforeLoss = nil
        return false
    }
}
