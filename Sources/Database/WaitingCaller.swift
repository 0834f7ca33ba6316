import Synchronization

/// The caller of a body, from the moment it waits to its answer. It is resumed exactly once, in whatever order it
/// waits, goes away, and its body begins and ends; every call may come from any thread.
package final class WaitingCaller<Value: Sendable>: Sendable {
    package typealias Continuation = CheckedContinuation<Value, any Error>

    /// What it means for the body that its caller goes away.
    package enum Departure: Sendable {
        /// Has not begun, and never will.
        case dropped
        /// Runs, and its end is the answer.
        case running
        /// Has its answer already, or does not wait for one yet.
        case none
    }

    private enum State {
        case created
        case waiting(Continuation)
        /// With what the body returned, once it did.
        case running(Continuation, Value?)
        /// Answered, or cancelled before it began to wait.
        case over
    }

    private let state = Mutex(State.created)

    package init() {}

    /// Whoever lost the body cannot say what became of it, and a caller must not wait for ever.
    deinit { finish(DatabaseFailure.commitUnknown("a body was let go without an answer")) }

    /// Takes the caller's continuation, and resumes it at once when the caller is cancelled already.
    /// - Returns: whether the body still has to run.
    package func attach(_ continuation: Continuation) -> Bool {
        let isAttached = state.withLock { state in
            guard case .created = state else { return false }
            state = .waiting(continuation)
            return true
        }
        if !isAttached { continuation.resume(throwing: CancellationError()) }
        return isAttached
    }

    /// The caller goes away. Its answer is `CancellationError` unless its body has begun.
    package func cancel() -> Departure {
        let (departure, dropped): (Departure, Continuation?) = state.withLock { state in
            switch state {
            case .created:
                state = .over
                return (.none, nil)
            case .waiting(let continuation):
                state = .over
                return (.dropped, continuation)
            case .running: return (.running, nil)
            case .over: return (.none, nil)
            }
        }
        dropped?.resume(throwing: CancellationError())
        return departure
    }

    /// Whether there is somebody to answer.
    package var isWaiting: Bool {
        state.withLock { state in
            switch state {
            case .waiting, .running: true
            case .created, .over: false
            }
        }
    }

    /// Claims the body, once: from now on only `finish` answers.
    /// - Returns: false when the caller went away.
    package func begin() -> Bool {
        state.withLock { state in
            guard case .waiting(let continuation) = state else { return false }
            state = .running(continuation, nil)
            return true
        }
    }

    /// Notes what the body returned, for `finish`. The last one counts.
    package func keep(_ value: Value) {
        state.withLock { state in
            if case .running(let continuation, _) = state { state = .running(continuation, value) }
        }
    }

    /// Resumes the caller: with what was kept, or with the failure. The first call counts.
    package func finish(_ failure: (any Error)?) {
        let (continuation, value): (Continuation?, Value?) = state.withLock { state in
            defer { state = .over }
            switch state {
            case .waiting(let continuation): return (continuation, nil)
            case .running(let continuation, let value): return (continuation, value)
            case .created, .over: return (nil, nil)
            }
        }
        if let failure {
            continuation?.resume(throwing: failure)
        } else if let value {
            continuation?.resume(returning: value)
        } else {
            continuation?.resume(throwing: DatabaseFailure.statement("a body was answered before it ran"))
        }
    }
}
