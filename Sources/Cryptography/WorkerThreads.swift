import Dispatch
import Foundation
import Synchronization

/// A few threads for work that computes for long. Bounded; the threads end when the owner lets go of this.
final class WorkerThreads: Sendable {
    enum Refusal: Error { case full }

    private let queue: JobQueue
    private let count: Int

    /// - Parameters:
    ///   - count: threads.
    ///   - waiting: how much work may wait for one.
    init(count: Int, waiting: Int) {
        let queue = JobQueue(capacity: waiting + count)
        self.queue = queue
        self.count = count
        for _ in 0..<count {
            Thread.detachNewThread {
                while let job = queue.next() {
                    job()
                }
            }
        }
    }

    deinit { queue.close(threads: count) }

    /// Runs the work on one of the threads. Work that still waits when the task is cancelled is dropped; work that has
    /// begun runs to its end.
    /// - Throws: what the work throws; `Refusal`; `CancellationError`.
    func run<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
        let ticket = Ticket<T>()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard ticket.attach(continuation) else { return }
                let isQueued = queue.add { [queue] in
                    let continuation = ticket.take()
                    let result = continuation.map { _ in Result(catching: work) }
                    // The place is free before the caller goes on, so that it can use it again.
                    queue.finished()
                    if let result { continuation?.resume(with: result) }
                }
                if !isQueued { ticket.take()?.resume(throwing: Refusal.full) }
            }
        } onCancel: {
            ticket.cancel()
        }
    }
}

/// The work that waits for a thread.
private final class JobQueue: Sendable {
    private struct State {
        var jobs: [@Sendable () -> Void] = []
        var running = 0
        var isClosed = false
    }

    private let capacity: Int
    private let state = Mutex(State())
    private let wakeUps = DispatchSemaphore(value: 0)

    /// - Parameter capacity: how much may run and wait together.
    init(capacity: Int) { self.capacity = capacity }

    func add(_ job: @escaping @Sendable () -> Void) -> Bool {
        let isAdded = state.withLock { state in
            guard state.jobs.count + state.running < capacity else { return false }
            state.jobs.append(job)
            return true
        }
        if isAdded { wakeUps.signal() }
        return isAdded
    }

    /// The next piece of work, when there is some; nil when the queue was closed.
    func next() -> (@Sendable () -> Void)? {
        while true {
            wakeUps.wait()
            let (job, isClosed): ((@Sendable () -> Void)?, Bool) = state.withLock { state in
                guard !state.jobs.isEmpty else { return (nil, state.isClosed) }
                state.running += 1
                return (state.jobs.removeFirst(), false)
            }
            if let job { return job }
            if isClosed { return nil }
        }
    }

    func finished() { state.withLock { $0.running -= 1 } }

    func close(threads: Int) {
        state.withLock { $0.isClosed = true }
        for _ in 0..<threads { wakeUps.signal() }
    }
}

/// One caller's continuation, resumed exactly once.
private final class Ticket<T: Sendable>: Sendable {
    private enum State {
        case created, cancelled, taken
        case waiting(CheckedContinuation<T, any Error>)
    }

    private let state = Mutex(State.created)

    /// - Returns: false when the caller is cancelled already; it has its answer then.
    func attach(_ continuation: CheckedContinuation<T, any Error>) -> Bool {
        let isAttached = state.withLock { state in
            guard case .created = state else { return false }
            state = .waiting(continuation)
            return true
        }
        if !isAttached { continuation.resume(throwing: CancellationError()) }
        return isAttached
    }

    func take() -> CheckedContinuation<T, any Error>? {
        state.withLock { state in
            guard case .waiting(let continuation) = state else { return nil }
            state = .taken
            return continuation
        }
    }

    func cancel() {
        let continuation: CheckedContinuation<T, any Error>? = state.withLock { state in
            switch state {
            case .created:
                state = .cancelled
                return nil
            case .waiting(let continuation):
                state = .taken
                return continuation
            case .cancelled, .taken:
                return nil
            }
        }
        continuation?.resume(throwing: CancellationError())
    }
}
