/// Syncs, and going over to a new file.
extension JournalState {
    /// Notes a good sync.
    /// - Returns: files that are not needed any more.
    mutating func noteSynced(_ pass: JournalPass) -> [any JournalFile] {
        guard pass.generation == generation, !pass.files.isEmpty else { return [] }
        unsynced.removeFirst(pass.end - syncedBytes)
        syncedBytes = pass.end
        durable = max(durable, pass.ticket)
        let done = Array(replaced.prefix(pass.files.count - 1))
        replaced.removeFirst(done.count)
        return done
    }

    /// Goes over to a new file. After a failed sync everything that was not synced waits to be written once more:
    /// the system may have dropped the pages, and still report the next sync as good. Repeats are harmless.
    /// - Returns: files that are not needed any more.
    mutating func begin(_ number: UInt64, in newFile: any JournalFile) -> [any JournalFile] {
        var done: [any JournalFile] = []
        if isSuspect {
            unsynced.forEachFrame { frame in
                if RecordFrame.kind(of: frame)?.isRow ?? false { lag += 1 }
            }
            waitingCount = accepted - durable
            syncedBytes += unsynced.byteCount
            unsynced.append(waiting)
            (waiting, unsynced) = (unsynced, FrameQueue())
            isBehind = !waiting.isEmpty
            generation += 1
            isSuspect = false
            done = replaced + [file]
            replaced = []
        } else {
            replaced.append(file)
        }
        active.releaseTicket = accepted
        sealed.append(active)
        active = Segment(number: number)
        tail.begin(at: active.length)
        file = newFile
        return done
    }

    /// Takes the callbacks whose records are on the disk.
    mutating func takeDueWaiters() -> [Waiter] {
        guard let first = waiters.first, first.ticket <= durable else { return [] }
        let due = waiters.prefix { $0.ticket <= durable }
        waiters.removeFirst(due.count)
        return Array(due)
    }
}
