import Database
import Synchronization

/// The bodies that wait for the one writer. Bounded; closing it refuses new ones and lets the accepted ones finish.
final class WriteQueue: Sendable {
    enum Admission {
        case refused(DatabaseFailure)
        /// Queued; `startsDrain` says that nobody drains the queue yet, and that the caller has to see to it.
        case queued(startsDrain: Bool)
    }

    private struct State {
        var waiting: [any PendingBody] = []
        var isDraining = false
        var isClosed = false
        var idleWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let capacity: Int
    private let batchLimit: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - capacity: how many bodies may wait.
    ///   - batchLimit: how many share one transaction.
    init(capacity: Int, batchLimit: Int) {
        self.capacity = capacity
        self.batchLimit = batchLimit
    }

    var depth: Int { state.withLock { $0.waiting.count } }

    func admit(_ body: any PendingBody) -> Admission {
        state.withLock { state in
            if state.isClosed { return .refused(.closed) }
            if state.waiting.count >= capacity { return .refused(.overloaded) }
            state.waiting.append(body)
            defer { state.isDraining = true }
            return .queued(startsDrain: !state.isDraining)
        }
    }

    /// The next batch; empty when the drain is over.
    func nextBatch() -> [any PendingBody] {
        let (batch, idle): ([any PendingBody], [CheckedContinuation<Void, Never>]) = state.withLock { state in
            let batch = Array(state.waiting.prefix(batchLimit))
            state.waiting.removeFirst(batch.count)
            guard batch.isEmpty else { return (batch, []) }
            state.isDraining = false
            defer { state.idleWaiters = [] }
            return ([], state.idleWaiters)
        }
        for waiter in idle { waiter.resume() }
        return batch
    }

    /// Refuses new bodies from now on, and returns once the accepted ones were answered.
    func close() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                state.isClosed = true
                if state.isDraining { state.idleWaiters.append(continuation) }
                return !state.isDraining
            }
            if isIdle { continuation.resume() }
        }
    }
}
