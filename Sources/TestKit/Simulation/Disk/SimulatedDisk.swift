import Foundation
package import Kernel
import Synchronization

/// A disk in memory that loses what a real one may lose, by a seed. Processes use it through a `Mount` each.
///
/// It belongs to one simulation's thread; a lock guards it all the same, since SQLite's connections may be used from
/// queues of their own while that thread waits.
package final class SimulatedDisk: Sendable {
    struct State: Sendable {
        var files: [Int: DiskFile] = [:]
        var names = DiskNames()
        var faults = DiskFaults()
        var figures = DiskFigures()
        var hook: (@Sendable (DiskOperation) -> DiskVerdict)?
        /// Who did not crash.
        var mounts: Set<Int> = []
        var folderLocks: [String: Int] = [:]
        var sqlite: [Int: SQLiteLocks] = [:]
        var lastFile = 0
        var lastMount = 0
        var lastConnection = 0
        var serial = 0
        var operations = 0
    }

    let state = Mutex(State())
    let random: any RandomSource
    private let place = Mutex(0)

    /// - Parameters:
    ///   - snapshot: what is on the disk already.
    ///   - random: decides what a power cut, a failed sync and a short write leave.
    package init(copying snapshot: DiskSnapshot = DiskSnapshot(), random: any RandomSource) {
        self.random = random
        state.withLock { state in
            var names: [String: Int] = [:]
            for path in snapshot.files.keys.sorted() {
                state.lastFile += 1
                state.files[state.lastFile] = DiskFile(bytes: snapshot.files[path] ?? [])
                names[path] = state.lastFile
            }
            state.names = DiskNames(durable: names)
        }
        place.withLock { $0 = DiskRegistry.add(self) }
    }

    deinit { DiskRegistry.remove(number) }

    /// Tells this disk from the others of the process.
    var number: Int { place.withLock { $0 } }

    /// A new process comes to the disk.
    package func mount() -> Mount {
        let number = state.withLock { state in
            state.lastMount += 1
            state.mounts.insert(state.lastMount)
            return state.lastMount
        }
        return Mount(disk: self, number: number)
    }

    package var faults: DiskFaults {
        get { state.withLock { $0.faults } }
        set { state.withLock { $0.faults = newValue } }
    }

    package func update(_ change: (inout DiskFaults) -> Void) { state.withLock { change(&$0.faults) } }

    /// What its faults did so far.
    package var figures: DiskFigures { state.withLock { $0.figures } }

    /// Asked before every operation, and never while the disk is locked; it uses no file itself.
    package func onOperation(_ hook: (@Sendable (DiskOperation) -> DiskVerdict)?) {
        state.withLock { $0.hook = hook }
    }

    /// How many operations there were so far: a crash point can be drawn from a trial run's count.
    package var operations: Int { state.withLock { $0.operations } }

    /// Every process dies; after `.power` each file is what was synced and a seeded part of the rest.
    package func crash(_ crash: DiskCrash) {
        let random = random
        state.withLock { state in
            for mount in state.mounts.sorted() { state.kill(mount) }
            if crash == .power { state.losePower(random) }
        }
    }

    /// Bytes of all files together.
    package var usedBytes: Int { state.withLock { $0.usedBytes } }

    /// The paths of all files, sorted.
    package var paths: [String] { state.withLock { $0.names.paths } }

    /// What processes see of a file; nil when there is none.
    package func contents(_ path: String) -> [UInt8]? {
        state.withLock { state in state.names[path].flatMap { state.files[$0]?.bytes } }
    }

    /// Whether one of SQLite's connections may write to the file now, and no other may.
    package func isWriteLocked(_ path: String) -> Bool {
        state.withLock { state in state.names[path].flatMap { state.sqlite[$0]?.isWriteLocked } ?? false }
    }

    /// What processes see, as if all of it were durable.
    package func snapshot() -> DiskSnapshot {
        state.withLock { state in
            DiskSnapshot(files: state.names.current.compactMapValues { state.files[$0]?.bytes })
        }
    }

    /// Of all names and contents, as processes see them: FNV-1a over 64-bit words.
    package var hash: UInt64 {
        state.withLock { state in
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325
            for path in state.names.paths {
                for byte in path.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
                guard let file = state.names[path], let bytes = state.files[file]?.bytes else { continue }
                hash = (hash ^ UInt64(bytes.count)) &* 0x100_0000_01B3
                bytes.withUnsafeBytes { bytes in
                    for offset in stride(from: 0, to: bytes.count & ~7, by: 8) {
                        let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                        hash = (hash ^ UInt64(littleEndian: word)) &* 0x100_0000_01B3
                    }
                    for byte in bytes.suffix(bytes.count & 7) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
                }
            }
            return hash
        }
    }

    /// Writes all files into a folder of the machine, for a person to look at.
    package func write(to folder: String) throws {
        for (path, bytes) in snapshot().files {
            let target = URL(fileURLWithPath: folder + path)
            try FileManager.default.createDirectory(
                at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: target)
        }
    }
}

extension SimulatedDisk.State {
    mutating func kill(_ mount: Int) {
        mounts.remove(mount)
        folderLocks = folderLocks.filter { $0.value != mount }
        sqlite = sqlite.compactMapValues { $0.without(mount: mount) }
    }

    mutating func losePower(_ random: any RandomSource) {
        names.losePower(random)
        for file in files.keys.sorted() { files[file]?.losePower(random) }
        let linked = Set(names.current.values)
        files = files.filter { linked.contains($0.key) }
    }

    /// Bytes of all files that have a name.
    var usedBytes: Int { names.current.values.reduce(0) { $0 + (files[$1]?.bytes.count ?? 0) } }
}
