#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What the journal knows of one of its files.
struct Segment: Sendable {
    let number: UInt64
    /// Where the last whole record ends.
    var length: Int
    /// Up to where the rows are stored.
    var shipped = JournalFolder.headerLength
    /// Whether it holds something that no row was made of.
    var isDamaged = false
}

/// Everything behind the journal's one lock. Only the writer's thread opens and closes segments.
struct JournalState {
    /// Files that take no more records, oldest first.
    var sealed: [Segment] = []
    var active: Segment
    var descriptor: CInt
    /// Up to where the active segment is known to be on the disk.
    var synced = JournalFolder.headerLength
    var lastSequence: UInt64
    /// Encoded records that the disk did not take, oldest first. Nothing is written past them.
    var unwritten: [[UInt8]] = []
    /// Records on file or in memory that are not rows yet.
    var lag = 0
    /// Reused by every append.
    var scratch = ByteWriter()
    /// A sync of the active segment failed: it is given up for a new one, and never synced again.
    var isSuspect = false
    /// Whether the writer's thread waits to be woken.
    var isThreadIdle = true
    var isClosed = false

    /// One write. A short one is undone, so that the file ends with a whole record.
    mutating func write(_ frame: UnsafeRawBufferPointer, to disk: JournalDisk) -> Bool {
        let count = disk.write(descriptor, frame)
        if count == frame.count {
            active.length += count
            return true
        }
        if count > 0 { _ = ftruncate(descriptor, off_t(active.length)) }
        return false
    }

    /// Writes what waits in memory, at most `limit` records.
    /// - Returns: whether the disk took every record it was given.
    mutating func writeWaiting(_ limit: Int, to disk: JournalDisk) -> Bool {
        var done = 0
        defer { unwritten.removeFirst(done) }
        for frame in unwritten.prefix(limit) {
            let isTaken = frame.withUnsafeBytes { write($0, to: disk) }
            guard isTaken else { return false }
            done += 1
        }
        return true
    }
}
