import Dispatch
package import Inference
package import Kernel
import Logging
import Metrics
import Synchronization

/// The node's journal: numbered files of checked records.
///
/// A record is in the operating system's hands when `commit` returns, and survives `kill -9` then; a writer syncs the
/// file within `syncInterval`, which bounds what a power cut can take. One process owns the folder.
package final class SegmentedJournal: UsageJournal, Sendable {
    let folder: JournalFolder
    let limits: JournalLimits
    let clock: any Clock
    let logger: Logger
    let metrics = JournalMetrics()
    let writer: JournalWriter
    let state: Mutex<JournalState>
    let wakeUp = DispatchSemaphore(value: 0)
    let threadEnded = DispatchSemaphore(value: 0)
    /// Why no new work may start; 0 while it may. Read for every request, so not behind the lock.
    private let refusals = Atomic<UInt8>(0)

    init(
        folder: JournalFolder, state: consuming JournalState, limits: JournalLimits, clock: any Clock, logger: Logger,
        writer: JournalWriter
    ) {
        self.folder = folder
        self.state = Mutex(state)
        self.limits = limits
        self.clock = clock
        self.logger = logger
        self.writer = writer
    }

    package typealias Limits = JournalLimits

    package var refusal: Problem? {
        let reasons = refusals.load(ordering: .relaxed)
        return reasons == 0 ? nil : Refusals(rawValue: reasons).problem
    }

    package var isStrict: Bool { limits.mode == .strict }

    /// Records that will be rows and are not yet.
    package var lag: Int { state.withLock { $0.lag } }

    package func note(_ request: OpenRequest) {
        append(.open, of: request.request) {
            OpenRequestCoding.encode(request, into: &$0)
        } then: { state in
            state.begin(request)
        }
    }

    package func note(_ progress: RequestProgress) {
        append(.progress, of: progress.request) {
            ProgressCoding.encode(progress, into: &$0)
        } then: { state in
            state.running[progress.request]?.progress = progress
        }
    }

    package func note(_ record: UsageRecord) {
        append(.close, of: record.request) {
            UsageRecordCoding.encode(record, into: &$0)
        } then: { state in
            state.end(record.request)
        }
    }

    package func commit() {
        guard state.withLock({ $0.commit() }) else { return }
        reportRefusedWrite()
    }

    /// A callback whose record was lost, was handed over after the journal's end, or is not on the disk at its end,
    /// never comes: what it promises is not so. Nor does one that is asked for while the disk has not caught up with
    /// a loss, since it may be about the lost record.
    package func whenSynced(_ body: @escaping @Sendable () -> Void) {
        let (isNow, wakesWriter) = state.withLock { state in
            if state.isFinished || state.isLossRecent() { return (false, false) }
            if state.durable >= state.accepted { return (true, false) }
            // The first one ends the gathering; the others come along.
            let isFirst = state.waiters.isEmpty
            state.waiters.append(JournalState.Waiter(ticket: state.accepted, body: body))
            state.isWriterIdle = false
            return (false, isFirst)
        }
        if wakesWriter { wakeUp.signal() }
        if isNow { body() }
    }

    // MARK: Appending

    private func append(
        _ kind: RecordKind, of request: RequestID, _ payload: (inout ByteWriter) -> Void,
        then note: (inout JournalState) -> Void
    ) {
        var wakesWriter = false
        var reasons: Refusals = []
        var began: Duration?
        let outcome = state.withLock { state -> JournalState.Outcome in
            if state.isClosed {
                state.noteLoss()
                return .lost
            }
            // A sample is enough, and two looks at the clock cost as much as the rest of the bookkeeping.
            if state.accepted & 63 == 0 { began = clock.uptime }
            var outcome = state.append(kind, mostWaiting: limits.mostWaiting(for: kind), payload)
            if outcome == .lost, kind == .progress { outcome = .skipped }
            if outcome == .lost {
                state.noteLoss()
                return outcome
            }
            note(&state)
            wakesWriter = state.isWriterIdle
            state.isWriterIdle = false
            if state.running.count >= limits.runningRequests { reasons.insert(.tooManyRunning) }
            if state.unsynced.byteCount > limits.unsyncedBytes { reasons.insert(.diskIsSlow) }
            return outcome
        }
        if let began { metrics.appendSeconds.recordNanoseconds((clock.uptime - began).nanoseconds) }
        if wakesWriter { wakeUp.signal() }
        if outcome == .noted, reasons.isEmpty { return }
        report(outcome, kind, of: request, reasons)
    }

    private func report(_ outcome: JournalState.Outcome, _ kind: RecordKind, of request: RequestID, _ new: Refusals) {
        refuse(new)
        switch outcome {
        case .noted, .skipped: break
        case .kept: reportRefusedWrite()
        case .lost:
            metrics.lost.increment()
            logger.critical(
                "a usage record is lost: the journal is closed, or its memory is full",
                metadata: ["request_id": "\(request)", "kind": "\(kind)"])
        }
    }

    /// For writes that were refused where nobody could say so.
    func reportIfBehind() {
        if state.withLock({ $0.isBehind }), !refusalReasons.contains(.diskFails) { reportRefusedWrite() }
    }

    private func reportRefusedWrite() {
        // Said once, by whoever turns it; the writer goes on trying.
        if !refuse(.diskFails).contains(.diskFails) {
            logger.error("the journal's disk takes no records; new work is refused until it does")
        }
        metrics.diskErrors.increment()
    }

    // MARK: Refusals

    /// - Returns: the reasons there were before.
    @discardableResult
    func refuse(_ reasons: Refusals) -> Refusals {
        if reasons.isEmpty { return refusalReasons }
        return Refusals(rawValue: refusals.bitwiseOr(reasons.rawValue, ordering: .relaxed).oldValue)
    }

    /// - Returns: the reasons there were before.
    @discardableResult
    func acceptAgain(_ reasons: Refusals) -> Refusals {
        Refusals(rawValue: refusals.bitwiseAnd(~reasons.rawValue, ordering: .relaxed).oldValue)
    }

    var refusalReasons: Refusals { Refusals(rawValue: refusals.load(ordering: .relaxed)) }
}

/// Why no new work may start.
struct Refusals: OptionSet {
    let rawValue: UInt8
    /// Records wait in memory, or a sync failed.
    static let diskFails = Refusals(rawValue: 1)
    /// More is unsynced than may be: the disk hangs.
    static let diskIsSlow = Refusals(rawValue: 2)
    /// The journal reached its bound.
    static let full = Refusals(rawValue: 4)
    static let tooManyRunning = Refusals(rawValue: 8)
    /// The disk reached its reserve, whoever filled it.
    static let diskIsFull = Refusals(rawValue: 16)

    /// The weightiest reason; only asked for when there is one.
    var problem: Problem {
        if !isDisjoint(with: [.diskFails, .diskIsSlow]) { return Problem(.journalUnavailable, retryAfter: 5) }
        if contains(.diskIsFull) {
            return Problem(
                .journalFull,
                "The disk under the data folder is nearly full: usage could soon not be recorded.",
                hint: "Free space there; `VOLERY_JOURNAL_MIN_FREE_BYTES` moves the bound.", retryAfter: 5)
        }
        return contains(.full) ? Problem(.journalFull, retryAfter: 5) : Problem(.overloaded, retryAfter: 1)
    }
}
