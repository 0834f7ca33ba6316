package import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Held by the one process that may change the data folder. The system lets it go when the process ends, however it
/// ends.
package final class FolderLock: Sendable {
    private let descriptor: CInt

    private init(descriptor: CInt) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// - Returns: nil when another process holds it.
    /// - Throws: `STORAGE_UNAVAILABLE` or `STORAGE_FULL`.
    package static func take(in folder: DataFolder) throws(Problem) -> FolderLock? {
        let descriptor = open(folder.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw DataFolder.problem("\(folder.lock) cannot be opened", errno) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let reason = errno
            if reason == EINTR { continue }
            close(descriptor)
            if reason == EWOULDBLOCK { return nil }
            throw DataFolder.problem("\(folder.lock) cannot be locked", reason)
        }
        return FolderLock(descriptor: descriptor)
    }

    /// Keeps the lock until here, whatever the optimizer thinks of the last use.
    package func release() { flock(descriptor, LOCK_UN) }
}
