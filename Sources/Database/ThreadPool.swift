import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A few threads of their own, for work that waits for a disk or a lock: on Swift's pool it would stop everybody else.
/// A thread begins when it is first needed. They end after `close`, or when the owner lets go of this.
///
/// What waits is not bounded here: who hands work over has a limit of his own.
package final class ThreadPool: WorkThreads {
    private let queue = Queue()
    private let limit: Int

    /// - Parameter threads: at most so many.
    package init(threads: Int) {
        precondition(threads > 0)
        limit = threads
    }

    deinit { queue.close() }

    /// Never after `close`.
    package func run(_ work: @escaping @Sendable () -> Void) {
        guard queue.add(work, limit: limit) else { return }
        // The machine refuses a thread: one that runs already comes to it, else the caller does it himself.
        if !begin(), queue.threadRefused() { queue.drain() }
    }

    /// The threads end once all that was handed over is done. Does not wait for that.
    package func close() { queue.close() }

    private func begin() -> Bool {
        let queue = Unmanaged.passRetained(queue)
        #if canImport(Glibc)
            var thread = pthread_t()
        #else
            var thread: pthread_t?
        #endif
        let code = pthread_create(&thread, nil, threadMain, queue.toOpaque())
        guard code == 0 else {
            queue.release()
            return false
        }
        #if canImport(Glibc)
            pthread_detach(thread)
        #else
            if let thread { pthread_detach(thread) }
        #endif
        return true
    }
}

#if canImport(Glibc)
    private func threadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        if let argument { runThread(argument) }
        return nil
    }
#else
    private func threadMain(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        runThread(argument)
        return nil
    }
#endif

private func runThread(_ argument: UnsafeMutableRawPointer) {
    Unmanaged<Queue>.fromOpaque(argument).takeRetainedValue().work()
}

/// What waits for a thread, in the order in which it came.
private final class Queue: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var threads = 0
        var idle = 0
        var isClosed = false
    }

    private let state = Mutex(State())
    private let wakeUps = DispatchSemaphore(value: 0)

    /// - Returns: whether one more thread has to begin for it.
    func add(_ work: @escaping @Sendable () -> Void, limit: Int) -> Bool {
        let needsThread = state.withLock { state in
            precondition(!state.isClosed, "work for threads that were closed")
            state.waiting.append(work)
            guard state.idle < state.waiting.count, state.threads < limit else { return false }
            state.threads += 1
            return true
        }
        wakeUps.signal()
        return needsThread
    }

    /// - Returns: whether there is no thread at all.
    func threadRefused() -> Bool {
        state.withLock { state in
            state.threads -= 1
            return state.threads == 0
        }
    }

    /// Does what waits now.
    func drain() {
        while let next = state.withLock({ $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }) { next() }
    }

    /// A thread's life.
    func work() {
        while let next = next() { next() }
    }

    func close() {
        let threads = state.withLock { state in
            state.isClosed = true
            return state.threads
        }
        for _ in 0..<threads { wakeUps.signal() }
    }

    private func next() -> (@Sendable () -> Void)? {
        while true {
            state.withLock { $0.idle += 1 }
            wakeUps.wait()
            let (next, isOver): ((@Sendable () -> Void)?, Bool) = state.withLock { state in
                state.idle -= 1
                if !state.waiting.isEmpty { return (state.waiting.removeFirst(), false) }
                if state.isClosed { state.threads -= 1 }
                return (nil, state.isClosed)
            }
            if let next { return next }
            if isOver { return nil }
        }
    }
}
