package import Kernel
import Synchronization

/// A clock that stands still until a test moves it.
package final class ManualClock: Clock {
    private struct Sleeper {
        let id: Int
        let until: Duration
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now: Instant
        var uptime: Duration = .seconds(1)
        var sleepers: [Sleeper] = []
        var cancelled: Set<Int> = []
        var nextID = 0
    }

    private let state: Mutex<State>

    /// - Parameter now: 2026-11-21T08:00:00Z unless told.
    package init(now: Instant = Instant(microseconds: 1_795_248_000_000_000)) { state = Mutex(State(now: now)) }

    package var now: Instant { state.withLock { $0.now } }
    package var uptime: Duration { state.withLock { $0.uptime } }

    /// How many callers sleep now.
    package var sleepers: Int { state.withLock { $0.sleepers.count } }

    /// Moves both times and wakes whoever slept for long enough.
    package func advance(by duration: Duration) {
        let woken = state.withLock { state in
            state.now = state.now + duration
            state.uptime += duration
            let woken = state.sleepers.filter { $0.until <= state.uptime }
            state.sleepers.removeAll { $0.until <= state.uptime }
            return woken
        }
        for sleeper in woken { sleeper.continuation.resume() }
    }

    package func sleep(for duration: Duration) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in add(continuation, id: id, for: duration) }
        } onCancel: {
            cancel(id)
        }
    }

    private func add(_ continuation: CheckedContinuation<Void, any Error>, id: Int, for duration: Duration) {
        let isCancelled = state.withLock { state in
            if state.cancelled.remove(id) != nil { return true }
            state.sleepers.append(Sleeper(id: id, until: state.uptime + duration, continuation: continuation))
            return false
        }
        if isCancelled { continuation.resume(throwing: CancellationError()) }
    }

    private func cancel(_ id: Int) {
        let sleeper: Sleeper? = state.withLock { state in
            guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                state.cancelled.insert(id)
                return nil
            }
            return state.sleepers.remove(at: index)
        }
        sleeper?.continuation.resume(throwing: CancellationError())
    }
}
