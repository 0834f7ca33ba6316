package import Kernel
import Synchronization

/// Keeps refusals from flooding the audit log: so many of one actor's in a minute go there, the rest are counted.
package final class DenialLog: Sendable {
    private struct Window {
        var began: Duration
        var noted: Int
    }

    private struct State {
        var windows: [String: Window] = [:]
        var left = 0
        var seen = 0
    }

    /// What one actor may have noted in a minute.
    package static let mostNoted = 60
    /// Actors that are remembered at once.
    static let mostActors = 4096
    private static let minute = Duration.seconds(60)

    private let clock: any Clock
    private let state = Mutex(State())

    package init(clock: any Clock) { self.clock = clock }

    /// Refusals by the access rules since the start.
    package var denials: Int { state.withLock { $0.seen } }
    /// Those of them that are not in the audit log.
    package var unrecorded: Int { state.withLock { $0.left } }

    /// Whether this refusal goes to the audit log.
    func notes(_ actor: String) -> Bool {
        let now = clock.uptime
        return state.withLock { state in
            state.seen += 1
            if state.windows.count >= Self.mostActors, state.windows[actor] == nil {
                state.windows = state.windows.filter { now - $0.value.began < Self.minute }
            }
            var window = state.windows[actor] ?? Window(began: now, noted: 0)
            if now - window.began >= Self.minute { window = Window(began: now, noted: 0) }
            guard window.noted < Self.mostNoted, state.windows.count < Self.mostActors || window.noted > 0 else {
                state.left += 1
                return false
            }
            window.noted += 1
            state.windows[actor] = window
            return true
        }
    }

    /// It could not be written.
    func wasLost() { state.withLock { $0.left += 1 } }
}
