import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Wakes a thread that waits for a socket: a pipe beside it.
final class Bell: Sendable {
    enum Reason { case rung, ready, time }

    private let reader: Int32
    private let writer: Int32

    /// Fails when the process has no descriptors left.
    init?() {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return nil }
        reader = ends[0]
        writer = ends[1]
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
    }

    deinit {
        _ = close(reader)
        _ = close(writer)
    }

    /// Never blocks; a pipe that is full has rung already.
    func ring() {
        var byte: UInt8 = 1
        _ = write(writer, &byte, 1)
    }

    /// Waits until it is rung or there is something to read on the descriptor.
    func wait(orFor descriptor: Int32, atMost limit: Duration) -> Reason {
        var pollers = [
            pollfd(fd: reader, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        let ready = poll(&pollers, 2, Int32(clamping: limit.microseconds / 1000))
        if ready == 0 { return .time }
        guard pollers[0].revents != 0 else { return .ready }
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(reader, &bytes, bytes.count) > 0 {}
        return .rung
    }
}
