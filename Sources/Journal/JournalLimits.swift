/// What bounds a journal.
package struct JournalLimits: Sendable {
    package enum Mode: String, Sendable, CaseIterable {
        /// Records are on the disk within `syncInterval`.
        case group
        /// Records are on the disk before what they promise is acted on.
        case strict
    }

    package var mode = Mode.group
    /// How long records are gathered before one sync. Also the pause between tries on a failing disk, times ten.
    package var syncInterval: Duration = .milliseconds(5)
    /// Bytes after which the next file is begun; never more than a sixteenth of `maximumBytes`.
    package var segmentBytes = 16 * 1024 * 1024
    /// Records that may wait in memory for a failing disk. No new work starts meanwhile, so this holds what is
    /// under way.
    package var unwrittenRecords = 65_536
    /// Bytes of all files together, beyond which no new work starts. Requests that run may still write theirs.
    package var maximumBytes = 4 << 30
    /// Free bytes of the disk, below which no new work starts.
    package var minimumFreeBytes = 256 << 20
    /// Bytes that may wait for a sync. A disk that hangs for longer stops new work.
    package var unsyncedBytes = 64 << 20
    /// Requests that may run at once; each is held in memory, at about half a kilobyte.
    package var runningRequests = 262_144
    /// Files that requests which still run may keep, once everything in them is stored. Then these are copied forward.
    package var heldSegments = 4

    package init() {}

    /// How many records may wait already where one of this kind joins them. A progress is left out first, and then
    /// requests that begin are: what is reserved by that is for the ends, which nothing else can tell.
    func mostWaiting(for kind: RecordKind) -> Int {
        switch kind {
        case .progress: unwrittenRecords / 2
        case .open: max(1, unwrittenRecords - unwrittenRecords / 4)
        case .close, .settled, .seal: max(1, unwrittenRecords)
        }
    }

    var rotationBytes: Int { min(segmentBytes, max(maximumBytes / 16, 4096)) }
}

/// Who runs the journal's passes.
package enum JournalWriter: Sendable {
    /// A thread of its own.
    case thread
    /// The caller, with `beginPass`, `sync` and `endPass`: for a simulation that decides what happens when.
    case stepped
}
