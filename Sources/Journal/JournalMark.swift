import Synchronization

/// A place in the journal: everything that was accepted before it was made.
package struct JournalMark: Sendable, Equatable {
    let segment: UInt64
    let length: Int
}

extension SegmentedJournal {
    /// The end of what is written now, also by earlier lives of this folder.
    /// - Returns: nil while records wait in memory for a disk that takes none.
    package func mark() -> JournalMark? {
        state.withLock { state in
            _ = state.commit()
            guard state.waiting.isEmpty else { return nil }
            return JournalMark(segment: state.active.number, length: state.active.length)
        }
    }

    /// Whether all before the mark that makes rows is stored. What cannot be read holds this up only for as long as the
    /// shipper tries.
    package func isShipped(_ mark: JournalMark) -> Bool {
        state.withLock { state in
            (state.sealed + [state.active]).allSatisfy { segment in
                if segment.number > mark.segment { return true }
                let end = segment.number == mark.segment ? min(mark.length, segment.length) : segment.length
                return segment.shipped >= end || segment.isGone
            }
        }
    }
}

/// Says when everything that ended before some moment is stored. One question at a time; another moment begins anew.
package final class ShippingWatch: Sendable {
    private let journal: SegmentedJournal
    private let asked = Mutex<(since: Duration, mark: JournalMark)?>(nil)

    package init(_ journal: SegmentedJournal) { self.journal = journal }

    /// - Parameter since: a time of the monotonic clock that has passed.
    package func isStored(endedBefore since: Duration) -> Bool {
        asked.withLock { asked in
            if asked?.since != since { asked = journal.mark().map { (since, $0) } }
            return asked.map { journal.isShipped($0.mark) } ?? false
        }
    }
}
