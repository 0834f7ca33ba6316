import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The machine's file system. Descriptors are closed on `exec`, so that no child keeps a lock.
package final class SystemFiles: JournalFileSystem {
    /// Descriptors of the lock files that are held, by folder.
    private let locks = Mutex<[String: CInt]>([:])

    package init() {}

    deinit {
        for descriptor in locks.withLock({ $0.values.map { $0 } }) { close(descriptor) }
    }

    package func claim(_ folder: String) throws(FileFailure) -> Bool {
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw FileFailure.now("make the folder") }
        let descriptor = open(folder + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileFailure.now("open the lock") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            return false
        }
        let before = locks.withLock { $0.updateValue(descriptor, forKey: folder) }
        if let before { close(before) }
        return true
    }

    package func release(_ folder: String) {
        guard let descriptor = locks.withLock({ $0.removeValue(forKey: folder) }) else { return }
        close(descriptor)
    }

    package func names(in folder: String) throws(FileFailure) -> [String] {
        guard let listing = opendir(folder) else { throw FileFailure.now("list the folder") }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { raw in
                    String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names
    }

    package func create(_ path: String) throws(FileFailure) -> any JournalFile {
        let descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileFailure.now("create a file") }
        return SystemFile(descriptor)
    }

    package func read(_ path: String, from offset: Int, to end: Int) throws(FileFailure) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileFailure.now("open a file") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileFailure.now("look at a file") }
        let count = max(0, min(Int(status.st_size), end) - offset)
        var code: CInt = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let position = off_t(offset + filled)
                let taken = pread(descriptor, buffer.baseAddress?.advanced(by: filled), count - filled, position)
                if taken < 0, errno == EINTR { continue }
                if taken < 0 { code = errno }
                if taken <= 0 { break }
                filled += taken
            }
        }
        guard code == 0 else { throw FileFailure(step: "read a file", code: code) }
        return bytes
    }

    package func truncate(_ path: String, to length: Int) throws(FileFailure) {
        #if canImport(Glibc)
            let outcome = Glibc.truncate(path, off_t(length))
        #else
            let outcome = Darwin.truncate(path, off_t(length))
        #endif
        guard outcome == 0 else { throw FileFailure.now("cut a file") }
    }

    package func sync(_ path: String) throws(FileFailure) {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileFailure.now("open a file") }
        let file = SystemFile(descriptor)
        defer { file.close() }
        let code = file.sync()
        guard code == 0 else { throw FileFailure(step: "sync a file", code: code) }
    }

    package func rename(_ path: String, to other: String) throws(FileFailure) {
        #if canImport(Glibc)
            let outcome = Glibc.rename(path, other)
        #else
            let outcome = Darwin.rename(path, other)
        #endif
        guard outcome == 0 else { throw FileFailure.now("rename a file") }
    }

    package func remove(_ path: String) throws(FileFailure) {
        guard unlink(path) == 0 || errno == ENOENT else { throw FileFailure.now("remove a file") }
    }

    package func syncFolder(_ folder: String) throws(FileFailure) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileFailure.now("open the folder") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileFailure.now("sync the folder") }
    }

    package func freeBytes(in folder: String) throws(FileFailure) -> Int {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { throw FileFailure.now("look at the disk") }
        let (bytes, isMore) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isMore ? .max : Int(clamping: bytes)
    }
}

/// An open file of the machine.
private final class SystemFile: JournalFile {
    /// Negative when it is closed.
    private let descriptor: Atomic<CInt>

    init(_ descriptor: CInt) { self.descriptor = Atomic(descriptor) }

    deinit { close() }

    func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        while true {
            let count = write(descriptor.load(ordering: .relaxed), bytes.baseAddress, bytes.count)
            if count >= 0 { return count }
            if errno != EINTR { return -Int(errno) }
        }
    }

    func truncate(to length: Int) -> CInt {
        ftruncate(descriptor.load(ordering: .relaxed), off_t(length)) == 0 ? 0 : errno
    }

    func sync() -> CInt {
        #if canImport(Glibc)
            let outcome = fdatasync(descriptor.load(ordering: .relaxed))
        #else
            let outcome = fcntl(descriptor.load(ordering: .relaxed), F_FULLFSYNC)
        #endif
        return outcome == 0 ? 0 : errno
    }

    func close() {
        let descriptor = descriptor.exchange(-1, ordering: .relaxed)
        guard descriptor >= 0 else { return }
        #if canImport(Glibc)
            _ = Glibc.close(descriptor)
        #else
            _ = Darwin.close(descriptor)
        #endif
    }
}

extension FileFailure {
    /// Of the call that just failed.
    fileprivate static func now(_ step: String) -> FileFailure { FileFailure(step: step, code: errno) }
}

extension FileFailure: CustomStringConvertible {
    package var description: String { "\(step): \(String(cString: strerror(code)))" }

    var isMissingFile: Bool { code == ENOENT }

    /// What a disk means that takes less than it was given.
    static let noSpace = ENOSPC
}
