import GRDBSQLite
import Journal
import Kernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What lies in the memory that SQLite gives each open file. The first field is SQLite's.
private struct FileSlot {
    var methods: UnsafePointer<sqlite3_io_methods>?
    var file: Unmanaged<SQLiteFile>?
}

private func slot(_ file: UnsafeMutablePointer<sqlite3_file>) -> UnsafeMutablePointer<FileSlot> {
    UnsafeMutableRawPointer(file).assumingMemoryBound(to: FileSlot.self)
}

private func opened(_ file: UnsafeMutablePointer<sqlite3_file>?) -> SQLiteFile? {
    file.flatMap { slot($0).pointee.file?.takeUnretainedValue() }
}

private func machine(_ vfs: UnsafeMutablePointer<sqlite3_vfs>?) -> UnsafeMutablePointer<sqlite3_vfs>? {
    vfs?.pointee.pAppData?.assumingMemoryBound(to: sqlite3_vfs.self)
}

extension SimulatedVFS {
    /// Every call that is not about a simulated path goes to `original`, which stays what it was. Its calls for
    /// loadable extensions do not look at the structure they are called with, so they are copied as they are.
    static func makeVFS(over original: UnsafeMutablePointer<sqlite3_vfs>) -> sqlite3_vfs {
        var vfs = original.pointee
        vfs.iVersion = 2
        vfs.szOsFile = max(original.pointee.szOsFile, CInt(MemoryLayout<FileSlot>.size))
        vfs.zName = name
        vfs.pNext = nil
        vfs.pAppData = UnsafeMutableRawPointer(original)
        vfs.xOpen = openFile
        vfs.xDelete = deleteFile
        vfs.xAccess = accessFile
        vfs.xFullPathname = fullPathname
        vfs.xRandomness = { vfs, count, bytes in
            guard let random = SimulatedVFS.random, let bytes else {
                return machine(vfs)?.pointee.xRandomness?(machine(vfs), count, bytes) ?? 0
            }
            for (index, byte) in random.bytes(Int(count)).enumerated() { bytes[index] = CChar(bitPattern: byte) }
            return count
        }
        // A simulation's thread never waits: nobody else could go on meanwhile.
        vfs.xSleep = { vfs, microseconds in
            SimulatedVFS.clock == nil ? machine(vfs)?.pointee.xSleep?(machine(vfs), microseconds) ?? 0 : microseconds
        }
        vfs.xCurrentTime = { vfs, day in
            guard let clock = SimulatedVFS.clock else {
                return machine(vfs)?.pointee.xCurrentTime?(machine(vfs), day) ?? 1
            }
            day?.pointee = Double(julianMilliseconds(clock)) / 86_400_000
            return SQLITE_OK
        }
        vfs.xCurrentTimeInt64 = { vfs, milliseconds in
            guard let clock = SimulatedVFS.clock else {
                return machine(vfs)?.pointee.xCurrentTimeInt64?(machine(vfs), milliseconds) ?? 1
            }
            milliseconds?.pointee = julianMilliseconds(clock)
            return SQLITE_OK
        }
        return vfs
    }

    // SAFETY: written once, before anybody else can see it; never freed, since SQLite keeps the address.
    private nonisolated(unsafe) static let name: UnsafePointer<CChar> = {
        let bytes = Array("volery-simulation".utf8CString)
        let name = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        name.initialize(from: bytes, count: bytes.count)
        return UnsafePointer(name)
    }()

    // SAFETY: as `name`.
    fileprivate nonisolated(unsafe) static let methods: UnsafePointer<sqlite3_io_methods> = {
        let methods = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        methods.initialize(to: makeMethods())
        return UnsafePointer(methods)
    }()

