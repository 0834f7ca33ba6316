import NIOCore

/// Work that runs in the order it came, one piece at a time, as on one thread: an event loop, a thread of a database.
package final class Lane {
    /// The simulation holds its processes.
    unowned let process: SimulatedProcess
    let name: String
    var isListed = false
    private var waiting = CircularBuffer<() -> Void>()

    init(process: SimulatedProcess, name: String) {
        self.process = process
        self.name = name
    }

    package func add(_ work: @escaping () -> Void) {
        waiting.append(work)
        process.simulation.list(self)
    }

    var isEmpty: Bool { waiting.isEmpty }

    func takeFirst() -> (() -> Void)? { waiting.popFirst() }
}

/// What could run now.
enum Ready {
    case lane(Lane)
    case job(UnownedJob, of: SimulatedProcess)
    case work(() -> Void, of: SimulatedProcess, name: String)

    var process: SimulatedProcess {
        switch self {
        case .lane(let lane): lane.process
        case .job(_, let process), .work(_, let process, _): process
        }
    }
}
