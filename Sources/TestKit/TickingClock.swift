package import Kernel
import Synchronization

/// A clock on which half a second passes whenever somebody looks: what waits for a time limit comes to it.
package final class TickingClock: Clock {
    private let looks = Atomic(0)

    package init() {}

    package var now: Instant { Instant(microseconds: 1_795_248_000_000_000) }
    package var uptime: Duration { .milliseconds(500 * looks.add(1, ordering: .relaxed).newValue) }
    package func sleep(for duration: Duration) async throws { try Task.checkCancellation() }
}
