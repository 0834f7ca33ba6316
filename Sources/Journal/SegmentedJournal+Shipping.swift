import Dispatch
import Inference
import Logging
import Metrics
import Synchronization

/// A stretch of a segment as its reader gets it.
struct ShippableStretch {
    let segment: UInt64
    /// Where the stretch begins in the file.
    let offset: Int
    let bytes: [UInt8]
    /// Without records: those are read batch by batch, so that no more of them are in memory than are stored at once.
    let scan: SegmentScan
    /// Rows that were written there.
    let rows: Int
    /// How long it has to be. A scan that ends before it has met damage.
    let length: Int

    /// - Returns: what becomes rows among some of its frames, and how many of those this version cannot read.
    func rows(of frames: ArraySlice<SegmentScan.Frame>) -> (records: [UsageRecord], unreadable: Int) {
        var records: [UsageRecord] = []
        records.reserveCapacity(frames.count(where: \.isRow))
        var unreadable = 0
        bytes.withUnsafeBytes { bytes in
            for frame in frames where frame.isRow || frame.isUnreadable {
                let whole = UnsafeRawBufferPointer(rebasing: bytes[frame.begin..<frame.end])
                if frame.isRow, let record = UsageRecordCoding.decode(RecordFrame.payload(of: whole)) {
                    records.append(record)
                } else {
                    unreadable += 1
                }
            }
        }
        return (records, unreadable)
    }
}

/// What the shipper needs of the journal. One shipper at a time.
extension SegmentedJournal {
    /// How often in a row a file may fail to be read before it is given up.
    private static let mostReads = 5

    /// The oldest records that were not looked at yet; nil when there are none. A file that is gone, or cannot be read
    /// again and again, is given up here, so that it does not hold up those behind it.
    func nextStretch() throws -> ShippableStretch? {
        while let oldest = state.withLock({ $0.takeUnshipped() }) {
            var segment = oldest.segment
            var bytes: [UInt8]
            do throws(FileFailure) {
                // Of what is in memory only whether the file is there.
                let start = oldest.isInMemory ? segment.length : segment.shipped
                bytes = try folder.read(segment.number, from: start, to: segment.length)
            } catch {
                try endure(error, of: segment)
                continue
            }
            if segment.failedReads > 0 { state.withLock { $0.update(segment.number) { $0.failedReads = 0 } } }
            if oldest.isInMemory {
                guard let tail = state.withLock({ $0.takeTail(of: segment) }) else { continue }
                (segment, bytes) = tail
            }
            let scan = bytes.withUnsafeBytes { SegmentScan($0, .frames) }
            return ShippableStretch(
                segment: segment.number, offset: segment.shipped, bytes: bytes, scan: scan, rows: segment.rows,
                length: segment.length - segment.shipped)
        }
        return nil
    }

    /// - Throws: the failure, as long as the file is to be tried again.
    private func endure(_ failure: FileFailure, of segment: Segment) throws(FileFailure) {
        if failure.isShortage { throw failure }
        state.withLock { $0.update(segment.number) { $0.failedReads += 1 } }
        guard failure.isMissingFile || segment.failedReads + 1 >= Self.mostReads else { throw failure }
        let (loss, wakesWriter) = state.withLock { state -> (SegmentLoss?, Bool) in
            let loss = state.giveUp(segment.number, isGone: failure.isMissingFile, limits)
            guard state.hasWork, state.isWriterIdle else { return (loss, false) }
            state.isWriterIdle = false
            return (loss, true)
        }
        if wakesWriter { wakeUp.signal() }
        guard let loss else { return }
        metrics.lost.increment(by: loss.rows)
        metrics.lag.record(lag)
        let isSetAside = !loss.isActive && (try? folder.setAside(segment.number)) != nil
        logger.critical(
            "a journal file is gone or cannot be read; what was only there is lost, the others go on",
            metadata: [
                "segment": "\(segment.number)", "records": "\(segment.records)", "lost_records": "\(loss.rows)",
                "still_written": "\(loss.isActive)", "set_aside": "\(isSetAside)", "error": "\(failure)",
            ])
    }

    /// Of a stretch that was shipped the memory is used again.
    func keepRoom(of stretch: ShippableStretch) { state.withLock { $0.tail.keep(stretch.bytes) } }

    /// Notes that what lies before `offset` is stored.
    /// - Parameters:
    ///   - rows: how many records became rows by that.
    ///   - lost: how many never will.
    func markShipped(_ number: UInt64, to offset: Int, rows: Int, lost: Int = 0, isDamaged: Bool) {
        let lag = state.withLock { state in
            state.lag = max(0, state.lag - rows - lost)
            state.update(number) { segment in
                segment.rows = max(0, segment.rows - rows - lost)
                segment.shipped = max(segment.shipped, offset)
                if isDamaged { segment.isDamaged = true }
            }
            return state.lag
        }
        metrics.lag.record(lag)
        metrics.shipped.increment(by: rows)
        if lost > 0 { metrics.lost.increment(by: lost) }
    }

