import Kernel
import Synchronization
import TestKit
import Testing

/// What a body of a simulation noted, in order.
private final class Notes: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}

@Suite("Simulation: tasks, time and ends", .serialized)
struct SchedulingTests {
    /// The order in which ten tasks of three steps each ran.
    private func order(seed: UInt64) async throws -> [String] {
        try await onSimulationThread {
            let simulation = Simulation(seed: seed)
            let process = simulation.makeProcess("p")
            let notes = Notes()
            for task in 0..<10 {
                process.start {
                    for step in 0..<3 {
                        notes.add("\(task).\(step)")
                        await Task.yield()
                    }
                }
            }
            let end = simulation.run(until: .seconds(1))
            simulation.end()
            return notes.all + ["\(end)"]
        }
    }

    @Test("the same seed runs tasks in the same order, and seeds differ in it")
    func seedsDecide() async throws {
        var orders: Set<[String]> = []
        for seed in UInt64(1)...20 {
            let first = try await order(seed: seed)
            let second = try await order(seed: seed)
            #expect(first == second)
            #expect(first.count == 31 && first.last == "quiet")
            orders.insert(first)
        }
        #expect(orders.count > 8)
    }

    @Test("children of a task stay in the simulation, and a task group waits in virtual time")
    func childrenStay() async throws {
        let (notes, violations, elapsed) = try await onSimulationThread {
            let simulation = Simulation(seed: 7)
            let process = simulation.makeProcess("p")
            let notes = Notes()
            process.start {
                await withTaskGroup(of: Void.self) { group in
                    for number in [3, 1, 2] {
                        group.addTask {
                            do { try await process.clock.sleep(for: .seconds(number)) } catch { notes.add("cancelled") }
                            notes.add("\(number) at \(simulation.elapsed.seconds)")
                        }
                    }
                }
                notes.add("all")
            }
            _ = simulation.run(until: .seconds(60))
            let elapsed = simulation.elapsed
            simulation.end()
            return (notes.all, simulation.violations, elapsed)
        }
        #expect(notes == ["1 at 1.0", "2 at 2.0", "3 at 3.0", "all"])
        #expect(violations.isEmpty)
        #expect(elapsed == .seconds(3))
    }

    @Test("a task that comes back from another thread is a violation")
    func strays() async throws {
        let violations = try await onSimulationThread {
            let simulation = Simulation(seed: 1)
            let process = simulation.makeProcess("p")
            let isBack = Shared<Bool>(false)
            let gate = Gate()
            process.start {
                // Swift's own pool resumes it.
                await Task.detached { await gate.pass() }.value
                isBack.update { $0 = true }
            }
            // Only when it waits: it would go on by itself after a task that has ended.
            _ = simulation.run(until: .seconds(1))
            gate.open()
            // The pool needs real time, of which the simulation knows nothing.
            let clock = ContinuousClock()
            let limit = clock.now + .seconds(20)
            while !isBack.value, clock.now < limit { _ = simulation.run(until: .seconds(1)) }
            simulation.end()
            return simulation.violations
        }
        #expect(violations == ["a task of p ran outside the simulation"])
    }

    @Test("a crash ends sleepers and tasks, and nothing of the dead process is noted as running")
    func crashEndsTasks() async throws {
        let (notes, left, violations) = try await onSimulationThread {
            let simulation = Simulation(seed: 3)
            let process = simulation.makeProcess("p")
            let other = simulation.makeProcess("q")
            let notes = Notes()
            process.start {
                do {
                    try await process.clock.sleep(for: .seconds(10))
                    notes.add("slept")
                } catch {
                    notes.add(process.isAlive ? "alive" : "dead")
                }
            }
            simulation.after(.seconds(2), of: other) { process.crash(.process) }
            simulation.after(.seconds(5), of: process) { notes.add("a timer of the dead") }
            _ = simulation.run(until: .seconds(60))
            let left = process.runningTasks
            simulation.end()
            return (notes.all, left, simulation.violations)
        }
        #expect(notes == ["dead"])
        #expect(left == 0)
        #expect(violations.isEmpty)
    }

    @Test("a task that goes on after its process's end is a violation")
    func ghostsThatStay() async throws {
        let violations = try await onSimulationThread {
            let simulation = Simulation(seed: 3)
            let process = simulation.makeProcess("p")
            let gate = Gate()
            process.start { await gate.pass() }
            _ = simulation.run(until: .seconds(1))
            process.crash(.process)
            simulation.end()
            let violations = simulation.violations
            // The task itself is let go, so that the test leaves nothing behind.
            gate.open()
            return violations
        }
        #expect(violations == ["1 tasks of p did not end when they were cancelled"])
    }

    @Test("a loop that never rests is found by the step limit")
    func circles() async throws {
        let end = try await onSimulationThread {
            let simulation = Simulation(seed: 3, traces: false)
            let process = simulation.makeProcess("p")
            process.start { while !Task.isCancelled { await Task.yield() } }
            let end = simulation.run(until: .seconds(1), stepLimit: 1000)
            simulation.end()
            return end
        }
        #expect(end == .stepLimit)
    }
}
