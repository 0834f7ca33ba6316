import Kernel
import Logging
import Metrics
import Synchronization

/// How much the journal may hold. Beyond it no new work starts; what runs may still write its records.
extension SegmentedJournal {
    /// Looking at the disk costs a system call.
    private static let freeBytesInterval = Duration.milliseconds(100)

    func lookAtBounds() {
        let free = lookAtFreeBytes()
        let bytes = recordSizes()
        let (running, unsynced) = state.withLock { ($0.running.count, $0.unsynced.byteCount) }
        metrics.running.record(running)
        metrics.unsynced.record(unsynced)
        metrics.lag.record(lag)
        // Work is accepted again some way below each bound, not at it.
        if running < limits.runningRequests / 10 * 9 { acceptAgain(.tooManyRunning) }
        if unsynced <= limits.unsyncedBytes / 2 { acceptAgain(.diskIsSlow) }
        turn(
            .full, isBeyond: bytes >= limits.maximumBytes, isWell: bytes < limits.maximumBytes / 10 * 9,
            "the journal is full", bytes)
        turn(
            .diskIsFull, isBeyond: free < limits.minimumFreeBytes, isWell: free >= limits.minimumFreeBytes / 9 * 10,
            "the journal's disk is nearly full", free)
    }

    /// Says it once each way.
    private func turn(_ reason: Refusals, isBeyond: Bool, isWell: Bool, _ what: String, _ bytes: Int) {
        let isRefused = refusalReasons.contains(reason)
        if isRefused, isWell {
            acceptAgain(reason)
            logger.notice("no longer so: \(what)", metadata: ["bytes": "\(bytes)"])
        } else if !isRefused, isBeyond {
            refuse(reason)
            logger.error("\(what); new work is refused", metadata: ["bytes": "\(bytes)", "lag": "\(lag)"])
        }
    }

    /// - Returns: the bytes of all files.
    @discardableResult
    func recordSizes() -> Int {
        let (bytes, segments) = state.withLock { ($0.bytes, $0.sealed.count + 1) }
        metrics.bytes.record(bytes)
        metrics.segments.record(segments)
        return bytes
    }

    private func lookAtFreeBytes() -> Int {
        let now = clock.uptime
        let known: Int? = state.withLock { state in
            if let last = state.freeBytesLookedAt, now - last < Self.freeBytesInterval { return state.freeBytes }
            state.freeBytesLookedAt = now
            return nil
        }
        if let known { return known }
        do {
            let free = try folder.files.freeBytes(in: folder.path)
            state.withLock { $0.freeBytes = free }
            return free
        } catch {
            // Not knowing is no reason to refuse: a write that fails says it better.
            logger.debug("the journal's disk does not say what is free", metadata: ["error": "\(error)"])
            return state.withLock { $0.freeBytes }
        }
    }
}
