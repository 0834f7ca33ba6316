import Foundation
import Synchronization

/// Writes log lines on a thread of its own, so that a reader that stalls (a paused terminal, a full pipe) stalls no
/// event loop. Lines beyond the queue's bound are dropped and counted, never waited for.
package final class LogWriter: Sendable {
    static let maximumQueue = 8192

    private struct State {
        var lines: [String] = []
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

    package func write(_ line: String) {
        box.condition.withLock {
            guard box.state.lines.count < Self.maximumQueue else {
                dropped.wrappingAdd(1, ordering: .relaxed)
                return
            }
            box.state.lines.append(line)
            // Only the first line wakes the thread; it gathers the others by itself.
            if box.state.lines.count == 1 { box.condition.broadcast() }
        }
    }

    /// Returns when everything queued was written, or after `limit` when the reader stalls.
    package func flush(within limit: Duration = .seconds(1)) {
        let until = Foundation.Date(timeIntervalSinceNow: Double(limit.components.seconds))
        box.condition.withLock {
            while !box.state.lines.isEmpty || !box.state.isIdle {
                guard box.condition.wait(until: until) else { return }
            }
        }
    }

    private static func run(_ box: Box, _ descriptor: Int32) {
        while true {
            box.condition.withLock {
                box.state.isIdle = true
                box.condition.broadcast()
                while box.state.lines.isEmpty { box.condition.wait() }
                box.state.isIdle = false
            }
            // Under load one write takes what came within this time, instead of a thread switch for every line.
            usleep(2000)
            let lines: [String] = box.condition.withLock {
                defer { box.state.lines = [] }
                return box.state.lines
            }
            put(lines.joined(separator: "\n") + "\n", descriptor)
        }
    }

    private static func put(_ text: String, _ descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var done = 0
            while done < bytes.count {
                let count = Foundation.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                if count > 0 { done += count } else if count < 0, errno != EINTR { return }
            }
        }
    }
}
