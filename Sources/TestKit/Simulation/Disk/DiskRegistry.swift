import Synchronization

/// The disks of this process by their number, so that SQLite finds one by a path.
enum DiskRegistry {
    private struct Entry {
        weak var disk: SimulatedDisk?
    }

    // The lowest free number, so that runs that follow each other use the same.
    static func add(_ disk: SimulatedDisk) -> Int {
        entries.withLock { entries in
            var number = 1
            while entries[number] != nil { number += 1 }
            entries[number] = Entry(disk: disk)
            return number
        }
    }

    static func remove(_ number: Int) { entries.withLock { $0[number] = nil } }

    static func disk(_ number: Int) -> SimulatedDisk? { entries.withLock { $0[number]?.disk } }

    private static let entries = Mutex<[Int: Entry]>([:])
}
