import Dispatch
package import Inference
import Kernel
import Logging
import Metrics
import Synchronization

/// The node's journal: numbered files of checked records.
///
/// A record is in the operating system's hands when `append` returns, and survives `kill -9`; a thread syncs the file
/// within `syncInterval`, which bounds what a power cut can take. One process owns the folder.
package final class SegmentedJournal: UsageJournal, Sendable {
    package struct Limits: Sendable {
        /// How long records are gathered before one sync. Also the pause between tries on a failing disk, times ten.
        package var syncInterval: Duration = .milliseconds(5)
        /// Bytes after which the next file is begun.
        package var segmentBytes = 16 * 1024 * 1024
        /// Records that may wait in memory for a failing disk. No new work starts meanwhile, so this holds what is
        /// under way.
        package var unwrittenRecords = 65_536

        package init() {}
    }

    let folder: JournalFolder
    let disk: JournalDisk
    let limits: Limits
    let clock: any Clock
    let logger: Logger
    let metrics = JournalMetrics()
    let state: Mutex<JournalState>
    let wakeUp = DispatchSemaphore(value: 0)
    let threadEnded = DispatchSemaphore(value: 0)
    /// Read for every request, so not behind the lock.
    let isHealthy = Atomic(true)

    init(
        folder: JournalFolder, state: JournalState, disk: JournalDisk, limits: Limits, clock: any Clock, logger: Logger
    ) {
        self.folder = folder
        self.state = Mutex(state)
        self.disk = disk
        self.limits = limits
        self.clock = clock
        self.logger = logger
    }

    package var acceptsWork: Bool { isHealthy.load(ordering: .relaxed) }

    /// Records that are not rows yet.
    package var lag: Int { state.withLock { $0.lag } }

    package func append(_ record: UsageRecord) {
        let began = clock.uptime
        let outcome = state.withLock { state in append(record, to: &state) }
        switch outcome {
        case .written(let wakesThread):
            if wakesThread { wakeUp.signal() }
        case .kept(let wakesThread):
            // Said once, by whoever turns it; the thread goes on trying.
            if isHealthy.exchange(false, ordering: .relaxed) {
                logger.error("the journal's disk takes no records; new work is refused until it does")
            }
            metrics.diskErrors.increment()
            if wakesThread { wakeUp.signal() }
        case .lost:
            metrics.lost.increment()
            logger.critical(
                "a usage record is lost: the journal is closed, or its memory is full",
                metadata: [
                    "request_id": "\(record.request)", "workspace_id": "\(record.workspace)",
                    "model": "\(record.model)", "input_tokens": "\(record.usage.inputTokens)",
                    "output_tokens": "\(record.usage.outputTokens)",
                ])
        }
        metrics.appendSeconds.recordNanoseconds((clock.uptime - began).nanoseconds)
    }

    private enum AppendOutcome {
        case written(wakesThread: Bool)
        case kept(wakesThread: Bool)
        case lost
    }

    private func append(_ record: UsageRecord, to state: inout JournalState) -> AppendOutcome {
        if state.isClosed { return .lost }
        RecordFrame.encode(record, sequence: state.lastSequence + 1, into: &state.scratch)
        let frame = state.scratch.bytes
        // In order: a record never overtakes one that waits.
        let isWritten = state.unwritten.isEmpty && frame.withUnsafeBytes { state.write($0, to: disk) }
        if !isWritten {
            guard state.unwritten.count < limits.unwrittenRecords else { return .lost }
            state.unwritten.append(frame)
        }
        state.lastSequence += 1
        state.lag += 1
        let wakesThread = state.isThreadIdle
        state.isThreadIdle = false
        return isWritten ? .written(wakesThread: wakesThread) : .kept(wakesThread: wakesThread)
    }

    /// Syncs what is left, ends the thread and gives the folder back. Blocks for about one sync. A record appended
    /// later is lost, and said to be. A second call does nothing.
    package func close() {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard isFirst else { return }
        wakeUp.signal()
        threadEnded.wait()
        folder.dropLock()
    }
}

extension Duration {
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
