import Database
import Kernel

/// An engine's threads, as lanes of one simulated process: each does one piece of work at a time, a while after it was
/// handed over.
// SAFETY: touched on the simulation's thread only.
package final class SimulatedThreads: WorkThreads, @unchecked Sendable {
    private let process: SimulatedProcess
    private let lanes: [Lane]
    private let random: SeededRandom
    /// Microseconds from the hand-over to the beginning.
    private let delay: ClosedRange<Int>
    private var turn = 0
    private var freeAt: [Int64]

    package init(
        _ process: SimulatedProcess, name: String, count: Int = 1, delay: ClosedRange<Int> = 0...400
    ) {
        self.process = process
        self.delay = delay
        lanes = (0..<count).map { Lane(process: process, name: count == 1 ? name : "\(name)\($0)") }
        freeAt = Array(repeating: 0, count: count)
        random = process.simulation.streams.stream("threads " + process.name + name)
    }

    package func run(_ work: @escaping @Sendable () -> Void) {
        turn = (turn + 1) % lanes.count
        let lane = lanes[turn]
        // A ghost's work is not worth waiting for: it only has to come to its end.
        guard process.isAlive else { return lane.add(work) }
        let pause = Int64(random.integer(in: delay)) * 1000
        freeAt[turn] = max(freeAt[turn] + 1, process.simulation.nanoseconds + pause)
        process.hold(work, on: lane, until: freeAt[turn])
    }
}
