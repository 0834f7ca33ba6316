import Database
import GRDB
import Kernel

/// One body that reads, and its caller.
final class PendingRead<Value: Sendable>: Sendable {
    private let body: @Sendable (any Tx) throws -> Value
    private let watch: StatementWatch
    private let caller = WaitingCaller<Value>()

    init(watch: StatementWatch, _ body: @escaping @Sendable (any Tx) throws -> Value) {
        self.body = body
        self.watch = watch
    }

    /// - Returns: whether the body still has to run.
    func attach(_ continuation: CheckedContinuation<Value, any Error>) -> Bool { caller.attach(continuation) }

    /// Drops a body that has not begun, and interrupts one that runs.
    func cancel() {
        switch caller.cancel() {
        case .running: watch.cancel()
        case .dropped, .none: break
        }
    }

    /// Runs the body on a connection of the pool, unless the caller went away.
    /// - Parameter done: called before the caller goes on.
    func run(on pool: DatabasePool, dialect: Dialect, done: () -> Void) {
        guard caller.begin() else { return done() }
        let failure = read(pool, dialect)
        done()
        caller.finish(failure)
    }

    private func read(_ pool: DatabasePool, _ dialect: Dialect) -> (any Error)? {
        do {
            try pool.read { db in
                try watch.guarding(db) {
                    watch.begin()
                    let tx = SQLiteTx(db, watch: watch, dialect: dialect)
                    let value = try body(tx)
                    // What a body made of a failed statement may be half of the truth; no engine returns it.
                    if let failure = tx.failure { throw failure }
                    caller.keep(value)
                }
            }
            return nil
        } catch {
            return watch.explained((error as? DatabaseError)?.failure ?? error)
        }
    }
}
