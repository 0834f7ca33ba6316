package import Kernel

/// The clocks of one simulated process: the simulation's time, and a wall clock that may be wrong.
// SAFETY: read on the simulation's thread only, as all of it.
package final class SimulatedClock: Clock, @unchecked Sendable {
    /// 2026-11-21T08:00:00Z, when every run begins.
    package static let beginning = Instant(microseconds: 1_795_248_000_000_000)

    private unowned let process: SimulatedProcess
    private let simulation: Simulation
    private let skew: Duration

    init(process: SimulatedProcess, simulation: Simulation, skew: Duration) {
        self.process = process
        self.simulation = simulation
        self.skew = skew
    }

    package var now: Instant { Self.beginning + simulation.elapsed + skew }
    package var uptime: Duration { .seconds(1000) + simulation.elapsed }

    package func sleep(for duration: Duration) async throws {
        let process = process
        try Task.checkCancellation()
        guard process.isAlive else { throw CancellationError() }
        let id = process.makeSleeper()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                process.sleep(id, for: duration, continuation)
            }
        } onCancel: {
            process.cancelSleep(id)
        }
    }
}
