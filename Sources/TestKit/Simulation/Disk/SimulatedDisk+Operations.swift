import Journal
import Kernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What a mount does. After a crash every operation fails with EIO and changes nothing.
extension SimulatedDisk {
    func isAlive(_ mount: Int) -> Bool { state.withLock { $0.mounts.contains(mount) } }

    func kill(_ mount: Int) { state.withLock { $0.kill(mount) } }

    func nextConnection() -> Int {
        state.withLock { state in
            state.lastConnection += 1
            return state.lastConnection
        }
    }

    /// Reads without a crash point.
    func look<T: Sendable>(
        _ mount: Int, _ step: String, _ look: (inout State) throws(FileFailure) -> T
    ) throws(FileFailure) -> T {
        try state.withLock { state throws(FileFailure) in
            guard state.mounts.contains(mount) else { throw FileFailure(step: step, code: EIO) }
            return try look(&state)
        }
    }

    /// Changes the disk, unless the hook has the process crash first.
    private func perform<T: Sendable>(
        _ operation: DiskOperation, _ change: (inout State, _ limit: Int) throws(FileFailure) -> T
    ) throws(FileFailure) -> T {
        let mount = operation.mount
        let dead = FileFailure(step: operation.kind.rawValue, code: EIO)
        let hook = try look(mount, operation.kind.rawValue) { state throws(FileFailure) in
            state.operations += 1
            return state.hook
        }
        switch hook?(operation) ?? .proceed {
        case .proceed:
            let result = try look(mount, dead.step) { state throws(FileFailure) in try change(&state, .max) }
            return result
        case .crashBefore(let kind):
            strike(kind, mount)
        case .crashAfter(let kind):
            _ = try? look(mount, dead.step) { state throws(FileFailure) in try change(&state, .max) }
            strike(kind, mount)
        case .crashWithin(let kind, let bytes):
            _ = try? look(mount, dead.step) { state throws(FileFailure) in try change(&state, bytes) }
            strike(kind, mount)
        }
        throw dead
    }

    private func strike(_ kind: DiskCrash, _ mount: Int) {
        switch kind {
        case .process: kill(mount)
        case .power: crash(.power)
        }
    }

    /// Opens a file, or makes it.
    /// - Returns: the file's number, and whether it is new; nil when there is none and none is to be made.
    func open(
        _ path: String, by mount: Int, creating: Bool, exclusive: Bool = false
    ) throws(FileFailure) -> (file: Int, isNew: Bool)? {
        let known = try look(mount, "open") { state throws(FileFailure) in state.names[path] }
        if let known {
            if exclusive { throw FileFailure(step: "open", code: EEXIST) }
            return (known, false)
        }
        guard creating else { return nil }
        let operation = DiskOperation(kind: .create, path: path, offset: 0, count: 0, mount: mount)
        let file = try perform(operation) { state, _ throws(FileFailure) in
            state.lastFile += 1
            state.files[state.lastFile] = DiskFile()
            state.names.create(path, file: state.lastFile)
            return state.lastFile
        }
        return (file, true)
    }

