import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The machine's clocks.
public struct SystemClock: Clock {
    public init() {}

    public var now: Instant {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Instant(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    public var uptime: Duration {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        // One multiplication of 128 bits, and not two: every request asks several times.
        return .nanoseconds(Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    public func sleep(for duration: Duration) async throws {
        try await ContinuousClock().sleep(for: duration)
    }
}

/// The kernel's generator, safe for secrets.
///
/// Asked for some words at once: every request needs two, and a system call for each costs more than all the rest of an
/// identifier. What was given out is wiped from memory.
public struct SystemRandom: RandomSource {
    private struct Drawn {
        /// What one call may ask for, whatever else goes on: 256 bytes.
        var words = [UInt64](repeating: 0, count: 32)
        var left = 0
    }

    private static let drawn = Mutex(Drawn())

    public init() {}

    public func next() -> UInt64 {
        let word: UInt64? = Self.drawn.withLock { drawn in
            if drawn.left == 0 {
                guard drawn.words.withUnsafeMutableBytes({ getentropy($0.baseAddress, $0.count) }) == 0 else {
                    return nil
                }
                drawn.left = drawn.words.count
            }
            drawn.left -= 1
            defer { drawn.words[drawn.left] = 0 }
            return drawn.words[drawn.left]
        }
        if let word { return word }
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}
