import Synchronization

/// Waits until everything is open that requests come by, and then says so once.
final class Openings: Sendable {
    private struct State {
        var edge: String?
        var metrics: String?
        var hasSocket: Bool
        var isSaid = false
    }

    private let state: Mutex<State>
    private let say: @Sendable (_ url: String, _ metricsURL: String) async throws -> Void
    /// What `say` could not do; looked at by whoever waits for the service.
    private let fail: @Sendable (any Error) -> Void

    /// - Parameter needsSocket: whether there is a socket in the data folder to wait for.
    init(
        needsSocket: Bool = false, fail: @escaping @Sendable (any Error) -> Void = { _ in },
        say: @escaping @Sendable (_ url: String, _ metricsURL: String) async throws -> Void
    ) {
        state = Mutex(State(hasSocket: !needsSocket))
        self.say = say
        self.fail = fail
    }

    func edge(_ url: String) async { await note { $0.edge = url } }
    func metrics(_ url: String) async { await note { $0.metrics = url } }
    func socket() async { await note { $0.hasSocket = true } }

    private func note(_ change: (inout State) -> Void) async {
        let both: (String, String)? = state.withLock { state in
            change(&state)
            guard !state.isSaid, state.hasSocket, let edge = state.edge, let metrics = state.metrics else { return nil }
            state.isSaid = true
            return (edge, metrics)
        }
        guard let both else { return }
        do {
            try await say(both.0, both.1)
        } catch {
            fail(error)
        }
    }
}
