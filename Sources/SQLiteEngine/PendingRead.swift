import Database
import GRDB
import Kernel
import Synchronization

/// One body that reads, from waiting to its answer. The caller is resumed exactly once, on every path.
final class PendingRead<Value: Sendable>: Sendable {
    private enum State {
        case created
        /// Cancelled before the caller began to wait.
        case cancelled
        case waiting(CheckedContinuation<Value, any Error>)
        case running
        case finished
    }

    private let body: @Sendable (any Tx) throws -> Value
    private let watch: StatementWatch
    private let state = Mutex(State.created)

    init(watch: StatementWatch, _ body: @escaping @Sendable (any Tx) throws -> Value) {
        self.body = body
        self.watch = watch
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

    /// Drops a body that has not begun, and interrupts one that runs.
    func cancel() {
        let dropped: CheckedContinuation<Value, any Error>? = state.withLock { state in
            switch state {
            case .created:
                state = .cancelled
                return nil
            case .waiting(let continuation):
                state = .finished
                return continuation
            case .running:
                watch.cancel()
                return nil
            case .cancelled, .finished:
                return nil
            }
        }
        dropped?.resume(throwing: CancellationError())
    }

    /// Runs the body on a connection of the pool, unless the caller went away.
    /// - Parameter done: called before the caller goes on.
    func run(on pool: DatabasePool, dialect: Dialect, done: () -> Void) {
        let continuation: CheckedContinuation<Value, any Error>? = state.withLock { state in
            guard case .waiting(let continuation) = state else { return nil }
            state = .running
            return continuation
        }
        guard let continuation else { return done() }
        let result = Result { try read(pool, dialect) }
        state.withLock { $0 = .finished }
        done()
        continuation.resume(with: result)
    }

    private func read(_ pool: DatabasePool, _ dialect: Dialect) throws -> Value {
        do {
            return try pool.read { db in
                try watch.guarding(db) {
                    watch.begin()
                    return try body(SQLiteTx(db, watch: watch, dialect: dialect))
                }
            }
        } catch {
            throw watch.explained((error as? DatabaseError)?.failure ?? error)
        }
    }
}
