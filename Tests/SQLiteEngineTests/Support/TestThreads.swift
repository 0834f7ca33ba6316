import Database
import Dispatch
import Synchronization

/// Runs work in the caller's call: for a test that is one task.
struct InlineThreads: WorkThreads {
    func run(_ work: @escaping @Sendable () -> Void) { work() }
}

/// Keeps work back until it is released, so that bodies wait and share a batch.
final class HeldThreads: WorkThreads {
    private let pool = ThreadPool(threads: 1)
    private let held = Mutex<[@Sendable () -> Void]?>(nil)

    func hold() { held.withLock { $0 = [] } }

    func release() {
        let work = held.withLock { held in
            defer { held = nil }
            return held ?? []
        }
        for work in work { pool.run(work) }
    }

    func run(_ work: @escaping @Sendable () -> Void) {
        let isHeld = held.withLock { held in
            held?.append(work)
            return held != nil
        }
        if !isHeld { pool.run(work) }
    }
}

/// Tasks on it run one at a time, each to its next suspension, in the order in which they were begun.
final class OneByOne: TaskExecutor {
    private let queue = DispatchQueue(label: "one by one")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
