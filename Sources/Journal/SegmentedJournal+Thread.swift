import Dispatch
import Foundation
import Kernel
import Metrics
import Synchronization

/// Who runs the passes, and when.
extension SegmentedJournal {
    private enum Rest {
        case due
        /// Something came while there was nothing to do: gather a little more of it first.
        case woken
        case closed
    }

    func startThread() {
        Thread.detachNewThread { [self] in
            var isRunning = true
            while isRunning {
                switch rest() {
                case .due: runPass()
                case .woken: break
                case .closed: isRunning = false
                }
            }
            finish()
            threadEnded.signal()
        }
    }

    private func runPass() {
        let pass = beginPass()
        let began = clock.uptime
        let outcome = pass.sync()
        if pass.isDue { metrics.syncSeconds.recordNanoseconds((clock.uptime - began).nanoseconds) }
        endPass(pass, outcome)
    }

    private func rest() -> Rest {
        let (isClosed, hasWork, isWaitedFor, isFailing) = state.withLock { state in
            state.isWriterIdle = !state.hasWork && !state.isClosed
            return (state.isClosed, state.hasWork, !state.waiters.isEmpty, state.isSuspect || state.isBehind)
        }
        if isClosed { return .closed }
        if hasWork {
            let pause = isFailing ? limits.syncInterval * 10 : limits.syncInterval
            // Whoever waits for a sync gets it at once; what comes meanwhile is gathered for the next.
            if isFailing || !isWaitedFor { _ = wakeUp.wait(timeout: .now() + pause.seconds) }
            return .due
        }
        if refusalReasons.isEmpty {
            wakeUp.wait()
            return .woken
        }
        // Nothing may come while work is refused, so the bounds are looked at again and again.
        _ = wakeUp.wait(timeout: .now() + .milliseconds(100))
        return .due
    }

    /// Syncs what is left, ends the writer and gives the folder back. Blocks for about one sync. A record that comes
    /// later is lost, and said to be. A second call does nothing.
    package func close() {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard isFirst else { return }
        switch writer {
        case .thread:
            wakeUp.signal()
            threadEnded.wait()
        case .stepped:
            finish()
        }
        folder.release()
    }
}
