import Synchronization

/// One verification that others wait for.
final class Verification: Sendable {
    private enum State {
        case running([CheckedContinuation<KeyVerifier.Verdict, any Error>])
        case finished(Result<KeyVerifier.Verdict, any Error>)
    }

    private let state = Mutex(State.running([]))

    func result() async throws -> KeyVerifier.Verdict {
        try await withCheckedThrowingContinuation { continuation in
            let finished: Result<KeyVerifier.Verdict, any Error>? = state.withLock { state in
                switch state {
                case .running(let waiters):
                    state = .running(waiters + [continuation])
                    return nil
                case .finished(let result):
                    return result
                }
            }
            if let finished { continuation.resume(with: finished) }
        }
    }

    func finish(_ result: Result<KeyVerifier.Verdict, any Error>) {
        let waiters: [CheckedContinuation<KeyVerifier.Verdict, any Error>] = state.withLock { state in
            guard case .running(let waiters) = state else { return [] }
            state = .finished(result)
            return waiters
        }
        for waiter in waiters { waiter.resume(with: result) }
    }
}
