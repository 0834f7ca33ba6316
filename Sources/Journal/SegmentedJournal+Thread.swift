import Foundation
import Kernel
import Logging
import Metrics
import Synchronization

/// The writer's thread: syncs, goes on trying on a failing disk, and begins new segments. An event loop never waits
/// for any of these.
extension SegmentedJournal {
    func startThread() {
        Thread.detachNewThread { [self] in
            while isOpen { runPass() }
            finish()
            threadEnded.signal()
        }
    }

    private var isOpen: Bool { state.withLock { !$0.isClosed } }

    private func runPass() {
        if state.withLock({ $0.unwritten.isEmpty && $0.isThreadIdle && !$0.isSuspect }) { wakeUp.wait() }
        Thread.sleep(forTimeInterval: limits.syncInterval.seconds)
        let isGood = sync() && writeWaiting()
        if state.withLock({ $0.active.length >= limits.segmentBytes && !$0.isSuspect }) { beginSegment() }
        if !isGood { Thread.sleep(forTimeInterval: limits.syncInterval.seconds * 10) }
    }

    /// - Returns: whether nothing waits in memory any more.
    @discardableResult
    private func writeWaiting() -> Bool {
        var isTaken = true
        var left = 1
        // In slices, so that an append never waits for all of it.
        while isTaken, left > 0 {
            (isTaken, left) = state.withLock { state in
                let isTaken = state.writeWaiting(256, to: disk)
                return (isTaken, state.unwritten.count)
            }
        }
        metrics.unwritten.record(left)
        if !isTaken { metrics.diskErrors.increment() }
        if left == 0, !isHealthy.exchange(true, ordering: .relaxed) {
            logger.notice("the journal's disk takes records again")
        }
        return left == 0
    }

    /// - Returns: whether everything on file before the call is on the disk.
    private func sync() -> Bool {
        let (descriptor, length, isDue, isSuspect) = state.withLock { state in
            state.isThreadIdle = true
            return (state.descriptor, state.active.length, state.active.length > state.synced, state.isSuspect)
        }
        if isSuspect { return beginSegment() }
        guard isDue else { return true }
        let began = clock.uptime
        guard disk.sync(descriptor) == 0 else {
            raiseFailedSync(code: errno)
            return beginSegment()
        }
        metrics.syncSeconds.recordNanoseconds((clock.uptime - began).nanoseconds)
        state.withLock { $0.synced = length }
        return true
    }

    /// After a failed sync the system may have dropped the pages, and still report the next sync as good. So it is
    /// never tried again: what was not synced is written once more, to another file. Repeats are harmless.
    private func raiseFailedSync(code: CInt) {
        state.withLock { $0.isSuspect = true }
        isHealthy.store(false, ordering: .relaxed)
        metrics.diskErrors.increment()
        logger.critical(
            "the journal's disk failed to sync; unsynced records are written to a new file",
            metadata: ["error": "\(String(cString: strerror(code)))"])
    }

    /// Seals the active segment and begins the next one. What of the old one is not known to be synced is put among the
    /// records that wait to be written.
    @discardableResult
    private func beginSegment() -> Bool {
        let number = state.withLock { $0.active.number } + 1
        do {
            let descriptor = try folder.create(number, disk: disk)
            let (old, segment, synced, isSuspect) = state.withLock { state in
                defer {
                    state.sealed.append(state.active)
                    state.active = Segment(number: number, length: JournalFolder.headerLength)
                    state.descriptor = descriptor
                    state.synced = JournalFolder.headerLength
                    state.isSuspect = false
                }
                return (state.descriptor, state.active, state.synced, state.isSuspect)
            }
            if isSuspect || disk.sync(old) != 0 { rewrite(segment, from: synced) }
            _ = Foundation.close(old)
            return true
        } catch {
            metrics.diskErrors.increment()
            logger.error("the journal cannot begin a new file", metadata: ["error": "\(error)"])
            return false
        }
    }

    private func rewrite(_ segment: Segment, from offset: Int) {
        let bytes: [UInt8]
        do {
            bytes = try folder.read(segment.number, from: offset, to: segment.length)
        } catch {
            // A file that is gone was stored by the shipper meanwhile.
            if error.code == ENOENT { return }
            logger.critical("unsynced usage records cannot be read back", metadata: ["error": "\(error)"])
            return
        }
        var begin = 0
        let frames = bytes.withUnsafeBytes { SegmentScan($0) }.frames.map { frame in
            defer { begin = frame.end }
            return Array(bytes[begin..<frame.end])
        }
        state.withLock { state in
            state.unwritten.insert(contentsOf: frames, at: 0)
            state.lag += frames.count
        }
    }

    /// The last pass: nothing is appended any more.
    private func finish() {
        writeWaiting()
        // A failed sync puts records back among those that wait.
        if !sync() || !writeWaiting() || !sync() { logger.critical("the journal was not synced at its end") }
        let (descriptor, active, lost) = state.withLock { ($0.descriptor, $0.active, $0.unwritten.count) }
        if lost > 0 {
            metrics.lost.increment(by: lost)
            logger.critical("usage records are lost: the disk took none until the end", metadata: ["count": "\(lost)"])
        }
        _ = Foundation.close(descriptor)
        guard active.shipped == active.length, !active.isDamaged else { return }
        do {
            // Everything in it is a row: the next start has nothing to repeat.
            try folder.remove(active.number)
        } catch {
            logger.warning("an empty journal file stays", metadata: ["error": "\(error)"])
        }
    }
}
