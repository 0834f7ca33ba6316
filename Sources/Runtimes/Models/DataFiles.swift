import Crypto
import Kernel
package import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// NIO has a type of the same name.
typealias Descriptor = SystemPackage.FileDescriptor

/// What the platform does to files below its data folder, with the errors that people can act on.
package enum DataFiles {
    /// Left free on the disk whatever is fetched, so that the database and the journal can still write.
    static let reserve: Int64 = 256 << 20

    /// Creates the folder and those above it, readable by the owner only.
    package static func makeFolder(_ folder: FilePath) throws {
        if isFolder(folder) { return }
        let parent = folder.removingLastComponent()
        if !parent.isEmpty, parent != folder { try makeFolder(parent) }
        guard mkdir(folder.string, 0o700) == 0 || errno == EEXIST else {
            throw problem("The folder \(folder) cannot be made", Errno(rawValue: errno))
        }
    }

    static func isFolder(_ path: FilePath) -> Bool {
        var facts = stat()
        return stat(path.string, &facts) == 0 && (facts.st_mode & S_IFMT) == S_IFDIR
    }

    /// Bytes of a regular file; nil when there is none.
    static func size(_ path: FilePath) -> Int64? {
        var facts = stat()
        guard stat(path.string, &facts) == 0, (facts.st_mode & S_IFMT) == S_IFREG else { return nil }
        return Int64(facts.st_size)
    }

    /// - Throws: `STORAGE_FULL` when the disk below `folder` has not `bytes` and the reserve to spare.
    static func requireSpace(_ bytes: Int64, in folder: FilePath) throws {
        var facts = statvfs()
        guard statvfs(folder.string, &facts) == 0 else {
            throw problem("The folder \(folder) cannot be read", Errno(rawValue: errno))
        }
        let free = Int64(clamping: UInt64(facts.f_bavail) &* UInt64(facts.f_frsize))
        guard free < bytes + reserve else { return }
        throw Problem(
            .storageFull,
            "\(megabytes(bytes)) are needed below \(folder), and only \(megabytes(max(0, free))) are free.",
            hint: "Free at least \(megabytes(bytes + reserve - free)), or choose another data folder with --data-dir.")
    }

    static func megabytes(_ bytes: Int64) -> String { "\((bytes + 999_999) / 1_000_000) MB" }

    /// Makes a rename of `from` to `to` that survives a power failure: the content first, then the name.
    static func publish(_ from: FilePath, as to: FilePath) throws {
        try sync(from)
        guard rename(from.string, to.string) == 0 else {
            throw problem("\(from) cannot be renamed to \(to)", Errno(rawValue: errno))
        }
        try sync(to.removingLastComponent())
    }

    private static func sync(_ path: FilePath) throws {
        let descriptor = try Descriptor.open(path, .readOnly)
        defer { try? descriptor.close() }
        guard fsync(descriptor.rawValue) == 0 else {
            throw problem("\(path) cannot be written to the disk", Errno(rawValue: errno))
        }
    }

    /// Writes a small file whole, or not at all.
    static func write(_ bytes: some Sequence<UInt8>, to path: FilePath) throws {
        let temporary = FilePath(path.string + ".new")
        do {
            let descriptor = try Descriptor.open(
                temporary, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
            try descriptor.closeAfter { _ = try descriptor.writeAll(bytes) }
        } catch let error as Errno {
            throw problem("\(path) cannot be written", error)
        }
        try publish(temporary, as: path)
    }

    /// Removes a file or a folder with all that is in it; what is not there is no error. Links are not followed.
    static func remove(_ path: FilePath) throws {
        var facts = stat()
        guard lstat(path.string, &facts) == 0 else { return }
        if (facts.st_mode & S_IFMT) == S_IFDIR {
            for name in try names(in: path) { try remove(path.appending(name)) }
        }
        let status = (facts.st_mode & S_IFMT) == S_IFDIR ? rmdir(path.string) : unlink(path.string)
        guard status == 0 || errno == ENOENT else {
            throw problem("\(path) cannot be removed", Errno(rawValue: errno))
        }
    }

    /// Names in a folder, sorted; none when it is not there.
    static func names(in folder: FilePath) throws -> [String] {
        guard let handle = opendir(folder.string) else {
            if errno == ENOENT { return [] }
            throw problem("The folder \(folder) cannot be read", Errno(rawValue: errno))
        }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Bytes of all files below a folder.
    static func diskUse(_ folder: FilePath) throws -> Int64 {
        var total: Int64 = 0
        for name in try names(in: folder) {
            let path = folder.appending(name)
            if isFolder(path) { total += try diskUse(path) } else { total += size(path) ?? 0 }
        }
        return total
    }

    /// What an error number of the system means to the person in front of it.
    static func problem(_ what: String, _ error: Errno) -> Problem {
        switch error {
        case .noSpace: Problem(.storageFull, "\(what): the disk is full.")
        case Errno(rawValue: EDQUOT): Problem(.storageFull, "\(what): the disk quota is used up.")
        default:
            Problem(
                .storageUnavailable, "\(what): \(error.description).",
                hint: "Check that the data folder is writable by the user who runs Volery.")
        }
    }
}

/// The SHA-256 of a growing file.
struct Checksum {
    private var hasher = SHA256()
    private(set) var bytes: Int64 = 0

    mutating func take(_ chunk: UnsafeRawBufferPointer) {
        hasher.update(bufferPointer: chunk)
        bytes += Int64(chunk.count)
    }

    /// Lower-case hexadecimal.
    func hexadecimal() -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in hasher.finalize() { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads a file from its start to its end. Throws `CancellationError` between two pieces.
    static func of(_ descriptor: Descriptor) throws -> Checksum {
        var sum = Checksum()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            try Task.checkCancellation()
            let count = try descriptor.read(fromAbsoluteOffset: sum.bytes, into: buffer)
            if count == 0 { return sum }
            sum.take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    static func of(_ path: FilePath) throws -> Checksum {
        let descriptor = try Descriptor.open(path, .readOnly)
        defer { try? descriptor.close() }
        return try of(descriptor)
    }
}
