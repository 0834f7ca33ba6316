import Database
import Synchronization

/// A body that waits for the writer, without its type.
protocol PendingBody: AnyObject, Sendable {
    /// Whether it may take only as long as a body may.
    var isTimed: Bool { get }
    /// Claims the body for a batch; false when its caller went away meanwhile.
    func begin() -> Bool
    /// Runs the body and keeps what it returns. May be called again: the last result counts.
    func run(_ tx: any Tx) throws
    /// Resumes the caller: with what the body returned, or with the failure. Only after COMMIT.
    func finish(_ failure: (any Error)?)
}

/// One body of a caller, from waiting to its answer. The caller is resumed exactly once, on every path.
final class PendingWrite<Value: Sendable>: PendingBody {
    private enum State {
        case created
        /// Cancelled before the caller began to wait.
        case cancelled
        case waiting(CheckedContinuation<Value, any Error>)
        case running(CheckedContinuation<Value, any Error>, Value?)
        case finished
    }

    let isTimed: Bool
    private let body: @Sendable (any Tx) throws -> Value
    private let state = Mutex(State.created)

    init(isTimed: Bool, _ body: @escaping @Sendable (any Tx) throws -> Value) {
        self.isTimed = isTimed
        self.body = body
    }

    /// Takes the caller's continuation, and resumes it at once when the caller is cancelled already.
    /// - Returns: whether the body still has to run.
    func attach(_ continuation: CheckedContinuation<Value, any Error>) -> Bool {
        let attached = state.withLock { state in
            guard case .created = state else { return false }
            state = .waiting(continuation)
            return true
        }
        if !attached { continuation.resume(throwing: CancellationError()) }
        return attached
    }

    /// Drops a body that has not begun; one that runs goes on to its end.
    func cancel() {
        let dropped: CheckedContinuation<Value, any Error>? = state.withLock { state in
            switch state {
            case .created:
                state = .cancelled
                return nil
            case .waiting(let continuation):
                state = .finished
                return continuation
            case .cancelled, .running, .finished:
                return nil
            }
        }
        dropped?.resume(throwing: CancellationError())
    }

    func begin() -> Bool {
        state.withLock { state in
            guard case .waiting(let continuation) = state else { return false }
            state = .running(continuation, nil)
            return true
        }
    }

    func run(_ tx: any Tx) throws {
        let value = try body(tx)
        state.withLock { state in
            if case .running(let continuation, _) = state { state = .running(continuation, value) }
        }
    }

    func finish(_ failure: (any Error)?) {
        let (continuation, value): (CheckedContinuation<Value, any Error>?, Value?) = state.withLock { state in
            defer { state = .finished }
            switch state {
            case .waiting(let continuation): return (continuation, nil)
            case .running(let continuation, let value): return (continuation, value)
            case .created, .cancelled, .finished: return (nil, nil)
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
