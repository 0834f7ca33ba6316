package import Kernel
import Synchronization
import SystemPackage
package import Tenancy

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The heads of chains in a file of the data folder. Lines are only added, and synced before anybody relies on them;
/// from time to time the whole is written anew with one line for each chain.
package final class AnchorFile: AuditAnchors {
    private static let longest = 64 << 20

    private let path: String
    private let sealer: any AuditSealer
    private let clock: any Clock
    private let manyLines: Int
    private let queue = FileQueue("audit-anchors")
    private let known = Mutex(Known())

    /// What was written or read last, with the file that it was in.
    private struct Known {
        var log: AnchorLog?
        var identity: Identity?
        /// Whether the next file that is made is the first one here.
        var mayBegin = false
    }

    private struct Identity: Equatable {
        let device: UInt64
        let number: UInt64
        let size: Int64
    }

    /// - Parameter manyLines: beyond so many the file is written anew, if most of them are of no use any more.
    package init(path: String, sealer: any AuditSealer, clock: any Clock, manyLines: Int = 4000) {
        self.path = path
        self.sealer = sealer
        self.clock = clock
        self.manyLines = manyLines
    }

    /// Makes the file where it is missing and the data folder or what is anchored is new. Where it should have been
    /// there, the first anchor makes it, and says that it was lost.
    /// - Parameter isEmpty: whether there is nothing yet that could have been anchored.
    func begin(isNewFolder: Bool, isEmpty: () async throws -> Bool) async throws {
        if isNewFolder { try await setAsideForeign() }
        guard access(path, F_OK) != 0 else { return }
        guard isNewFolder else {
            if try await isEmpty() { try await begin() }
            return
        }
        try await begin()
    }

    func begin(over store: some AuditStore, isNewFolder: Bool) async throws {
        try await begin(isNewFolder: isNewFolder) { try await store.heads(changedAfter: nil).isEmpty }
    }

    /// A folder that moved to another database still has the anchors of the one before.
    private func setAsideForeign() async throws {
        try await queue.run { [self] in
            guard let log = try read(), log.lines > 0, log.begun == nil else { return }
            guard rename(path, path + ".previous") == 0 else {
                throw DataFolder.problem("\(path) cannot be set aside", errno)
            }
        }
    }

    func begin() async throws {
        try await queue.run { [self] in
            try known.withLock { known in
                known.mayBegin = true
                let log = try current(&known)
                guard log == nil else { return }
                try begin(&known, with: [])
            }
        }
    }

    package func anchor(_ heads: [AuditHead]) async throws {
        try await queue.run { [self] in
            try known.withLock { known in try anchor(heads, &known) }
        }
    }

    package func all() async throws -> [AuditHead] {
        try await queue.run { [self] in
            // What this process anchored counts also when somebody took the file away since.
            let remembered = known.withLock { $0.log?.heads ?? [:] }
            let read = try read()?.heads ?? [:]
            let highest = remembered.merging(read) { $0.sequence > $1.sequence ? $0 : $1 }
            return Array(highest.values)
        }
    }

    package func complaints() async throws -> [String] {
        try await queue.run { [self] in
            guard let log = try read() else {
                return [
                    "There are no anchors outside the database: the file of anchors is gone. That the end of a chain "
                        + "was cut off cannot be noticed."
                ]
            }
            var complaints = log.losses.map {
                "The file of anchors was gone at \($0) and began anew: what was cut off before cannot be noticed."
            }
            if log.damaged > 0 {
                complaints.append(
                    "\(log.damaged) lines of the file of anchors are damaged, or lines before them are missing.")
            }
            return complaints
        }
    }

    private func anchor(_ heads: [AuditHead], _ known: inout Known) throws {
        let now = clock.now
        let remembered = known.log
        guard var log = try current(&known) else {
            let isLoss = !known.mayBegin || remembered?.heads.isEmpty == false
            let all = (remembered?.heads ?? [:]).merging(heads.map { ($0.tenant, $0) }) {
                $0.sequence > $1.sequence ? $0 : $1
            }
            let lines = all.values.map { AnchorLog.Line.head($0, now) }
            return try begin(&known, with: (isLoss ? [.lost(now)] : []) + lines)
        }
        // An older copy in the place of ours: what we know goes in again.
        let returning = (remembered?.heads ?? [:]).values.filter { $0.sequence > log.heads[$0.tenant]?.sequence ?? 0 }
        let new = heads.filter { $0.sequence > log.heads[$0.tenant]?.sequence ?? 0 }
        guard !new.isEmpty || !returning.isEmpty else { return }
        let whole = log.length
        var text = returning.isEmpty ? "" : log.append(.lost(now), sealer: sealer)
        for head in returning + new where head.sequence > log.heads[head.tenant]?.sequence ?? 0 {
            text += log.append(.head(head, now), sealer: sealer)
        }
        if log.damaged == 0, log.lines > manyLines, log.lines > 4 * log.heads.count {
            let compacted = log.compacted(at: now, sealer: sealer)
            return try replace(&known, with: compacted.log, compacted.text)
        }
        known.identity = nil
        try append(text, at: whole)
        known.log = log
        known.identity = identity()
    }

    /// What is in the file; nil when there is none. Reads only what somebody else may have changed.
    private func current(_ known: inout Known) throws -> AnchorLog? {
        if let log = known.log, let identity = known.identity, identity == self.identity() { return log }
        guard let log = try read() else { return nil }
        known.log = log
        known.identity = identity()
        return log
    }

    private func begin(_ known: inout Known, with lines: [AnchorLog.Line]) throws {
        var log = AnchorLog()
        var text = ""
        for line in [.begun(clock.now)] + lines { text += log.append(line, sealer: sealer) }
        try replace(&known, with: log, text)
    }

    private func replace(_ known: inout Known, with log: AnchorLog, _ text: String) throws {
        known.identity = nil
        // `write` ends the last line.
        try DataFolder.write(String(text.dropLast()), to: path)
        known.log = log
        known.identity = identity()
    }

    private func append(_ text: String, at length: Int) throws {
        do {
            let file = try FileDescriptor.open(FilePath(path), .writeOnly, options: .closeOnExec)
            try file.closeAfter {
                // The rest of an append that a crash cut short.
                guard ftruncate(file.rawValue, off_t(length)) == 0 else { throw Errno(rawValue: errno) }
                try file.seek(offset: Int64(length), from: .start)
                _ = try file.writeAll(text.utf8)
                guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
        } catch {
            throw DataFolder.problem("\(path) cannot be written", (error as? Errno)?.rawValue ?? EIO)
        }
    }

    private func read() throws -> AnchorLog? {
        do {
            let file = try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec)
            return try file.closeAfter {
                var bytes: [UInt8] = []
                while bytes.count < Self.longest {
                    let part = try [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
                        count = try file.read(into: UnsafeMutableRawBufferPointer(buffer))
                    }
                    if part.isEmpty { break }
                    bytes += part
                }
                return AnchorLog(bytes, sealer: sealer)
            }
        } catch Errno.noSuchFileOrDirectory {
            return nil
        } catch {
            throw DataFolder.problem("\(path) cannot be read", (error as? Errno)?.rawValue ?? EIO)
        }
    }

    private func identity() -> Identity? {
        var facts = stat()
        guard stat(path, &facts) == 0 else { return nil }
        return Identity(
            device: UInt64(truncatingIfNeeded: facts.st_dev), number: UInt64(truncatingIfNeeded: facts.st_ino),
            size: Int64(facts.st_size))
    }
}
