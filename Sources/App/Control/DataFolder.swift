import Flows
package import Kernel
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The folder that holds everything, and the names in it that other tools rely on.
package struct DataFolder: Sendable, Equatable {
    /// Absolute.
    package let path: String

    package init(_ path: String) { self.path = path }

    package var lock: String { path + "/lock" }
    package var platformFile: String { path + "/platform.json" }
    package var operatorTokenFile: String { path + "/operator-token" }
    package var firstKeyFile: String { path + "/initial-api-key" }
    /// Names the database that the folder was served on.
    package var databaseFile: String { path + "/database-id" }
    package var journal: String { path + "/journal" }
    /// Where the command line reaches a platform whose port speaks TLS.
    package var controlSocket: String { path + "/control.sock" }
    /// Bytes of a socket's path in the file system that every system takes.
    package static let longestSocketPath = 103

    /// Makes the folder, for its owner only. Folders above it are made too.
    /// - Throws: `STORAGE_UNAVAILABLE` or `STORAGE_FULL`.
    package func create() throws(Problem) {
        var made = ""
        for part in path.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) != 0, errno != EEXIST else { continue }
            // A folder above that we may not read is fine, as long as the last one can be used.
            guard made.count < path.count, access(made, F_OK) == 0 else {
                throw Self.problem("The data folder \(path) cannot be made", errno)
            }
        }
        guard access(path, W_OK | X_OK) == 0 else {
            throw Self.problem("The data folder \(path) cannot be written", errno)
        }
    }

    package var exists: Bool { Self.isThere(path) }

    /// Whether a process has ever locked it.
    var isLockable: Bool { Self.isThere(lock) }

    static func isThere(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// - Returns: the file's text without the white space around it; nil when there is none.
    package static func read(_ file: String, limit: Int = 65_536) throws(Problem) -> String? {
        do {
            let descriptor = try FileDescriptor.open(FilePath(file), .readOnly, options: .closeOnExec)
            return try descriptor.closeAfter {
                let bytes = try [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
                    count = try descriptor.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
                let text = String(decoding: bytes, as: UTF8.self)
                guard let first = text.firstIndex(where: { !$0.isWhitespace }),
                    let last = text.lastIndex(where: { !$0.isWhitespace })
                else { return "" }
                return String(text[first...last])
            }
        } catch Errno.noSuchFileOrDirectory {
            return nil
        } catch {
            throw problem("\(file) cannot be read", (error as? Errno)?.rawValue ?? EIO)
        }
    }

    /// Replaces a file at once and durably, readable by the owner only: after a crash there is the old text or the new.
    package static func write(_ text: String, to file: String) throws(Problem) {
        let temporary = file + ".new"
        do {
            unlink(temporary)
            let descriptor = try FileDescriptor.open(
                FilePath(temporary), .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
                permissions: .ownerReadWrite)
            try descriptor.closeAfter {
                _ = try descriptor.writeAll((text + "\n").utf8)
                guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
            guard rename(temporary, file) == 0 else { throw Errno(rawValue: errno) }
            try syncFolder(of: file)
        } catch {
            throw problem("\(file) cannot be written", (error as? Errno)?.rawValue ?? EIO)
        }
    }

    package static func remove(_ file: String) { unlink(file) }

    /// The new name is durable only when its folder is.
    private static func syncFolder(of file: String) throws {
        let folder = FilePath(file).removingLastComponent()
        let descriptor = try FileDescriptor.open(folder, .readOnly, options: .closeOnExec)
        try descriptor.closeAfter {
            guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
        }
    }

    /// Nothing was ever kept here. Who only asks must not make it: a mistyped folder would look like a new platform.
    package var missing: Problem {
        Problem(
            .notFound, exists ? "The folder \(path) holds no platform's data." : "There is no data folder at \(path).",
            hint: "`volery serve` makes one; `--data-dir` names another.")
    }

    static func problem(_ what: String, _ error: CInt) -> Problem {
        if error == ENOSPC || error == EDQUOT { return Problem(.storageFull, "\(what): the disk is full.") }
        return Problem(
            .storageUnavailable, "\(what): \(Errno(rawValue: error)).",
            hint: "Check that the folder belongs to you and can be written, or choose another with --data-dir.")
    }
}

/// The first key's file.
package struct FirstKeyFile: FirstKeyPlace {
    private let folder: DataFolder

    package init(_ folder: DataFolder) { self.folder = folder }

    package func read() throws -> String? { try DataFolder.read(folder.firstKeyFile) }

    package func write(_ token: Secret) throws { try DataFolder.write(token.reveal(), to: folder.firstKeyFile) }

    package func remove() throws { DataFolder.remove(folder.firstKeyFile) }
}

/// The credential of whoever holds the data folder: `vo_` and 200 random bits, in a file of mode 0600.
package enum OperatorToken {
    package static let scheme = "vo_"

    /// Nil when the folder has none yet, or its file holds something else.
    package static func read(in folder: DataFolder) throws(Problem) -> Secret? {
        guard let text = try DataFolder.read(folder.operatorTokenFile), text.hasPrefix(scheme),
            text.utf8.count > scheme.utf8.count + 30
        else { return nil }
        return Secret(text)
    }

    /// The folder's token, made when it is missing. Only the holder of the folder's lock calls this.
    package static func ensure(in folder: DataFolder, random: any RandomSource) throws(Problem) -> Secret {
        if let token = try read(in: folder) { return token }
        let token = scheme + Base32.lowercase(random.bytes(25))
        try DataFolder.write(token, to: folder.operatorTokenFile)
        return Secret(token)
    }
}
