import GRDBSQLite
import Journal
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file as one of SQLite's connections has it open, on a simulated disk. Results are SQLite's codes.
final class SQLiteFile {
    private let mount: Mount
    private let file: Int
    private let path: String
    private let isDeletedOnClose: Bool
    /// SQLite's side files are new and their names not durable; the first sync sees to it.
    private var syncsFolder: Bool
    private var memory: SharedMemory?
    private var disk: SimulatedDisk { mount.disk }
    /// Tells the open files apart.
    private let connection: Int

    init(mount: Mount, file: Int, path: String, flags: CInt) {
        self.mount = mount
        self.file = file
        self.path = path
        connection = mount.disk.nextConnection()
        isDeletedOnClose = flags & SQLITE_OPEN_DELETEONCLOSE != 0
        let logs = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL
        // As SQLite's own does: also for one that is there, since its name may not be durable yet.
        syncsFolder = flags & SQLITE_OPEN_CREATE != 0 && flags & logs != 0
    }

    func close() -> CInt {
        locks { $0.close(connection) }
        if isDeletedOnClose { _ = try? disk.remove(path, by: mount.number) }
        return SQLITE_OK
    }

    func read(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> CInt {
        do {
            let count = try disk.read(file, by: mount.number, at: offset, into: buffer)
            guard count < buffer.count else { return SQLITE_OK }
            UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).initializeMemory(as: UInt8.self, repeating: 0)
            return IOError.shortRead
        } catch {
            return IOError.read
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> CInt {
        do {
            let count = try disk.write(file, path, by: mount.number, at: offset, bytes)
            return count == bytes.count ? SQLITE_OK : SQLITE_FULL
        } catch {
            return error.code == ENOSPC ? SQLITE_FULL : IOError.write
        }
    }

    func truncate(to length: Int) -> CInt {
        result(IOError.truncate) { () throws(FileFailure) in
            try disk.truncate(file, path, by: mount.number, to: length)
        }
    }

    func sync() -> CInt {
        result(IOError.sync) { () throws(FileFailure) in
            try disk.endSync(disk.beginSync(file, path), by: mount.number)
            guard syncsFolder else { return }
            try disk.syncFolder(SimulatedVFS.folder(of: path), by: mount.number)
            syncsFolder = false
        }
    }

    func size(_ size: UnsafeMutablePointer<sqlite3_int64>) -> CInt {
        result(IOError.size) { () throws(FileFailure) in
            size.pointee = sqlite3_int64(try disk.size(file, by: mount.number))
        }
    }

    func lock(_ level: CInt) -> CInt {
        guard let level = SQLiteLocks.Level(rawValue: level) else { return SQLITE_MISUSE }
        guard mount.isAlive else { return IOError.lock }
        return locks { $0.lock(connection, mount: mount.number, to: level) } ? SQLITE_OK : SQLITE_BUSY
    }

    func unlock(_ level: CInt) -> CInt {
        guard let level = SQLiteLocks.Level(rawValue: level) else { return SQLITE_MISUSE }
        locks { $0.unlock(connection, to: level) }
        return SQLITE_OK
    }

    func isReserved(_ answer: UnsafeMutablePointer<CInt>) -> CInt {
        answer.pointee = locks { $0.isReserved } ? 1 : 0
        return SQLITE_OK
    }

    func mapMemory(
        _ index: CInt, size: CInt, extending: Bool, _ answer: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    ) -> CInt {
        guard mount.isAlive else { return IOError.memoryMap }
        if memory == nil { memory = locks { $0.useMemory(connection, mount: mount.number) } }
        guard let memory else { return SQLITE_NOMEM }
        answer.pointee =
            disk.state.withLock { _ in
                SendablePointer(memory.region(Int(index), size: Int(size), extending: extending))
            }.pointer
        return SQLITE_OK
    }

    func lockMemory(_ first: CInt, count: CInt, flags: CInt) -> CInt {
        guard mount.isAlive else { return IOError.memoryLock }
        let mask = ((UInt32(1) << UInt32(count)) - 1) << UInt32(first)
        if flags & SQLITE_SHM_UNLOCK != 0 {
            locks { $0.unlockSlots(connection, mask) }
            return SQLITE_OK
        }
        let isExclusive = flags & SQLITE_SHM_EXCLUSIVE != 0
        let isLocked = locks { locks in
            locks.lockSlots(connection, mount: mount.number, mask, exclusive: isExclusive)
        }
        return isLocked ? SQLITE_OK : SQLITE_BUSY
    }

    func unmapMemory() -> CInt {
        locks { $0.dropMemory(connection) }
        memory = nil
        return SQLITE_OK
    }

    private func result(_ failure: CInt, _ work: () throws(FileFailure) -> Void) -> CInt {
        do {
            try work()
            return SQLITE_OK
        } catch {
            return failure
        }
    }

    /// A dead mount has no locks; its ghosts take none.
    private func locks<T: Sendable>(_ change: (inout SQLiteLocks) -> T) -> T {
        let (file, number) = (file, mount.number)
        return disk.state.withLock { state in
            guard state.mounts.contains(number) else {
                var nobodys = SQLiteLocks()
                return change(&nobodys)
            }
            return change(&state.sqlite[file, default: SQLiteLocks()])
        }
    }
}

// SAFETY: only carries the address out of the lock.
private struct SendablePointer: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer?

    init(_ pointer: UnsafeMutableRawPointer?) { self.pointer = pointer }
}
