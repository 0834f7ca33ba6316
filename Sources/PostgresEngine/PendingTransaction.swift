import Database
import Kernel
import Synchronization

/// What a body is to run in.
enum Access: Sendable {
    case read, write
    /// One statement, which the server commits by itself.
    case statement
}

/// A body that waits for a connection, without its type.
protocol PendingBody: AnyObject, Sendable {
    var scope: Scope { get }
    var access: Access { get }
    /// When it has waited for long enough, on the clock's uptime.
    var patienceEnds: Duration { get }
    /// False when its caller went away and has its answer.
    var isWanted: Bool { get }
    /// Whether the caller asked for an end while the body ran.
    var isCancelled: Bool { get }
    /// Claims the body for a connection; false when it is not wanted any more.
    func begin() -> Bool
    /// From now until `disengage`, a cancellation reaches the connection. False when there was one already.
    func engage(_ key: CancelKey?) -> Bool
    /// - Returns: whether the connection may still be hit by a cancellation that came late.
    func disengage() -> Bool
    /// From now on nothing cancels it. False when it was cancelled before.
    func beginCommit() -> Bool
    /// After a conflict at COMMIT: as if it had just begun.
    func beginAgain()
    /// Runs the body and keeps what it returns.
    func run(_ tx: any Tx) throws
    /// Resumes the caller: with what the body returned, or with the failure. The first call counts.
    func finish(_ failure: (any Error)?)
}

/// One body of a caller, from waiting to its answer. The caller is resumed exactly once, on every path.
final class PendingTransaction<Value: Sendable>: PendingBody {
    private struct Running {
        let continuation: CheckedContinuation<Value, any Error>
        var value: Value?
        var key: CancelKey?
        var isCancelled = false
        var hasSentCancel = false
    }

    private enum State {
        case created
        /// Cancelled before the caller began to wait.
        case cancelled
        case waiting(CheckedContinuation<Value, any Error>)
        case running(Running)
        case committing(Running)
        case finished
    }

    let scope: Scope
    let access: Access
    let patienceEnds: Duration
    private let body: @Sendable (any Tx) throws -> Value
    private let canceller: Canceller
    private let state = Mutex(State.created)

    init(
        _ scope: Scope, _ access: Access, patienceEnds: Duration, canceller: Canceller,
        _ body: @escaping @Sendable (any Tx) throws -> Value
    ) {
        self.scope = scope
        self.access = access
        self.patienceEnds = patienceEnds
        self.canceller = canceller
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

    /// Drops a body that waits. One that runs has its statement cancelled, and is undone; one that commits goes on.
    /// - Returns: whether it was dropped.
    func cancel() -> Bool {
        var dropped: CheckedContinuation<Value, any Error>?
        let key: CancelKey? = state.withLock { state in
            switch state {
            case .created: state = .cancelled
            case .waiting(let continuation):
                state = .finished
                dropped = continuation
            case .running(var running):
                let key = running.hasSentCancel ? nil : running.key
                running.isCancelled = true
                running.hasSentCancel = running.hasSentCancel || key != nil
                state = .running(running)
                return key
            case .cancelled, .committing, .finished: break
            }
            return nil
        }
        if let key { canceller.cancel(key) }
        dropped?.resume(throwing: CancellationError())
        return dropped != nil
    }

    var isWanted: Bool {
        state.withLock { state in
            switch state {
            case .waiting, .running, .committing: true
            case .created, .cancelled, .finished: false
            }
        }
    }

    var isCancelled: Bool {
        state.withLock { state in
            if case .running(let running) = state { running.isCancelled } else { false }
        }
    }

    func begin() -> Bool {
        state.withLock { state in
            guard case .waiting(let continuation) = state else { return false }
            state = .running(Running(continuation: continuation))
            return true
        }
    }

    func engage(_ key: CancelKey?) -> Bool {
        state.withLock { state in
            guard case .running(var running) = state, !running.isCancelled else { return false }
            running.key = key
            running.hasSentCancel = false
            state = .running(running)
            return true
        }
    }

    func disengage() -> Bool {
        state.withLock { state in
            guard case .running(var running) = state else { return false }
            running.key = nil
            state = .running(running)
            return running.hasSentCancel
        }
    }

    func beginCommit() -> Bool {
        state.withLock { state in
            guard case .running(let running) = state, !running.isCancelled else { return false }
            state = .committing(running)
            return true
        }
    }

    func beginAgain() {
        state.withLock { state in
            if case .committing(let running) = state { state = .running(running) }
        }
    }

    func run(_ tx: any Tx) throws {
        let value = try body(tx)
        state.withLock { state in
            guard case .running(var running) = state else { return }
            running.value = value
            state = .running(running)
        }
    }

    func finish(_ failure: (any Error)?) {
        let (continuation, value): (CheckedContinuation<Value, any Error>?, Value?) = state.withLock { state in
            defer { state = .finished }
            switch state {
            case .waiting(let continuation): return (continuation, nil)
            case .running(let running), .committing(let running): return (running.continuation, running.value)
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
