import Inference
import Kernel

/// Requests that have begun and not ended.
extension JournalState {
    mutating func begin(_ open: OpenRequest) {
        // Another attempt of a request that runs: one request, whatever it takes.
        let before = running.updateValue(RunningRequest(open: open, segment: active.number), forKey: open.request)
        if let before { release(before.segment) }
        active.running += 1
    }

    mutating func end(_ request: RequestID) {
        guard let ended = running.removeValue(forKey: request) else { return }
        release(ended.segment)
    }

    private mutating func release(_ segment: UInt64) {
        let ticket = accepted
        update(segment) { segment in
            segment.running -= 1
            segment.releaseTicket = ticket
        }
    }

    /// Copies up to `limit` requests that keep the oldest segment on the disk into the active one, so that a stream
    /// of an hour does not keep everything that was written since it began.
    mutating func carryForward(_ limit: Int, mostWaiting: Int) {
        guard let oldest = sealed.first, oldest.running > 0, oldest.shipped >= oldest.length else { return }
        let held = running.values.filter { $0.segment == oldest.number }
        // In an order that does not hang on the table's.
        for request in held.sorted(by: { $0.open.request < $1.open.request }).prefix(limit) {
            carry(request, mostWaiting: mostWaiting)
        }
    }

    private mutating func carry(_ request: RunningRequest, mostWaiting: Int) {
        guard append(.open, mostWaiting: mostWaiting, { OpenRequestCoding.encode(request.open, into: &$0) }) != .lost
        else { return }
        if let progress = request.progress {
            let outcome = append(.progress, mostWaiting: mostWaiting) { ProgressCoding.encode(progress, into: &$0) }
            guard outcome != .lost else { return }
        }
        begin(request.open)
        running[request.open.request]?.progress = request.progress
    }
}
