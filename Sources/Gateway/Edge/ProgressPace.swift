package import NIOCore

/// When a stream's use is written down: at its first content, and then when enough content or time has passed since.
/// Cheap to ask for each read: two comparisons while nothing is due.
package struct ProgressPace: Sendable {
    private var written = 0
    private var nextEvent = 1
    private var nextTime = NIODeadline.distantFuture

    package init() {}

    /// - Parameter events: events with content so far, with those that are about to go out.
    /// - Returns: whether to write now; the caller does, or the content goes uncounted.
    package mutating func isDue(events: Int, at now: NIODeadline) -> Bool {
        guard events >= nextEvent || now >= nextTime else { return false }
        nextEvent = events + GatewayLimits.progressEvents
        nextTime = now + GatewayLimits.progressInterval.timeAmount
        // Without anything new the last record still says it.
        defer { written = events }
        return events > written
    }
}
