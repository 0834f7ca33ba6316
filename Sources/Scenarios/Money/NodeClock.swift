import Kernel
import TestKit

/// A node's clocks: a wall clock that is wrong and is set, and a monotonic one that goes too fast or too slow.
// SAFETY: used on the simulation's thread only.
final class NodeClock: Clock, @unchecked Sendable {
    private let inner: SimulatedClock
    private let simulation: Simulation
    private let node: NodeRecord

    init(_ process: SimulatedProcess, node: NodeRecord) {
        inner = process.clock
        simulation = process.simulation
        self.node = node
    }

    var now: Instant { inner.now + .milliseconds(node.clockOffset) }

    var uptime: Duration {
        .seconds(1000) + .microseconds(simulation.elapsed.microseconds * Int64(1_000_000 + node.plan.drift) / 1_000_000)
    }

    func sleep(for duration: Duration) async throws { try await inner.sleep(for: duration) }
}
