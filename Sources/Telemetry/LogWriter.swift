import Foundation
import Synchronization

/// Writes log lines on a thread of its own, so that a reader that stalls (a paused terminal, a full pipe) stalls no
/// event loop. Lines beyond the queue's bound are dropped and counted, never waited for.
package final class LogWriter: Sendable {
    static let maximumQueue = 8192
    /// Bytes of memory that is used again.
    private static let mostKept = 256 << 10

    private struct State {
        /// Whole lines, with their ends.
        var bytes: [UInt8] = []
        var lines = 0
        var isStopping = false
        var isIdle = true
    }

    // SAFETY: guarded by `condition`, which every access locks.
    private final class Box: @unchecked Sendable {
        let condition = NSCondition()
        var state = State()
    }

    private let box = Box()
    private let dropped = Atomic<Int>(0)
    private let descriptor: Int32

    /// - Parameter descriptor: where lines go; standard error unless told.
    package init(descriptor: Int32 = STDERR_FILENO) {
        self.descriptor = descriptor
        let box = self.box
        Thread.detachNewThread { LogWriter.run(box, descriptor) }
    }

    /// Lines thrown away so far.
    package var linesDropped: Int { dropped.load(ordering: .relaxed) }

    package func write(_ line: consuming LogLine) {
        line.end { write($0) }
    }

    /// - Parameter line: in UTF-8, with its end.
    private func write(_ line: UnsafeRawBufferPointer) {
        box.condition.withLock {
            guard box.state.lines < Self.maximumQueue else {
                dropped.wrappingAdd(1, ordering: .relaxed)
                return
            }
            box.state.lines += 1
            box.state.bytes.append(contentsOf: line)
            // Only the first line wakes the thread; it gathers the others by itself.
            if box.state.lines == 1 { box.condition.broadcast() }
        }
    }

    /// Returns when everything queued was written, or after `limit` when the reader stalls.
    package func flush(within limit: Duration = .seconds(1)) {
        let until = Foundation.Date(timeIntervalSinceNow: Double(limit.components.seconds))
        box.condition.withLock {
            while box.state.lines > 0 || !box.state.isIdle {
                guard box.condition.wait(until: until) else { return }
            }
        }
    }

    private static func run(_ box: Box, _ descriptor: Int32) {
        // Two take turns, so that lines are gathered in memory that is there.
        var bytes: [UInt8] = []
        while true {
            box.condition.withLock {
                box.state.isIdle = true
                box.condition.broadcast()
                while box.state.lines == 0 { box.condition.wait() }
                box.state.isIdle = false
            }
            // Under load one write takes what came within this time, instead of a thread switch for every line.
            usleep(2000)
            box.condition.withLock {
                swap(&bytes, &box.state.bytes)
                box.state.lines = 0
            }
            put(bytes, descriptor)
            if bytes.capacity > Self.mostKept { bytes = [] } else { bytes.removeAll(keepingCapacity: true) }
        }
    }

    private static func put(_ bytes: [UInt8], _ descriptor: Int32) {
        bytes.withUnsafeBufferPointer { bytes in
            var done = 0
            while done < bytes.count {
                let count = Foundation.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                if count > 0 { done += count } else if count < 0, errno != EINTR { return }
            }
        }
    }
}
