import Billing
import Database
import Journal
import Kernel
import TestKit

/// Requests through admission, escrow, journal, shipper, settlement and ledger of up to three nodes on one database,
/// under faults of all of these: money is conserved, no wall is passed, and each request is charged once, at its price.
package struct MoneyScenario: Scenario {
    private let town: Town

    /// Makes the disk that every run begins with.
    package init() throws { town = try Town() }

    package func plan(of seed: UInt64) -> MoneyPlan { plan(of: seed, faults: true) }

    /// - Parameter faults: none are in it when false.
    package func plan(of seed: UInt64, faults: Bool) -> MoneyPlan {
        MoneyPlan(RandomStreams(seed: seed).stream("plan"), faults: faults)
    }

    package func simpler(than plan: MoneyPlan) -> [MoneyPlan] { plan.simpler }

    package func describe(_ plan: MoneyPlan) -> [String] { plan.lines }

    package func run(_ plan: MoneyPlan, seed: UInt64, bug: MoneyBug?, traces: Bool) -> RunReport {
        let watch = LeakWatch()
        let report = run(plan, seed: seed, bug: bug, traces: traces, watch: watch)
        return watch.leaks.isEmpty ? report : report.failing("left behind: \(watch.leaks.joined(separator: ", "))")
    }

    private func run(
        _ plan: MoneyPlan, seed: UInt64, bug: MoneyBug?, traces: Bool, watch: LeakWatch
    ) -> RunReport {
        let simulation = Simulation(seed: seed, traces: traces)
        let world = MoneyWorld(simulation, plan: plan, bug: bug, town: town)
        world.watch(watch)
        var failures: [String] = []
        var figures: [String: Int] = [:]
        if world.setUp() {
            world.open()
            failures = play(world, &figures)
        }
        failures = simulation.violations + failures
        world.end()
        failures += simulation.violations.filter { !failures.contains($0) }
        return RunReport(
            seed: seed, failures: failures, hash: simulation.trace.hash, events: simulation.trace.count,
            lines: simulation.trace.lines, steps: simulation.stepCount, elapsed: simulation.elapsed,
            figures: figures)
    }

    private func play(_ world: MoneyWorld, _ figures: inout [String: Int]) -> [String] {
        let simulation = world.simulation
        let first = simulation.run(until: .seconds(120), stepLimit: 500_000) { world.isOver }
        if first != .done { return ["requests did not come to an end: \(first)\(Self.state(of: world))"] }
        world.calm()
        // What was sent late arrives now.
        let pause = world.plan.faults.contains { $0.kind == .late } ? RemoteDatabase.latest : .milliseconds(100)
        _ = simulation.run(until: simulation.elapsed + pause)
        let limit = simulation.elapsed + .seconds(40)
        let second = simulation.run(until: limit, stepLimit: 500_000) { world.isAtRest }
        if second != .done { return ["the nodes did not come to rest: \(second)\(Self.state(of: world))"] }
        world.stopAll()
        let third = simulation.run(until: simulation.elapsed + .seconds(15), stepLimit: 500_000) { world.areAllStopped }
        if third != .done { return ["the nodes did not stop: \(third)"] }
        return world.leftovers + check(world, &figures)
    }

    private static func state(of world: MoneyWorld) -> String {
        world.nodes.filter { !$0.isLost }.map { node in
            let running = node.current?.running ?? 0
            return "; \(node.name) runs \(running), lag \(node.current?.journal?.lag ?? -1), "
                + (world.disagreement(of: node) ?? "agrees")
        }.joined()
    }

    private func check(_ world: MoneyWorld, _ figures: inout [String: Int]) -> [String] {
        let found = Shared<Result<(LedgerVerdict, MoneyRows), any Error>?>(nil)
        world.outside.start {
            do {
                let verdict = try await world.close()
                let rows = try await RemoteDatabase(world: world, process: world.outside, node: nil)
                    .read(.system) { tx in try MoneyRows(tx) }
                found.update { $0 = .success((verdict, rows)) }
            } catch {
                found.update { $0 = .failure(error) }
            }
        }
        _ = world.simulation.run(until: world.simulation.elapsed + .seconds(200)) { found.value != nil }
        switch found.value {
        case .success(let (verdict, rows)):
            let checks = MoneyChecks(world, rows: rows, verdict: verdict)
            figures = checks.figures
            return checks.failures
        case .failure(let error): return ["the ledger cannot be read: \(error)"]
        case nil: return ["the ledger was not closed"]
        }
    }
}
