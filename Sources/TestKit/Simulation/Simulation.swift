import Kernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Production code under one seed: one thread, virtual time, and an order of everything that the seed chose.
///
/// Make it, use it and let go of it on one thread. Time moves only when nothing is left to do, and then to the next
/// timer.
// SAFETY: everything but the inbox for strays is touched by the thread that made the simulation only; `enqueue` is the
// one entrance that other threads could find, and it looks which thread it is on.
package final class Simulation: @unchecked Sendable {
    /// How a run of the loop ended.
    package enum End: Sendable, Equatable {
        /// What was waited for came.
        case done
        /// Nothing is left that could ever happen.
        case quiet
        /// The time limit came first.
        case timeLimit
        /// So many steps that something must be running in circles.
        case stepLimit
    }

    package let seed: UInt64
    package let trace: Trace
    package let streams: RandomStreams
    /// Nanoseconds since the run began.
    private(set) var nanoseconds: Int64 = 0
    private(set) var current: Lane?
    private(set) var steps = 0
    /// What must not happen in any run, whatever the scenario: an escaped task, a ghost that stays.
    package private(set) var violations: [String] = []

    private var ready: [Ready] = []
    private var timers = TimerHeap()
    private var processes: [SimulatedProcess] = []
    private var dying: [SimulatedProcess] = []
    private let schedule: SeededRandom
    /// Out of 16 choices, how many are random; the others take what waited longest.
    private let disorder: UInt64
    private let thread = pthread_self()
    private let strays = Mutex<[Stray]>([])
    /// Called before each step with its number: where scenarios put crashes.
    package var onStep: ((Int) -> Void)?

    // SAFETY: a job is only handed over; it runs on the simulation's thread.
    private struct Stray: @unchecked Sendable {
        let job: UnownedJob
        let process: SimulatedProcess
    }

    package init(seed: UInt64, traces: Bool = true) {
        self.seed = seed
        trace = Trace(isOn: traces)
        streams = RandomStreams(seed: seed)
        schedule = streams.stream("schedule")
        disorder = schedule.pick([0, 1, 4, 8, 16, 16])
    }

    /// Virtual time since the run began.
    package var elapsed: Duration { .nanoseconds(nanoseconds) }
    package var stepCount: Int { steps }

    // MARK: Trace

    package func note(_ actor: @autoclosure () -> String, _ event: @autoclosure () -> String) {
        if trace.isOn { trace.note(nanoseconds, actor(), event(), .event) }
    }

    private func noteStep(_ actor: @autoclosure () -> String, _ event: @autoclosure () -> String) {
        if trace.isOn { trace.note(nanoseconds, actor(), event(), .step) }
    }

    package func violation(_ text: String) {
        note("simulation", "VIOLATION " + text)
        if violations.count < 20 { violations.append(text) }
    }

    // MARK: What may run

    package func makeProcess(_ name: String, skew: Duration = .zero) -> SimulatedProcess {
        let process = SimulatedProcess(name: name, simulation: self, skew: skew)
        processes.append(process)
        return process
    }

    func enqueue(_ job: UnownedJob, of process: SimulatedProcess) {
        if pthread_equal(pthread_self(), thread) != 0 {
            ready.append(.job(job, of: process))
        } else {
            strays.withLock { $0.append(Stray(job: job, process: process)) }
        }
    }

    func list(_ lane: Lane) {
        guard !lane.isListed else { return }
        lane.isListed = true
        ready.append(.lane(lane))
    }

    /// Runs the work soon, in any order with what else is ready.
    func soon(_ name: String, of process: SimulatedProcess, _ work: @escaping () -> Void) {
        ready.append(.work(work, of: process, name: name))
    }

    /// Runs the action after `delay`, inside the loop, unless the process has ended by then.
    @discardableResult
    package func after(
        _ delay: Duration, of process: SimulatedProcess, _ action: @escaping () -> Void
    ) -> SimulatedTimer {
        at(nanoseconds + max(0, delay.wholeNanoseconds), of: process, action)
    }

    @discardableResult
    func at(_ deadline: Int64, of process: SimulatedProcess, _ action: @escaping () -> Void) -> SimulatedTimer {
        let timer = SimulatedTimer(process: process, action: action)
        let tie = disorder == 0 ? 0 : schedule.next(below: 16) < disorder ? schedule.next() : 0
        timers.insert(timer, at: max(deadline, nanoseconds), tie: tie)
        return timer
    }

    // MARK: The loop

    /// Runs until `isDone`, or until nothing is left, or a limit is reached.
    /// - Parameters:
    ///   - limit: virtual time, from the run's beginning.
    ///   - stepLimit: steps from now.
    package func run(
        until limit: Duration, stepLimit: Int = 2_000_000, _ isDone: () -> Bool = { false }
    ) -> End {
        let lastStep = steps + stepLimit
        while true {
            takeStrays()
            if !dying.isEmpty { bury() }
            if isDone() { return .done }
            if ready.isEmpty {
                guard let next = timers.nextDeadline else { return .quiet }
                guard next <= limit.wholeNanoseconds else {
                    nanoseconds = max(nanoseconds, limit.wholeNanoseconds)
                    return .timeLimit
                }
                nanoseconds = max(nanoseconds, next)
                if let timer = timers.popFirst(), timer.process.isAlive { timer.fire() }
                continue
            }
            guard steps < lastStep else { return .stepLimit }
            onStep?(steps)
            if dying.isEmpty { runOne(at: choose()) }
        }
    }

    private func choose() -> Int {
        guard ready.count > 1, disorder > 0, schedule.next(below: 16) < disorder else { return 0 }
        return Int(schedule.next(below: UInt64(ready.count)))
    }

    private func runOne(at index: Int) {
        steps += 1
        switch ready.remove(at: index) {
        case .job(let job, let process):
            noteStep(process.name, "task")
            process.executor.run(job)
        case .work(let work, let process, let name):
            noteStep(process.name, name)
            work()
        case .lane(let lane):
            noteStep(lane.process.name, lane.name)
            lane.isListed = false
            current = lane
            lane.takeFirst()?()
            current = nil
            if !lane.isEmpty { list(lane) }
        }
    }

    /// Runs something as if on the lane: the end of a dead process's connections.
    func with(_ lane: Lane, _ work: () -> Void) {
        let before = current
        current = lane
        work()
        current = before
    }

    private func takeStrays() {
        let found = strays.withLock { strays in
            defer { if !strays.isEmpty { strays = [] } }
            return strays
        }
        for stray in found {
            violation("a task of \(stray.process.name) ran outside the simulation")
            ready.append(.job(stray.job, of: stray.process))
        }
    }

    // MARK: The end of processes

    func willDie(_ process: SimulatedProcess) { dying.append(process) }

    /// Lets the tasks of dead processes come to their ends: cancelled, and without effect, since disk and network no
    /// longer listen to them. Nothing else runs, and no time passes, meanwhile.
    private func bury() {
        while let process = dying.popLast() {
            process.letGo()
            var left = 200_000
            while let index = ready.firstIndex(where: { $0.process === process }) {
                left -= 1
                guard left > 0 else {
                    violation("the ghost of \(process.name) runs in circles")
                    break
                }
                runOne(at: index)
                takeStrays()
            }
            process.wasBuried()
        }
    }

    /// Ends every process that is still there, and forgets what was to happen. To be called once, at the end of every
    /// run: it frees what the run used.
    package func end() {
        for process in processes where process.isAlive { process.crash(.process) }
        bury()
        timers.removeAll()
        ready.removeAll()
        processes.removeAll()
        onStep = nil
    }
}

extension Duration {
    package var wholeNanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
