package import Journal
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The journal's file system on a simulated disk. A folder is there as soon as it is named.
package struct SimulatedFiles: JournalFileSystem {
    private let mount: Mount
    private var disk: SimulatedDisk { mount.disk }

    init(_ mount: Mount) { self.mount = mount }

    package func claim(_ folder: String) throws(FileFailure) -> Bool {
        let number = mount.number
        return try disk.look(number, "claim") { state throws(FileFailure) in
            guard state.folderLocks[folder] == nil else { return false }
            state.folderLocks[folder] = number
            return true
        }
    }

    package func release(_ folder: String) {
        let number = mount.number
        disk.state.withLock { state in
            if state.folderLocks[folder] == number { state.folderLocks[folder] = nil }
        }
    }

    package func names(in folder: String) throws(FileFailure) -> [String] {
        try disk.look(mount.number, "names") { state throws(FileFailure) in state.names.names(in: folder) }
    }

    package func create(_ path: String) throws(FileFailure) -> any JournalFile {
        guard let (file, isNew) = try disk.open(path, by: mount.number, creating: true) else {
            throw FileFailure(step: "create", code: EIO)
        }
        let created = SimulatedFile(mount: mount, file: file, path: path)
        if !isNew, case let code = created.truncate(to: 0), code != 0 {
            throw FileFailure(step: "create", code: code)
        }
        return created
    }

    package func read(_ path: String, from offset: Int, to end: Int) throws(FileFailure) -> [UInt8] {
        try disk.look(mount.number, "read") { state throws(FileFailure) in
            guard let file = state.names[path], let bytes = state.files[file]?.bytes else {
                throw FileFailure(step: "read", code: ENOENT)
            }
            let last = min(end, bytes.count)
            return offset < last ? Array(bytes[offset..<last]) : []
        }
    }

    package func truncate(_ path: String, to length: Int) throws(FileFailure) {
        guard let (file, _) = try disk.open(path, by: mount.number, creating: false) else {
            throw FileFailure(step: "truncate", code: ENOENT)
        }
        try disk.truncate(file, path, by: mount.number, to: length)
    }

    package func sync(_ path: String) throws(FileFailure) {
        guard let (file, _) = try disk.open(path, by: mount.number, creating: false) else {
            throw FileFailure(step: "sync", code: ENOENT)
        }
        let code = SimulatedFile(mount: mount, file: file, path: path).sync()
        guard code == 0 else { throw FileFailure(step: "sync", code: code) }
    }

    package func rename(_ path: String, to other: String) throws(FileFailure) {
        try disk.rename(path, to: other, by: mount.number)
    }

    package func remove(_ path: String) throws(FileFailure) { try disk.remove(path, by: mount.number) }

    package func syncFolder(_ folder: String) throws(FileFailure) { try disk.syncFolder(folder, by: mount.number) }

    package func freeBytes(in folder: String) throws(FileFailure) -> Int {
        try disk.look(mount.number, "freeBytes") { state throws(FileFailure) in
            state.faults.capacity.map { max(0, $0 - state.usedBytes) } ?? .max
        }
    }
}

/// An open file of the journal on a simulated disk.
package final class SimulatedFile: JournalFile {
    private let mount: Mount
    private let file: Int
    private let path: String

    init(mount: Mount, file: Int, path: String) {
        self.mount = mount
        self.file = file
        self.path = path
    }

    package func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        do {
            return try mount.disk.write(file, path, by: mount.number, at: nil, bytes)
        } catch {
            return -Int(error.code)
        }
    }

    package func truncate(to length: Int) -> CInt {
        do {
            try mount.disk.truncate(file, path, by: mount.number, to: length)
            return 0
        } catch {
            return error.code
        }
    }

    package func sync() -> CInt { endSync(beginSync()) }

    /// For a sync that takes time: what is appended from now on is not part of it.
    package func beginSync() -> DiskSync { mount.disk.beginSync(file, path) }

    /// - Returns: 0, or the `errno`.
    package func endSync(_ sync: DiskSync) -> CInt {
        do {
            try mount.disk.endSync(sync, by: mount.number)
            return 0
        } catch {
            return error.code
        }
    }

    package func close() {}
}
