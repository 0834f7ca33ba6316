import Inference
import Logging
import Metrics
import Synchronization

/// A stretch of a segment as its reader gets it.
struct ShippableStretch {
    let segment: UInt64
    /// Where the stretch begins in the file.
    let offset: Int
    let scan: SegmentScan
    /// How long it has to be. A scan that ends before it has met damage.
    let length: Int
}

/// What the shipper needs of the journal. One shipper at a time.
extension SegmentedJournal {
    /// The oldest records that were not looked at yet; nil when there are none.
    func nextStretch() throws -> ShippableStretch? {
        let segment: Segment? = state.withLock { state in
            state.sealed.first { $0.shipped < $0.length }
                ?? (state.active.shipped < state.active.length ? state.active : nil)
        }
        guard let segment else { return nil }
        let bytes = try folder.read(segment.number, from: segment.shipped, to: segment.length)
        let scan = bytes.withUnsafeBytes { SegmentScan($0, .rows) }
        return ShippableStretch(
            segment: segment.number, offset: segment.shipped, scan: scan, length: segment.length - segment.shipped)
    }

    /// Notes that what lies before `offset` is stored.
    /// - Parameter rows: how many records became rows by that.
    func markShipped(_ number: UInt64, to offset: Int, rows: Int, isDamaged: Bool) {
        let lag = state.withLock { state in
            state.lag = max(0, state.lag - rows)
            state.update(number) { segment in
                segment.shipped = max(segment.shipped, offset)
                if isDamaged { segment.isDamaged = true }
            }
            return state.lag
        }
        metrics.lag.record(lag)
        metrics.shipped.increment(by: rows)
    }

    /// Deletes the sealed files, from the oldest on, that nothing needs any more: all their rows are stored, no request
    /// that they opened still runs, and what ended those requests is on the disk. A later file stays as long as an
    /// earlier one, since it may hold the progress of what the earlier one opened.
    func removeShipped() throws {
        while let segment = state.withLock({ $0.oldestDone }) {
            if segment.isDamaged {
                try folder.setAside(segment.number)
            } else {
                try folder.remove(segment.number)
            }
            state.withLock { state in state.sealed.removeAll { $0.number == segment.number } }
            recordSizes()
        }
    }
}

extension JournalState {
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
