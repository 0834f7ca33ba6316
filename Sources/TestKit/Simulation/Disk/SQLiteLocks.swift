/// SQLite's locks on one file, by connection: the five levels of the file, and the slots of its shared memory.
struct SQLiteLocks: Sendable {
    enum Level: CInt, Comparable, Sendable {
        case none, shared, reserved, pending, exclusive

        static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    private struct Holder: Sendable {
        let mount: Int
        var level = Level.none
        var usesMemory = false
        /// One bit for each slot.
        var shared: UInt32 = 0
        var exclusive: UInt32 = 0
    }

    private var holders: [Int: Holder] = [:]
    private(set) var memory: SharedMemory?

    /// - Returns: whether the connection has the lock now.
    mutating func lock(_ connection: Int, mount: Int, to level: Level) -> Bool {
        var holder = holders[connection] ?? Holder(mount: mount)
        guard holder.level < level else { return true }
        let others = holders.filter { $0.key != connection }.map(\.value.level).max() ?? .none
        switch level {
        case .none: break
        case .shared:
            guard others < .pending else { return false }
            holder.level = .shared
        case .reserved, .pending:
            guard others < .reserved else { return false }
            holder.level = .reserved
        case .exclusive:
            guard others < .reserved else { return false }
            // Pending: readers go on, no new one comes.
            holder.level = others == .none ? .exclusive : .pending
        }
        holders[connection] = holder
        return holder.level >= level
    }

    mutating func unlock(_ connection: Int, to level: Level) {
        guard let holder = holders[connection], holder.level > level else { return }
        holders[connection]?.level = level
    }

    var isReserved: Bool { holders.values.contains { $0.level >= .reserved } }

    /// In the file's own mode, or in the log's, whose writer holds the first slot.
    var isWriteLocked: Bool { isReserved || holders.values.contains { $0.exclusive & 1 != 0 } }

    mutating func close(_ connection: Int) {
        holders[connection] = nil
        dropUnusedMemory()
    }

    /// The file's shared memory; a new one when nobody uses it.
    mutating func useMemory(_ connection: Int, mount: Int) -> SharedMemory {
        let memory = memory ?? SharedMemory()
        self.memory = memory
        holders[connection, default: Holder(mount: mount)].usesMemory = true
        return memory
    }

    mutating func dropMemory(_ connection: Int) {
        holders[connection]?.usesMemory = false
        holders[connection]?.shared = 0
        holders[connection]?.exclusive = 0
        dropUnusedMemory()
    }

    /// - Returns: whether the connection has the slots now.
    mutating func lockSlots(_ connection: Int, mount: Int, _ mask: UInt32, exclusive: Bool) -> Bool {
        for (other, holder) in holders where other != connection {
            guard holder.exclusive & mask == 0, !exclusive || holder.shared & mask == 0 else { return false }
        }
        if exclusive {
            holders[connection, default: Holder(mount: mount)].exclusive |= mask
        } else {
            holders[connection, default: Holder(mount: mount)].shared |= mask
        }
        return true
    }

    mutating func unlockSlots(_ connection: Int, _ mask: UInt32) {
        holders[connection]?.shared &= ~mask
        holders[connection]?.exclusive &= ~mask
    }

    /// What is left when a process dies; nil for nothing.
    func without(mount: Int) -> SQLiteLocks? {
        var rest = self
        rest.holders = holders.filter { $0.value.mount != mount }
        rest.dropUnusedMemory()
        return rest.holders.isEmpty ? nil : rest
    }

    private mutating func dropUnusedMemory() {
        if !holders.values.contains(where: \.usesMemory) { memory = nil }
    }
}

/// The wal-index of one file. A connection keeps it for as long as it may look at it, also after its process died.
// SAFETY: `region` is called under the disk's lock; what is in the memory, SQLite guards by its own slots.
final class SharedMemory: @unchecked Sendable {
    private var regions: [UnsafeMutableRawPointer] = []

    deinit { for region in regions { region.deallocate() } }

    /// - Returns: nil when there is no such region and none is to be made.
    func region(_ index: Int, size: Int, extending: Bool) -> UnsafeMutableRawPointer? {
        while regions.count <= index {
            guard extending else { return nil }
            let region = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
            region.initializeMemory(as: UInt8.self, repeating: 0, count: size)
            regions.append(region)
        }
        return regions[index]
    }
}
