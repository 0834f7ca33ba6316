import Foundation
import Synchronization

/// Runs the body on a thread of its own: a simulation belongs to one thread, which it keeps busy, and no task of a test
/// may be on it. One at a time in a process, since SQLite's randomness is the process's.
package func onSimulationThread<Value: Sendable>(
    _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let thread = Thread {
            continuation.resume(with: turn.withLock { _ in Result { try body() } })
        }
        // A stream of many events is one chain of calls from its upstream to its client.
        thread.stackSize = 64 << 20
        thread.start()
    }
}

private let turn = Mutex(())