    func read(_ file: Int, by mount: Int, at offset: Int, into buffer: UnsafeMutableRawBufferPointer)
        throws(FileFailure) -> Int
    {
        try look(mount, "read") { state throws(FileFailure) in
            state.files[file]?.bytes.withUnsafeBytes { bytes in
                guard offset < bytes.count else { return 0 }
                let part = bytes[offset..<min(bytes.count, offset + buffer.count)]
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: part))
                return part.count
            } ?? 0
        }
    }

    func size(_ file: Int, by mount: Int) throws(FileFailure) -> Int {
        try look(mount, "size") { state throws(FileFailure) in state.files[file]?.bytes.count ?? 0 }
    }

    /// - Parameter offset: nil for the file's end.
    /// - Returns: how many bytes were taken: fewer than given at the end of the disk.
    func write(
        _ file: Int, _ path: String, by mount: Int, at offset: Int?, _ bytes: UnsafeRawBufferPointer
    ) throws(FileFailure) -> Int {
        let end = try size(file, by: mount)
        let operation = DiskOperation(
            kind: .write, path: path, offset: offset ?? end, count: bytes.count, mount: mount)
        let random = random
        return try perform(operation) { state, limit throws(FileFailure) in
            if state.faults.failingWrites > 0 {
                state.faults.failingWrites -= 1
                state.figures.failedWrites += 1
                throw FileFailure(step: "write", code: EIO)
            }
            let end = state.files[file]?.bytes.count ?? 0
            let begin = offset ?? end
            var count = min(bytes.count, limit)
            if offset == nil, state.faults.shortAppendOneIn > 0, count > 1,
                random.next(below: state.faults.shortAppendOneIn) == 0
            {
                count = 1 + Int(random.next(below: UInt64(count - 1)))
                state.figures.shortAppends += 1
            }
            if let capacity = state.faults.capacity {
                let room = max(0, capacity - state.usedBytes)
                let fitting = min(count, max(0, end - begin) + room)
                if fitting < count { state.figures.fullWrites += 1 }
                count = fitting
                if count == 0 && bytes.count > 0 && limit > 0 { throw FileFailure(step: "write", code: ENOSPC) }
            }
            let taken = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
                UnsafeMutableRawBufferPointer(buffer).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                initialized = count
            }
            state.serial += 1
            state.files[file]?.apply(.write(offset: begin, bytes: taken), serial: state.serial)
            return count
        }
    }

    func truncate(_ file: Int, _ path: String, by mount: Int, to length: Int) throws(FileFailure) {
        let operation = DiskOperation(kind: .truncate, path: path, offset: length, count: 0, mount: mount)
        try perform(operation) { state, _ throws(FileFailure) in
            state.serial += 1
            state.files[file]?.apply(.truncate(length: length), serial: state.serial)
        }
    }

    func beginSync(_ file: Int, _ path: String) -> DiskSync {
        DiskSync(file: file, serial: state.withLock { $0.serial }, path: path)
    }

    /// Makes durable what was written before the sync began.
    func endSync(_ sync: DiskSync, by mount: Int) throws(FileFailure) {
        let operation = DiskOperation(kind: .sync, path: sync.path, offset: 0, count: 0, mount: mount)
        let random = random
        try perform(operation) { state, _ throws(FileFailure) in
            if state.faults.failingSyncs > 0 {
                state.faults.failingSyncs -= 1
                state.figures.failedSyncs += 1
                state.files[sync.file]?.failSync(through: sync.serial, random)
                throw FileFailure(step: "sync", code: EIO)
            }
            if !state.faults.syncLies { state.files[sync.file]?.sync(through: sync.serial) }
        }
    }

    func rename(_ path: String, to other: String, by mount: Int) throws(FileFailure) {
        let operation = DiskOperation(kind: .rename, path: path, offset: 0, count: 0, mount: mount)
        try perform(operation) { state, _ throws(FileFailure) in
            guard let file = state.names[path] else { throw FileFailure(step: "rename", code: ENOENT) }
            state.names.rename(path, to: other, file: file)
        }
    }

    /// - Returns: whether there was such a file.
    @discardableResult
    func remove(_ path: String, by mount: Int) throws(FileFailure) -> Bool {
        guard try look(mount, "remove", { state throws(FileFailure) in state.names[path] != nil }) else {
            return false
        }
        let operation = DiskOperation(kind: .remove, path: path, offset: 0, count: 0, mount: mount)
        try perform(operation) { state, _ throws(FileFailure) in state.names.remove(path) }
        return true
    }

    func syncFolder(_ folder: String, by mount: Int) throws(FileFailure) {
        let operation = DiskOperation(kind: .syncFolder, path: folder, offset: 0, count: 0, mount: mount)
        try perform(operation) { state, _ throws(FileFailure) in
            if state.faults.failingSyncs > 0 {
                state.faults.failingSyncs -= 1
                state.figures.failedSyncs += 1
                throw FileFailure(step: "syncFolder", code: EIO)
            }
            if !state.faults.syncLies { state.names.sync(folder: folder) }
        }
    }
}
