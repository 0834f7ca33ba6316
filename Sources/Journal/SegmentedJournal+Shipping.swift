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
    /// The oldest records that are not rows yet; nil when there are none.
    func nextStretch() throws -> ShippableStretch? {
        let segment: Segment? = state.withLock { state in
            (state.sealed + [state.active]).first { $0.shipped < $0.length }
        }
        guard let segment else { return nil }
        let bytes = try folder.read(segment.number, from: segment.shipped, to: segment.length)
        let scan = bytes.withUnsafeBytes { SegmentScan($0) }
        return ShippableStretch(
            segment: segment.number, offset: segment.shipped, scan: scan, length: segment.length - segment.shipped)
    }

    /// Notes that the records before `offset` are rows.
    func markShipped(_ number: UInt64, to offset: Int, records: Int, isDamaged: Bool) {
        let lag = state.withLock { state in
            state.lag = max(0, state.lag - records)
            state.update(number) { segment in
                segment.shipped = max(segment.shipped, offset)
                if isDamaged { segment.isDamaged = true }
            }
            return state.lag
        }
        metrics.lag.record(lag)
        metrics.shipped.increment(by: records)
    }

    /// Deletes the sealed files whose records are all rows.
    func removeShipped() throws {
        let done = state.withLock { state in state.sealed.filter { $0.shipped >= $0.length } }
        for segment in done {
            if segment.isDamaged {
                try folder.setAside(segment.number)
            } else {
                try folder.remove(segment.number)
            }
            state.withLock { state in state.sealed.removeAll { $0.number == segment.number } }
        }
    }
}

extension JournalState {
    fileprivate mutating func update(_ number: UInt64, _ change: (inout Segment) -> Void) {
        if active.number == number {
            change(&active)
        } else if let index = sealed.firstIndex(where: { $0.number == number }) {
            change(&sealed[index])
        }
    }
}
