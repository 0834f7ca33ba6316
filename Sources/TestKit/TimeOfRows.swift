package import Kernel

/// For an engine whose rows are stamped by a test's clock, and whose own waits go by the real one.
package struct TimeOfRows: Clock {
    private let rows: any Clock
    private let real = SystemClock()

    package init(rows: any Clock) { self.rows = rows }

    package var now: Instant { rows.now }
    package var uptime: Duration { real.uptime }
    package func sleep(for duration: Duration) async throws { try await real.sleep(for: duration) }
}
