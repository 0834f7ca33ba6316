/// Where time comes from. Production reads the machine's clocks; a test or a simulation moves its own.
public protocol Clock: Sendable {
    /// Wall-clock time, for what is stored and shown. May jump.
    var now: Instant { get }
    /// Time since an arbitrary start that never goes back, for measuring and for expiry inside a process.
    var uptime: Duration { get }
    /// Returns after `duration`, or throws `CancellationError` at once when the task is cancelled.
    func sleep(for duration: Duration) async throws
}

/// Where randomness comes from. Implementations are safe for secrets unless their name says otherwise.
public protocol RandomSource: Sendable {
    func next() -> UInt64
}

extension RandomSource {
    public func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        var word: UInt64 = 0
        for index in 0..<count {
            if index % 8 == 0 { word = next() }
            bytes.append(UInt8(truncatingIfNeeded: word))
            word >>= 8
        }
        return bytes
    }

    /// A number in `0..<bound`, close enough to uniform for jitter and picking.
    public func next(below bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }
}

/// Makes identifiers from a clock and a source of randomness.
public struct IDSource: Sendable {
    private let clock: any Clock
    private let random: any RandomSource

    public init(clock: any Clock, random: any RandomSource) {
        self.clock = clock
        self.random = random
    }

    public func next<Kind: IDKind>(_ kind: Kind.Type = Kind.self) -> ID<Kind> {
        let milliseconds = UInt64(clamping: clock.now.milliseconds)
        return ID(ULID(milliseconds: milliseconds, random: (random.next(), random.next())))
    }
}
