import Database
import Kernel
import Synchronization

/// What a body is to run in.
enum Access: Sendable {
    case read, write
    /// As `write`, at READ COMMITTED.
    case guarded
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

/// One body and its caller, and how far its transaction is.
final class PendingTransaction<Value: Sendable>: PendingBody {
    private struct Progress {
        /// Of the connection that a cancellation would reach now.
        var key: CancelKey?
        var isCancelled = false
        var hasSentCancel = false
        /// Past the point where a cancellation counts.
        var isCommitting = false
    }

    let scope: Scope
    let access: Access
    let patienceEnds: Duration
    private let body: @Sendable (any Tx) throws -> Value
    private let canceller: Canceller
    private let caller = WaitingCaller<Value>()
    private let progress = Mutex(Progress())

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

    /// - Returns: whether the body still has to run.
    func attach(_ continuation: CheckedContinuation<Value, any Error>) -> Bool { caller.attach(continuation) }

    /// Drops a body that waits. One that runs has its statement cancelled, and is undone; one that commits goes on.
    /// - Returns: whether it was dropped.
    func cancel() -> Bool {
        switch caller.cancel() {
        case .dropped: return true
        case .none: return false
        case .running: break
        }
        let key: CancelKey? = progress.withLock { progress in
            guard !progress.isCommitting else { return nil }
            let key = progress.hasSentCancel ? nil : progress.key
            progress.isCancelled = true
            progress.hasSentCancel = progress.hasSentCancel || key != nil
            return key
        }
        if let key { canceller.cancel(key) }
        return false
    }

    var isWanted: Bool { caller.isWaiting }

    var isCancelled: Bool { progress.withLock { $0.isCancelled } }

    func begin() -> Bool { caller.begin() }

    func engage(_ key: CancelKey?) -> Bool {
        progress.withLock { progress in
            guard !progress.isCancelled else { return false }
            progress.key = key
            progress.hasSentCancel = false
            return true
        }
    }

    func disengage() -> Bool {
        progress.withLock { progress in
            progress.key = nil
            return progress.hasSentCancel
        }
    }

    func beginCommit() -> Bool {
        progress.withLock { progress in
            guard !progress.isCancelled else { return false }
            progress.isCommitting = true
            return true
        }
    }

    func beginAgain() { progress.withLock { $0.isCommitting = false } }

    func run(_ tx: any Tx) throws { caller.keep(try body(tx)) }

    func finish(_ failure: (any Error)?) { caller.finish(failure) }
}
