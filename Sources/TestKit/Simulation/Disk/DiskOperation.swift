/// What a process does to the disk: where a crash may strike.
package struct DiskOperation: Sendable, Equatable {
    package enum Kind: String, Sendable { case create, write, truncate, sync, rename, remove, syncFolder }

    package let kind: Kind
    /// The file's path when it was opened; a folder for `.syncFolder`.
    package let path: String
    /// Where a write begins, or a truncated file ends.
    package let offset: Int
    /// Bytes written; 0 for everything else.
    package let count: Int
    /// Which of the disk's mounts does it.
    package let mount: Int
}

/// What the hook says about an operation that is about to begin.
package enum DiskVerdict: Sendable, Equatable {
    case proceed
    /// The crash comes first; nothing of the operation takes place.
    case crashBefore(DiskCrash)
    /// The operation takes place; whoever asked for it never learns so.
    case crashAfter(DiskCrash)
    /// Only the first bytes of a write reach the file. As `crashAfter` for what is no write.
    case crashWithin(DiskCrash, bytes: Int)
}

package enum DiskCrash: String, Sendable, CaseIterable {
    /// `kill -9`: memory and locks are gone; what was written stays, synced or not.
    case process
    /// Every process is gone, and of what was not synced a seeded part.
    case power
}

/// What is wrong with the disk. May be changed at any time.
package struct DiskFaults: Sendable, Equatable {
    /// So many of the next syncs fail with EIO. What they should have saved may be lost for good, although later syncs
    /// succeed.
    package var failingSyncs = 0
    /// So many of the next writes fail with EIO and change nothing.
    package var failingWrites = 0
    /// Bytes that all files may have together; the write that would pass it is short, the next one is ENOSPC.
    package var capacity: Int?
    /// One append in so many takes only a part of what it is given; 0 for none. SQLite's writes are never short.
    package var shortAppendOneIn: UInt64 = 0
    /// A sync reports success and does nothing: a planted bug.
    package var syncLies = false
    /// How long a sync takes. The disk waits for nothing: whoever drives it asks.
    package var syncTime: Duration = .zero

    package init() {}
}

/// How often the disk's faults took effect.
package struct DiskFigures: Sendable, Equatable {
    package internal(set) var failedSyncs = 0
    package internal(set) var failedWrites = 0
    /// Writes for which there was too little room.
    package internal(set) var fullWrites = 0
    package internal(set) var shortAppends = 0
}

/// A sync that has begun: what was written later is not part of it.
package struct DiskSync: Sendable {
    let file: Int
    let serial: Int
    let path: String
}

/// The files of a disk, all durable. Cheap to copy: contents are shared until they change.
package struct DiskSnapshot: Sendable {
    let files: [String: [UInt8]]

    package init() { files = [:] }

    init(files: [String: [UInt8]]) { self.files = files }
}
