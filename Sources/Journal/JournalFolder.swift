import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The journal's folder: its lock, and its segments by number.
///
/// One process owns it at a time. Descriptors are closed on `exec`, so that no child keeps the lock.
final class JournalFolder: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let step: String
        let code: CInt
        var description: String { "\(step): \(String(cString: strerror(code)))" }
    }

    enum LockOutcome { case taken, heldByAnother }

    /// Magic, format, reserved, number.
    static let headerLength = 16
    private static let magic: [UInt8] = Array("VOLJ".utf8)
    private static let format: UInt16 = 1

    let path: String
    private let folder: CInt
    private let lock: CInt

    /// Creates the folder (mode 0700) where it is missing; the one around it must exist.
    init(path: String) throws(Failure) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Failure(step: "mkdir", code: errno) }
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw Failure(step: "open the folder", code: errno) }
        let lock = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else {
            let code = errno
            close(folder)
            throw Failure(step: "open the lock", code: code)
        }
        self.path = path
        self.folder = folder
        self.lock = lock
    }

    deinit {
        close(lock)
        close(folder)
    }

    func takeLock() -> LockOutcome { flock(lock, LOCK_EX | LOCK_NB) == 0 ? .taken : .heldByAnother }

    func dropLock() { _ = flock(lock, LOCK_UN) }

    /// The numbers of the segments that are there, in order.
    func segments() throws(Failure) -> [UInt64] { try numbers(endingIn: ".vj") }

    /// The numbers of those that were set aside.
    func segmentsSetAside() throws(Failure) -> [UInt64] { try numbers(endingIn: ".vj.damaged") }

    private func numbers(endingIn suffix: String) throws(Failure) -> [UInt64] {
        guard let listing = opendir(path) else { throw Failure(step: "list the folder", code: errno) }
        defer { closedir(listing) }
        var numbers: [UInt64] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasSuffix(suffix), let number = UInt64(name.dropLast(suffix.count)) else { continue }
            numbers.append(number)
        }
        return numbers.sorted()
    }

    /// A new segment with its header; the name is durable when this returns.
    func create(_ number: UInt64, disk: JournalDisk) throws(Failure) -> CInt {
        let file = file(number)
        // A leftover of the same number is an earlier try that failed before the first record.
        let descriptor = open(file, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(step: "create a segment", code: errno) }
        var header = ByteWriter(Self.magic)
        header.integer(Self.format)
        header.integer(UInt16(0))
        header.integer(number)
        let written = header.bytes.withUnsafeBytes { disk.write(descriptor, $0) }
        guard written == Self.headerLength, disk.sync(descriptor) == 0, fsync(folder) == 0 else {
            let code = errno
            close(descriptor)
            unlink(file)
            throw Failure(step: "begin a segment", code: code)
        }
        return descriptor
    }

    /// The bytes of a segment from `offset` on, at most up to `end`.
    func read(_ number: UInt64, from offset: Int, to end: Int = .max) throws(Failure) -> [UInt8] {
        let descriptor = open(file(number), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(step: "open a segment", code: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Failure(step: "look at a segment", code: errno) }
        let count = max(0, min(Int(status.st_size), end) - offset)
        var code: CInt = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let taken = pread(descriptor, buffer.baseAddress?.advanced(by: filled), count - filled, offset + filled)
                if taken < 0, errno == EINTR { continue }
                if taken < 0 { code = errno }
                if taken <= 0 { break }
                filled += taken
            }
        }
        guard code == 0 else { throw Failure(step: "read a segment", code: code) }
        return bytes
    }

    /// Whether the bytes begin with the header of segment `number`.
    static func isHeader(_ bytes: [UInt8], of number: UInt64) -> Bool {
        guard bytes.count >= headerLength, bytes.starts(with: magic) else { return false }
        return bytes.withUnsafeBytes { raw in
            var reader = ByteReader(UnsafeRawBufferPointer(rebasing: raw[magic.count...]))
            do {
                guard try reader.integer(UInt16.self) == format else { return false }
                _ = try reader.integer(UInt16.self)
                return try reader.integer(UInt64.self) == number
            } catch {
                return false
            }
        }
    }

    func truncate(_ number: UInt64, to length: Int) throws(Failure) {
        #if canImport(Glibc)
            let outcome = Glibc.truncate(file(number), length)
        #else
            let outcome = Darwin.truncate(file(number), off_t(length))
        #endif
        guard outcome == 0 else { throw Failure(step: "cut a torn tail", code: errno) }
    }

    func remove(_ number: UInt64) throws(Failure) {
        guard unlink(file(number)) == 0 || errno == ENOENT else {
            throw Failure(step: "remove a segment", code: errno)
        }
    }

    /// Puts a segment aside that holds something unreadable: evidence for a person, and out of the shipper's way.
    func setAside(_ number: UInt64) throws(Failure) {
        guard rename(file(number), file(number) + ".damaged") == 0 else {
            throw Failure(step: "set a segment aside", code: errno)
        }
    }

    private func file(_ number: UInt64) -> String {
        let digits = String(number)
        return path + "/" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits + ".vj"
    }
}
