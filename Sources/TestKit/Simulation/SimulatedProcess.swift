/// One life of a program: its tasks, clock, event loop and whatever else ends with it.
///
/// After `crash` nothing that it still does has an effect. Its tasks are cancelled and run to their ends all the same,
/// since that is what frees what they hold.
// SAFETY: touched on the simulation's thread only.
package final class SimulatedProcess: @unchecked Sendable {
    package let name: String
    package let simulation: Simulation
    package private(set) var isAlive = true
    package private(set) lazy var executor = SimulationExecutor(process: self)
    package private(set) lazy var clock = SimulatedClock(process: self, simulation: simulation, skew: skew)
    package private(set) lazy var lane = Lane(process: self, name: "main")

    private struct Sleeper {
        var continuation: CheckedContinuation<Void, any Error>?
        var timer: SimulatedTimer?
        var isCancelled = false
    }

    private let skew: Duration
    private var sleepers: [Int: Sleeper] = [:]
    private var tasks: [Int: Task<Void, Never>] = [:]
    private var serial = 0
    private var fences: [(DiskCrash) -> Void] = []
    private var leavings: [() -> Void] = []
    private var farewells: [() -> Void] = []

    init(name: String, simulation: Simulation, skew: Duration) {
        self.name = name
        self.simulation = simulation
        self.skew = skew
    }

    // MARK: Tasks

    /// Starts a task on this process's executor; its children stay there.
    package func start(_ work: @escaping @Sendable () async -> Void) {
        guard isAlive else { return }
        serial += 1
        let id = serial
        tasks[id] = Task(executorPreference: executor) { [self] in
            await work()
            tasks[id] = nil
        }
    }

    package var runningTasks: Int { tasks.count }

    // MARK: Sleep

    func makeSleeper() -> Int {
        serial += 1
        sleepers[serial] = Sleeper()
        return serial
    }

    func sleep(_ id: Int, for duration: Duration, _ continuation: CheckedContinuation<Void, any Error>) {
        guard let sleeper = sleepers[id], !sleeper.isCancelled, isAlive else {
            sleepers[id] = nil
            return continuation.resume(throwing: CancellationError())
        }
        let timer = simulation.after(duration, of: self) { [unowned self] in
            sleepers.removeValue(forKey: id)?.continuation?.resume()
        }
        sleepers[id] = Sleeper(continuation: continuation, timer: timer)
    }

    func cancelSleep(_ id: Int) {
        guard var sleeper = sleepers[id] else { return }
        guard let continuation = sleeper.continuation else {
            sleeper.isCancelled = true
            sleepers[id] = sleeper
            return
        }
        sleeper.timer?.cancel()
        sleepers[id] = nil
        continuation.resume(throwing: CancellationError())
    }

    // MARK: Held work

    private var held: [Int: (lane: Lane, work: () -> Void)] = [:]

    /// Adds the work to the lane at that time, or when the process ends: somebody may wait for it.
    func hold(_ work: @escaping () -> Void, on lane: Lane, until time: Int64) {
        serial += 1
        let id = serial
        held[id] = (lane, work)
        simulation.at(time, of: self) { [unowned self] in
            if let (lane, work) = held.removeValue(forKey: id) { lane.add(work) }
        }
    }

    private func releaseHeld() {
        for id in held.keys.sorted() {
            if let (lane, work) = held.removeValue(forKey: id) { lane.add(work) }
        }
    }

    // MARK: End

    /// Called at the moment of a crash, inside whatever was running: it cuts an effect off, and does nothing else.
    package func onCrash(_ fence: @escaping (DiskCrash) -> Void) { fences.append(fence) }

    /// Called after a crash, when nothing of the process runs: it makes what waits come to its end.
    package func onBurial(_ leave: @escaping () -> Void) { leavings.append(leave) }

    /// Called when all its tasks have ended.
    package func onBuried(_ farewell: @escaping () -> Void) { farewells.append(farewell) }

    /// Ends the process where it stands. May be called from inside it.
    package func crash(_ kind: DiskCrash) {
        guard isAlive else { return }
        isAlive = false
        simulation.note(name, "CRASH \(kind.rawValue)")
        for fence in fences { fence(kind) }
        simulation.willDie(self)
    }

    func letGo() {
        for id in tasks.keys.sorted() { tasks[id]?.cancel() }
        for id in sleepers.keys.sorted() { cancelSleep(id) }
        releaseHeld()
        for leave in leavings { leave() }
    }

    func wasBuried() {
        if !tasks.isEmpty {
            simulation.violation("\(tasks.count) tasks of \(name) did not end when they were cancelled")
        }
        for farewell in farewells { farewell() }
        fences = []
        leavings = []
        farewells = []
        tasks = [:]
    }
}
