import Inference
package import Kernel
package import Logging
import Metrics
import Synchronization

extension SegmentedJournal {
    /// Takes the folder, cuts torn tails, and begins a new segment in which every request is settled that was running
    /// when the last process ended. Every older segment waits for the shipper.
    /// - Throws: `Problem(.dataFolderInUse)` when another process has it; `.journalUnavailable`; what an operator needs
    ///   beside it is logged.
    package static func open(
        folder path: String, clock: any Clock, logger: Logger, limits: Limits = Limits(),
        files: any JournalFileSystem = SystemFiles(), writer: JournalWriter = .thread
    ) throws(Problem) -> SegmentedJournal {
        do {
            guard let folder = try JournalFolder.claim(path, files: files) else { throw Problem(.dataFolderInUse) }
            do {
                let journal = SegmentedJournal(
                    folder: folder, state: try begin(in: folder, limits: limits, logger: logger), limits: limits,
                    clock: clock, logger: logger, writer: writer)
                journal.start()
                return journal
            } catch {
                folder.release()
                throw error
            }
        } catch let problem as Problem {
            throw problem
        } catch {
            logger.error("the journal cannot be opened", metadata: ["path": "\(path)", "error": "\(error)"])
            throw Problem(.journalUnavailable)
        }
    }

    private func start() {
        metrics.lag.record(lag)
        lookAtBounds()
        switch writer {
        case .thread: startThread()
        case .stepped: break
        }
    }

    private static func begin(
        in folder: JournalFolder, limits: JournalLimits, logger: Logger
    ) throws(FileFailure) -> JournalState {
        let recovery = try JournalRecovery(folder, logger: logger)
        let number = recovery.highestNumber + 1
        let file = try folder.create(number, sequence: recovery.lastSequence &+ 1)
        var state = JournalState(active: Segment(number: number), file: file, lastSequence: recovery.lastSequence)
        do throws(FileFailure) {
            state.sealed = recovery.segments
            state.recovered = recovery.highestNumber
            state.lag = recovery.lag
            try settle(recovery, in: &state, logger: logger)
            // Only now: the count lives on in the new segment.
            for number in recovery.empty { try folder.remove(number) }
            return state
        } catch {
            file.close()
            throw error
        }
    }

    /// Says in the new segment what the crash left unsaid. It is on the disk before anything goes on: an older segment
    /// may go when its requests have ended.
    private static func settle(
        _ recovery: JournalRecovery, in state: inout JournalState, logger: Logger
    ) throws(FileFailure) {
        let settlements = recovery.requests.settlements
        if settlements.isEmpty, recovery.seals.isEmpty { return }
        for seal in recovery.seals {
            try add(.seal, to: &state) { SealCoding.encode(seal, into: &$0) }
        }
        for record in settlements {
            try add(.settled, to: &state) { UsageRecordCoding.encode(record, into: &$0) }
        }
        let code = state.file.sync()
        guard code == 0 else { throw FileFailure(step: "sync what was settled", code: code) }
        state.noteAllDurable()
        guard !settlements.isEmpty else { return }
        Counter(label: JournalMetrics.settledLabel).increment(by: settlements.count)
        logger.notice(
            "requests that ran when the last process ended are settled", metadata: ["count": "\(settlements.count)"])
    }

    private static func add(
        _ kind: RecordKind, to state: inout JournalState, _ payload: (inout ByteWriter) -> Void
    ) throws(FileFailure) {
        guard state.append(kind, mostWaiting: .max, payload) == .noted, !state.commit() else {
            throw FileFailure(step: "settle requests", code: FileFailure.noSpace)
        }
    }
}

extension JournalState {
    /// After a sync that nothing ran beside.
    fileprivate mutating func noteAllDurable() {
        durable = accepted
        syncedBytes += unsynced.byteCount
        unsynced = FrameQueue()
    }
}
