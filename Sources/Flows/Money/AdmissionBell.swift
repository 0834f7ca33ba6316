import Kernel
import Synchronization

/// Wakes one who waits. A ring that comes while nobody waits is kept for the next wait.
final class AdmissionBell: Sendable {
    private enum State {
        case silent
        case rung
        case waiting(CheckedContinuation<Void, Never>)
        /// The task was cancelled: nobody waits any more.
        case over
    }

    private let state = Mutex(State.silent)

    func ring() {
        let waiting: CheckedContinuation<Void, Never>? = state.withLock { state in
            switch state {
            case .silent, .rung: state = .rung
            case .waiting(let continuation):
                state = .silent
                return continuation
            case .over: break
            }
            return nil
        }
        waiting?.resume()
    }

    /// Returns when the bell rings, or after `limit`.
    /// - Throws: `CancellationError` when the task is cancelled.
    func wait(atMost limit: Duration, _ clock: any Clock) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.untilRung() }
            group.addTask { try await clock.sleep(for: limit) }
            defer { group.cancelAll() }
            try await group.next()
        }
        state.withLock { if case .over = $0 { $0 = .silent } }
        try Task.checkCancellation()
    }

    private func untilRung() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isRung = state.withLock { state in
                    switch state {
                    case .silent:
                        state = .waiting(continuation)
                        return false
                    case .rung, .waiting, .over:
                        state = .silent
                        return true
                    }
                }
                if isRung { continuation.resume() }
            }
        } onCancel: {
            let waiting: CheckedContinuation<Void, Never>? = state.withLock { state in
                switch state {
                case .waiting(let continuation):
                    state = .silent
                    return continuation
                case .silent: state = .over
                case .rung, .over: break
                }
                return nil
            }
            waiting?.resume()
        }
    }
}
