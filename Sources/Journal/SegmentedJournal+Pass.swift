import Inference
import Kernel
import Logging
import Metrics
import Synchronization

/// One sync, between its beginning and its end.
package struct JournalPass: Sendable {
    /// In the order of their records. Empty when nothing is due.
    let files: [any JournalFile]
    /// Records up to here were on file before the sync began.
    let ticket: UInt64
    /// Where these end among all bytes ever written.
    let end: Int
    let generation: Int

    /// Whether `sync` has something to do.
    package var isDue: Bool { !files.isEmpty }

    /// The writer's one call that waits for the disk's platters. It may run beside appends.
    /// - Returns: 0, also when nothing is due, or the `errno`.
    package func sync() -> CInt {
        for file in files {
            let code = file.sync()
            guard code == 0 else { return code }
        }
        return 0
    }
}

/// The writer's work: syncs, goes on trying on a failing disk, begins new segments, looks at the bounds. One caller at
/// a time; an event loop never waits for any of it.
extension SegmentedJournal {
    /// Whether a pass would do something.
    package var hasWork: Bool { state.withLock { $0.hasWork } }

    /// Notes what there is to sync.
    package func beginPass() -> JournalPass {
        commit()
        let (pass, unsynced) = state.withLock { state in
            let isDue = !state.unsynced.isEmpty && !state.isSuspect
            let unsynced = state.unsynced.byteCount
            let pass = JournalPass(
                files: isDue ? state.replaced + [state.file] : [], ticket: state.written,
                end: state.syncedBytes + unsynced, generation: state.generation)
            return (pass, unsynced)
        }
        // Before the sync too: a disk that hangs in it shows what it holds up.
        metrics.unsynced.record(unsynced)
        return pass
    }

    /// Notes how the sync went, and does whatever else is due.
    /// - Parameter outcome: what `sync` returned.
    package func endPass(_ pass: JournalPass, _ outcome: CInt) {
        if state.withLock({ $0.isFinished }) { return }
        if outcome == 0 {
            let done = state.withLock { $0.noteSynced(pass) }
            for file in done { file.close() }
        } else {
            raiseFailedSync(pass, code: outcome)
        }
        if state.withLock({ $0.isSuspect }) { beginSegment() }
        writeWaiting()
        let isLong = state.withLock { state in
            state.active.length >= limits.rotationBytes && !state.isBehind && !state.isSuspect && !state.isClosed
        }
        if isLong { beginSegment() }
        carryForward()
        reportIfBehind()
        for waiter in state.withLock({ $0.takeDueWaiters() }) { waiter.body() }
        lookAtBounds()
    }

    private func raiseFailedSync(_ pass: JournalPass, code: CInt) {
        let isNews = state.withLock { state in
            guard pass.generation == state.generation else { return false }
            state.isSuspect = true
            return true
        }
        guard isNews else { return }
        refuse(.diskFails)
        metrics.diskErrors.increment()
        logger.critical(
            "the journal's disk failed to sync; unsynced records are written to a new file",
            metadata: ["error": "\(FileFailure(step: "sync", code: code))"])
    }

    /// Goes over to the next segment. One that ends in order gets its seal; one that is given up does not, and keeps
    /// what it has beside the copies.
    private func beginSegment() {
        let (number, sequence) = state.withLock { ($0.active.number + 1, $0.lastSequence &+ 1) }
        do {
            let file = try folder.create(number, sequence: sequence)
            let done = state.withLock { state in
                if !state.isSuspect { seal(&state) }
                return state.begin(number, in: file)
            }
            for file in done { file.close() }
        } catch {
            refuse(state.withLock { $0.isSuspect } ? .diskFails : [])
            metrics.diskErrors.increment()
            logger.error("the journal cannot begin a new file", metadata: ["error": "\(error)"])
        }
    }

    /// The last record of a file, behind everything that belongs into it.
    private func seal(_ state: inout JournalState) {
        _ = state.commit()
        let seal = state.active.seal
        _ = state.append(.seal, mostWaiting: limits.unwrittenRecords) { SealCoding.encode(seal, into: &$0) }
        _ = state.commit()
    }

    /// Writes what waits in memory, in slices, so that an append never waits for all of it.
    private func writeWaiting() {
        var isTaken = true
        var left: UInt64 = 1
        while isTaken, left > 0 {
            (isTaken, left) = state.withLock { state in
                let isTaken = state.writeWaiting(1 << 15)
                return (isTaken, state.waitingCount)
            }
        }
        metrics.unwritten.record(left)
        if !isTaken { metrics.diskErrors.increment() }
        let isWell = state.withLock { !$0.isBehind && !$0.isSuspect }
        guard isWell, refusalReasons.contains(.diskFails) else { return }
        acceptAgain(.diskFails)
        logger.notice("the journal's disk takes records again")
    }

    private func carryForward() {
        let isFull = !refusalReasons.isDisjoint(with: [.full, .diskIsFull])
        state.withLock { state in
            guard !state.isBehind, !state.isSuspect, !state.isClosed else { return }
            guard isFull || state.sealed.count > limits.heldSegments else { return }
            state.carryForward(16, mostWaiting: limits.unwrittenRecords)
            _ = state.commit()
        }
    }

    /// The last passes: nothing is appended any more. Then everything is on the disk and sealed, or the log says what
    /// is lost.
    func finish() {
        finishPasses()
        let isEverythingStored = (try? removeShipped()) != nil && state.withLock { $0.isEverythingStored }
        if !(isEverythingStored && beginAnew()) {
            state.withLock { if $0.waiting.isEmpty, $0.active.records > 0 { seal(&$0) } }
            finishPasses()
        }
        let (waiting, isUnsynced, waiters) = state.withLock { state in
            state.isFinished = true
            defer { state.waiters = [] }
            return (state.waitingCount, !state.unsynced.isEmpty, state.waiters.count)
        }
        if isUnsynced { logger.critical("the journal was not synced at its end") }
        if waiting > 0 {
            metrics.lost.increment(by: Int(clamping: waiting))
            logger.critical(
                "usage records are lost: the disk took none until the end",
                metadata: ["count": "\(waiting)", "held_answers": "\(waiters)"])
        }
        for file in state.withLock({ $0.replaced + [$0.file] }) { file.close() }
    }

    /// A failed sync puts records back among those that wait, so there is more than one.
    private func finishPasses() {
        for _ in 0..<4 where hasWork {
            let pass = beginPass()
            endPass(pass, pass.sync())
        }
    }

    /// Leaves an empty file that keeps the count going, instead of one whose records are rows: the next start has
    /// nothing to repeat.
    private func beginAnew() -> Bool {
        let (number, sequence) = state.withLock { ($0.active.number + 1, $0.lastSequence &+ 1) }
        do {
            let file = try folder.create(number, sequence: sequence)
            let (done, stored) = state.withLock { ($0.begin(number, in: file), $0.sealed.map(\.number)) }
            for file in done { file.close() }
            for number in stored { try folder.remove(number) }
            state.withLock { $0.sealed = [] }
            return true
        } catch {
            logger.warning("a stored journal file stays", metadata: ["error": "\(error)"])
            return false
        }
    }
}

extension JournalState {
    /// Whether there are records, and all of them are rows.
    fileprivate var isEverythingStored: Bool {
        guard running.isEmpty, !hasWork, active.shipped >= active.length else { return false }
        let isDamaged = active.isDamaged || sealed.contains(where: \.isDamaged)
        return !isDamaged && sealed.allSatisfy(isDone) && (active.records > 0 || !sealed.isEmpty)
    }
}
