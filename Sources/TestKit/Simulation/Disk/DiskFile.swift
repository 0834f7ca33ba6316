import Kernel

/// One file: its bytes as processes see them, as a power cut finds them, and the changes that lie between.
struct DiskFile: Sendable {
    static let sector = 512

    enum Change: Sendable {
        case write(offset: Int, bytes: [UInt8])
        case truncate(length: Int)
    }

    private struct Unsynced: Sendable {
        let serial: Int
        let change: Change
        /// A sync failed on it: the system holds it for saved.
        var isForgotten = false
    }

    private(set) var bytes: [UInt8]
    private var durable: [UInt8]
    private var unsynced: [Unsynced] = []

    /// A file that is durable as a whole.
    init(bytes: [UInt8] = []) {
        self.bytes = bytes
        durable = bytes
    }

    mutating func apply(_ change: Change, serial: Int) {
        Self.apply(change, to: &bytes)
        unsynced.append(Unsynced(serial: serial, change: change))
    }

    /// Makes durable what was changed up to `serial`.
    mutating func sync(through serial: Int) {
        let reached = unsynced.prefix { $0.serial <= serial }
        for entry in reached where !entry.isForgotten { Self.apply(entry.change, to: &durable) }
        unsynced.removeFirst(reached.count)
    }

    /// A failed sync: some of the changes are never written, and nobody is told again.
    mutating func failSync(through serial: Int, _ random: any RandomSource) {
        for index in unsynced.indices where unsynced[index].serial <= serial && random.next(below: 2) == 0 {
            unsynced[index].isForgotten = true
        }
    }

    mutating func losePower(_ random: any RandomSource) {
        // Whole files that fared well, badly or in order find other mistakes than an even mixture.
        let mode = random.next(below: 4)
        let kept = Int(random.next(below: UInt64(unsynced.count + 1)))
        for (index, entry) in unsynced.enumerated() where !entry.isForgotten {
            switch mode {
            case 0: Self.apply(entry.change, to: &durable)
            case 1: break
            case 2 where index < kept: Self.apply(entry.change, to: &durable)
            case 2 where index == kept: tear(entry.change, random)
            case 2: break
            default:
                switch random.next(below: 4) {
                case 0: break
                case 1: tear(entry.change, random)
                default: Self.apply(entry.change, to: &durable)
                }
            }
        }
        unsynced = []
        bytes = durable
    }

    /// Some sectors of a write reach the disk; what lies behind the file's end is cut at any byte.
    private mutating func tear(_ change: Change, _ random: any RandomSource) {
        guard case .write(let offset, let bytes) = change else { return }
        if offset + bytes.count > durable.count {
            let count = Int(random.next(below: UInt64(bytes.count + 1)))
            Self.apply(.write(offset: offset, bytes: Array(bytes.prefix(count))), to: &durable)
            return
        }
        var begin = 0
        while begin < bytes.count {
            let end = min(bytes.count, ((offset + begin) / Self.sector + 1) * Self.sector - offset)
            if random.next(below: 2) == 0 {
                Self.apply(.write(offset: offset + begin, bytes: Array(bytes[begin..<end])), to: &durable)
            }
            begin = end
        }
    }

    private static func apply(_ change: Change, to bytes: inout [UInt8]) {
        switch change {
        case .truncate(let length):
            if length < bytes.count {
                bytes.removeLast(bytes.count - length)
            } else {
                bytes.append(contentsOf: zeros(length - bytes.count))
            }
        case .write(let offset, let new):
            if offset > bytes.count { bytes.append(contentsOf: zeros(offset - bytes.count)) }
            let within = min(new.count, bytes.count - offset)
            if within > 0 {
                bytes.withUnsafeMutableBytes { target in
                    new.withUnsafeBytes { source in
                        UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + within])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<within]))
                    }
                }
            }
            if within < new.count {
                new.withUnsafeBufferPointer { bytes.append(contentsOf: UnsafeBufferPointer(rebasing: $0[within...])) }
            }
        }
    }

    // Quicker in a debug build than `repeating:`.
    private static func zeros(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            buffer.initialize(repeating: 0)
            initialized = count
        }
    }
}
