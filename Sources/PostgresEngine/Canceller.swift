import CPostgres
import Dispatch
import Foundation
import Metrics
import Synchronization

/// What ends a running statement of one connection from another thread.
///
// SAFETY: libpq fills the PGcancel when it is made and only reads it afterwards; its documentation calls PQcancel safe
// from any thread. It is freed when nobody holds it.
final class CancelKey: @unchecked Sendable {
    private let key: OpaquePointer

    init?(_ connection: OpaquePointer) {
        guard let key = PQgetCancel(connection) else { return nil }
        self.key = key
    }

    deinit { PQfreeCancel(key) }

    /// Asks the server, over a connection of its own; blocks meanwhile. A statement that has ended is not harmed, but
    /// the next one of the same connection may be.
    func cancel() {
        var message = [CChar](repeating: 0, count: 256)
        _ = PQcancel(key, &message, Int32(message.count))
    }
}

/// One thread that asks the server to cancel, since asking blocks, and a caller's task must not.
final class Canceller: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var hasThread = false
        var isClosed = false
    }

    /// More cancellations than connections never wait.
    private let capacity: Int
    private let dropped = Counter(label: "volery_postgres_cancels_dropped_total")
    private let state = Mutex(State())
    private let wakeUps = DispatchSemaphore(value: 0)

    init(capacity: Int) { self.capacity = capacity }

    /// Dropped where too many wait: the statement then runs to its end, or until its own limit.
    func cancel(_ key: CancelKey) {
        if !enqueue({ key.cancel() }) { dropped.increment() }
    }

    /// - Returns: whether it will be asked; false when too many wait, and after `close`, when no statement runs.
    func enqueue(_ asking: @escaping @Sendable () -> Void) -> Bool {
        let startsThread: Bool? = state.withLock { state in
            guard !state.isClosed, state.waiting.count < capacity else { return nil }
            state.waiting.append(asking)
            defer { state.hasThread = true }
            return !state.hasThread
        }
        guard let startsThread else { return false }
        if startsThread { Thread.detachNewThread { [self] in work() } }
        wakeUps.signal()
        return true
    }

    func close() {
        state.withLock { $0.isClosed = true }
        wakeUps.signal()
    }

    private func work() {
        while true {
            wakeUps.wait()
            let (asking, isClosed) = state.withLock { state in
                (state.waiting.isEmpty ? nil : state.waiting.removeFirst(), state.isClosed)
            }
            if let asking { asking() } else if isClosed { return }
        }
    }
}
