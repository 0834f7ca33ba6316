import Database

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

/// One body that writes, and its caller.
final class PendingWrite<Value: Sendable>: PendingBody {
    let isTimed: Bool
    private let body: @Sendable (any Tx) throws -> Value
    private let caller = WaitingCaller<Value>()

    init(isTimed: Bool, _ body: @escaping @Sendable (any Tx) throws -> Value) {
        self.isTimed = isTimed
        self.body = body
    }

    /// - Returns: whether the body still has to run.
    func attach(_ continuation: CheckedContinuation<Value, any Error>) -> Bool { caller.attach(continuation) }

    /// Drops a body that has not begun; one that runs goes on to its end.
    func cancel() { _ = caller.cancel() }

    func begin() -> Bool { caller.begin() }

    func run(_ tx: any Tx) throws { caller.keep(try body(tx)) }

    func finish(_ failure: (any Error)?) { caller.finish(failure) }
}