    private static func makeMethods() -> sqlite3_io_methods {
        var methods = sqlite3_io_methods()
        methods.iVersion = 2
        methods.xClose = { file in
            guard let file, let held = slot(file).pointee.file else { return SQLITE_OK }
            slot(file).pointee.file = nil
            return held.takeRetainedValue().close()
        }
        methods.xRead = { file, buffer, count, offset in
            opened(file)?.read(UnsafeMutableRawBufferPointer(start: buffer, count: Int(count)), at: Int(offset))
                ?? SQLITE_IOERR
        }
        methods.xWrite = { file, buffer, count, offset in
            opened(file)?.write(UnsafeRawBufferPointer(start: buffer, count: Int(count)), at: Int(offset))
                ?? SQLITE_IOERR
        }
        methods.xTruncate = { file, length in opened(file)?.truncate(to: Int(length)) ?? SQLITE_IOERR }
        methods.xSync = { file, _ in opened(file)?.sync() ?? SQLITE_IOERR }
        methods.xFileSize = { file, size in size.flatMap { opened(file)?.size($0) } ?? SQLITE_IOERR }
        methods.xLock = { file, level in opened(file)?.lock(level) ?? SQLITE_IOERR }
        methods.xUnlock = { file, level in opened(file)?.unlock(level) ?? SQLITE_IOERR }
        methods.xCheckReservedLock = { file, answer in answer.flatMap { opened(file)?.isReserved($0) } ?? SQLITE_IOERR }
        methods.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
        methods.xSectorSize = { _ in 4096 }
        // As the machine's: a torn write damages nothing beside it.
        methods.xDeviceCharacteristics = { _ in SQLITE_IOCAP_POWERSAFE_OVERWRITE }
        methods.xShmMap = { file, index, size, extend, answer in
            guard let answer else { return SQLITE_IOERR }
            return opened(file)?.mapMemory(index, size: size, extending: extend != 0, answer) ?? SQLITE_IOERR
        }
        methods.xShmLock = { file, first, count, flags in
            opened(file)?.lockMemory(first, count: count, flags: flags) ?? SQLITE_IOERR
        }
        methods.xShmBarrier = { _ in atomicMemoryFence(ordering: .sequentiallyConsistent) }
        methods.xShmUnmap = { file, _ in opened(file)?.unmapMemory() ?? SQLITE_IOERR }
        return methods
    }
}

private func openFile(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ path: UnsafePointer<CChar>?,
    _ file: UnsafeMutablePointer<sqlite3_file>?,
    _ flags: CInt, _ flagsOut: UnsafeMutablePointer<CInt>?
) -> CInt {
    guard SimulatedVFS.isSimulated(path) else {
        return machine(vfs)?.pointee.xOpen?(machine(vfs), path, file, flags, flagsOut) ?? SQLITE_CANTOPEN
    }
    guard let file else { return SQLITE_MISUSE }
    slot(file).initialize(to: FileSlot(methods: nil, file: nil))
    guard let (mount, path) = SimulatedVFS.place(path) else { return SQLITE_CANTOPEN }
    do {
        let opened = try mount.disk.open(
            path, by: mount.number, creating: flags & SQLITE_OPEN_CREATE != 0,
            exclusive: flags & SQLITE_OPEN_EXCLUSIVE != 0)
        guard let opened else { return SQLITE_CANTOPEN }
        let made = SQLiteFile(mount: mount, file: opened.file, path: path, flags: flags)
        slot(file).pointee = FileSlot(methods: SimulatedVFS.methods, file: Unmanaged.passRetained(made))
        flagsOut?.pointee = flags
        return SQLITE_OK
    } catch {
        return SQLITE_CANTOPEN
    }
}

private func deleteFile(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ path: UnsafePointer<CChar>?, _ syncsFolder: CInt
) -> CInt {
    guard SimulatedVFS.isSimulated(path) else {
        return machine(vfs)?.pointee.xDelete?(machine(vfs), path, syncsFolder) ?? SQLITE_IOERR
    }
    guard let (mount, path) = SimulatedVFS.place(path) else { return IOError.nothingToDelete }
    do {
        guard try mount.disk.remove(path, by: mount.number) else { return IOError.nothingToDelete }
        if syncsFolder != 0 { try mount.disk.syncFolder(SimulatedVFS.folder(of: path), by: mount.number) }
        return SQLITE_OK
    } catch {
        return IOError.delete
    }
}

private func accessFile(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ path: UnsafePointer<CChar>?, _ flags: CInt,
    _ answer: UnsafeMutablePointer<CInt>?
) -> CInt {
    guard SimulatedVFS.isSimulated(path) else {
        return machine(vfs)?.pointee.xAccess?(machine(vfs), path, flags, answer) ?? SQLITE_IOERR
    }
    guard let (mount, path) = SimulatedVFS.place(path), mount.isAlive else { return IOError.access }
    // As on the machine: an empty side file is as good as none.
    let isThere = mount.disk.contents(path).map { flags != SQLITE_ACCESS_EXISTS || !$0.isEmpty } ?? false
    answer?.pointee = isThere ? 1 : 0
    return SQLITE_OK
}

private func fullPathname(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ path: UnsafePointer<CChar>?, _ count: CInt,
    _ text: UnsafeMutablePointer<CChar>?
) -> CInt {
    guard SimulatedVFS.isSimulated(path) else {
        return machine(vfs)?.pointee.xFullPathname?(machine(vfs), path, count, text) ?? SQLITE_CANTOPEN
    }
    guard let path, let text, strlen(path) < count else { return SQLITE_CANTOPEN }
    strcpy(text, path)
    return SQLITE_OK
}

/// SQLite's time: milliseconds since noon of 24 November 4714 BC.
private func julianMilliseconds(_ clock: any Clock) -> Int64 { 210_866_760_000_000 + clock.now.milliseconds }