    /// Deletes the sealed files, from the oldest on, that nothing needs any more: all their rows are stored, no request
    /// that they opened still runs, and what ended those requests is on the disk. A later file stays as long as an
    /// earlier one, since it may hold the progress of what the earlier one opened.
    func removeShipped() throws {
        while let segment = state.withLock({ $0.oldestDone }) {
            if segment.isDamaged {
                try setAside(segment)
            } else {
                try folder.remove(segment.number)
            }
            state.withLock { state in state.sealed.removeAll { $0.number == segment.number } }
            recordSizes()
        }
    }

    private func setAside(_ segment: Segment) throws(FileFailure) {
        do throws(FileFailure) {
            try folder.setAside(segment.number)
        } catch {
            guard error.isMissingFile else { throw error }
            logger.critical(
                "a damaged journal file is gone before it was set aside", metadata: ["segment": "\(segment.number)"])
        }
    }
}

/// What was in a file and nowhere else.
private struct SegmentLoss {
    let isActive: Bool
    let rows: Int
}

extension JournalState {
    /// The oldest file with records that were not looked at, and whether they are in memory; else they are to be read.
    fileprivate mutating func takeUnshipped() -> (segment: Segment, isInMemory: Bool)? {
        if let segment = sealed.first(where: { $0.shipped < $0.length }) { return (segment, false) }
        guard active.shipped < active.length, !active.isGone else { return nil }
        let isInMemory = tail.isFile(from: active.shipped, to: active.length)
        // What comes behind that which is read now is there the next time.
        if !isInMemory { tail.begin(at: active.length) }
        return (active, isInMemory)
    }

    /// - Returns: the segment as it is now and all of it that was not shipped; nil where it takes no more records.
    fileprivate mutating func takeTail(of segment: Segment) -> (Segment, [UInt8])? {
        guard active.number == segment.number, tail.isFile(from: active.shipped, to: active.length) else { return nil }
        return (active, tail.take(endingAt: active.length))
    }

    /// Goes on without a file. What of it is in memory is written to a new one: so are the requests that run.
    /// - Returns: nil when there is nothing to say of it (any more).
    fileprivate mutating func giveUp(_ number: UInt64, isGone: Bool, _ limits: JournalLimits) -> SegmentLoss? {
        if active.number == number {
            // Sealed by the writer, it is looked at once more.
            active.failedReads = 0
            rewriteUnsynced()
            guard isGone else { return nil }
            let lost = max(0, active.rows - keptRows(of: active))
            lag = max(0, lag - lost)
            active.rows -= lost
            active.isGone = true
            return SegmentLoss(isActive: true, rows: lost)
        }
        guard let index = sealed.firstIndex(where: { $0.number == number }) else { return nil }
        let segment = sealed.remove(at: index)
        lag = max(0, lag - segment.rows)
        if !isClosed {
            rewriteRunning(of: number, mostWaiting: limits.unwrittenRecords)
            _ = commit()
        }
        if segment.isGone { return nil }
        let lost = max(0, segment.rows - keptRows(of: segment))
        if unsyncedHolds(segment) { rewriteUnsynced() }
        return SegmentLoss(isActive: false, rows: lost)
    }

    /// A sync that runs now proves nothing about a file that is gone.
    private mutating func rewriteUnsynced() {
        guard !isSuspect else { return }
        isSuspect = true
        generation += 1
    }

    private func unsyncedHolds(_ segment: Segment) -> Bool {
        var isHeld = false
        unsynced.forEachFrame { frame in
            if (segment.first...segment.last).contains(RecordFrame.sequence(of: frame)) { isHeld = true }
        }
        return isHeld
    }

    private func keptRows(of segment: Segment) -> Int {
        var rows = 0
        for queue in [unsynced, waiting] {
            queue.forEachFrame { frame in
                guard RecordFrame.kind(of: frame)?.isRow ?? false else { return }
                if (segment.first...segment.last).contains(RecordFrame.sequence(of: frame)) { rows += 1 }
            }
        }
        return rows
    }

    /// So that a crash still finds the requests which began in a file that is given up.
    private mutating func rewriteRunning(of number: UInt64, mostWaiting: Int) {
        let held = running.values.filter { $0.segment == number }
        for request in held.sorted(by: { $0.open.request < $1.open.request }) {
            let outcome = append(.open, mostWaiting: mostWaiting) { OpenRequestCoding.encode(request.open, into: &$0) }
            if outcome == .lost { return }
            if let progress = request.progress {
                _ = append(.progress, mostWaiting: mostWaiting) { ProgressCoding.encode(progress, into: &$0) }
            }
            begin(request.open)
            running[request.open.request]?.progress = request.progress
        }
    }

    fileprivate var oldestDone: Segment? {
        // One file with records stays, since it is what keeps the count going.
        guard let oldest = sealed.first, isDone(oldest), sealed.count > 1 || active.records > 0 else { return nil }
        // What an earlier process left may not be on the disk, and it cannot be asked. So an end that is there is only
        // believed once it is a row.
        let isRecovered = oldest.number <= recovered
        if isRecovered, sealed.contains(where: { $0.number <= recovered && $0.shipped < $0.length }) { return nil }
        return oldest
    }

    /// Whether nothing needs the segment any more.
    func isDone(_ segment: Segment) -> Bool {
        segment.shipped >= segment.length && segment.running == 0 && segment.releaseTicket <= durable
    }
}
