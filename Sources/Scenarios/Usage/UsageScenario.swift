import Database
import Journal
import Kernel
import SQLiteEngine
import TestKit

/// Requests of clients through gateway, journal, shipper and database, under faults of all of these: each answer that
/// a client saw complete has exactly one usage row, what was begun is settled, and nothing is stored twice.
package struct UsageScenario: Scenario {
    private let snapshot: DiskSnapshot
    private let certificate: NobodysCertificate

    /// Makes the disk that every run begins with.
    package init() throws {
        snapshot = try Fixture.makeDisk()
        certificate = try NobodysCertificate()
    }

    package func plan(of seed: UInt64) -> UsagePlan { plan(of: seed, faults: true) }

    /// - Parameter faults: none are in it when false.
    package func plan(of seed: UInt64, faults: Bool) -> UsagePlan {
        UsagePlan(RandomStreams(seed: seed).stream("plan"), faults: faults)
    }

    package func simpler(than plan: UsagePlan) -> [UsagePlan] { plan.simpler }

    package func describe(_ plan: UsagePlan) -> [String] { plan.lines }

    package func run(_ plan: UsagePlan, seed: UInt64, bug: PlantedBug?, traces: Bool) -> RunReport {
        let watch = LeakWatch()
        let report = run(plan, seed: seed, bug: bug, traces: traces, watch: watch)
        return watch.leaks.isEmpty ? report : report.failing("left behind: \(watch.leaks.joined(separator: ", "))")
    }

    private func run(
        _ plan: UsagePlan, seed: UInt64, bug: PlantedBug?, traces: Bool, watch: LeakWatch
    ) -> RunReport {
        let simulation = Simulation(seed: seed, traces: traces)
        let world = UsageWorld(
            simulation, plan: plan, bug: bug, snapshot: snapshot, certificates: certificate.path)
        world.watch(watch)
        var failures: [String] = []
        let first = simulation.run(until: .seconds(120), stepLimit: 500_000) { world.isOver }
        if first != .done { failures.append("clients or platform did not come to an end: \(first)") }
        world.calm()
        // What a partition held back arrives now, and is work: nobody is at rest before it.
        let settled = simulation.run(until: simulation.elapsed + .seconds(1), stepLimit: 500_000)
        if settled == .stepLimit { failures.append("the platform did not come to rest: \(settled)") }
        let limit = simulation.elapsed + .seconds(60)
        let second = simulation.run(until: limit, stepLimit: 500_000) { world.platform?.isIdle ?? false }
        if second != .done {
            failures.append("the platform did not come to rest: \(second)\(Self.state(of: world.platform))")
        }
        var figures: [String: Int] = [:]
        failures += check(world, &figures)
        failures += simulation.violations
        world.end()
        failures += simulation.violations.filter { !failures.contains($0) }
        return RunReport(
            seed: seed, failures: failures, hash: simulation.trace.hash, events: simulation.trace.count,
            lines: simulation.trace.lines, steps: simulation.stepCount, elapsed: simulation.elapsed,
            figures: figures)
    }

    private static func state(of platform: Platform?) -> String {
        guard let platform, platform.isServing else { return ", it does not serve" }
        return ", lag \(platform.journal?.lag ?? -1)"
    }

    private func check(_ world: UsageWorld, _ figures: inout [String: Int]) -> [String] {
        let before = read(world)
        guard case .success(let stored) = before else { return ["the rows cannot be read: \(before)"] }
        let checks = UsageChecks(world, rows: stored.rows)
        figures = checks.figures
        var failures = checks.failures
        if stored.integrity != "ok" { failures.append("the database is damaged: \(stored.integrity)") }
        // What is over stays over: a start on a journal at rest adds nothing.
        guard world.simulation.seed % 4 == 0 else { return failures }
        world.restart()
        let limit = world.simulation.elapsed + .seconds(60)
        let end = world.simulation.run(until: limit, stepLimit: 500_000) { world.platform?.isIdle ?? false }
        if end != .done { failures.append("the platform did not come to rest after one more start: \(end)") }
        if case .success(let again) = read(world), again.rows == stored.rows { return failures }
        return failures + ["one more start changed the rows"]
    }

    private struct Stored: Sendable {
        let rows: [StoredUsage]
        /// What SQLite says of its file.
        let integrity: String
    }

    private struct Unanswered: Error {}

    private func read(_ world: UsageWorld) -> Result<Stored, any Error> {
        guard let platform = world.platform, platform.isServing, let database = platform.database else {
            return .failure(Unanswered())
        }
        let found = Shared<Result<Stored, any Error>?>(nil)
        platform.process.start {
            do {
                let stored = try await database.read(.system) { tx in
                    Stored(
                        rows: try tx.rows("SELECT * FROM usage ORDER BY request_id").map(StoredUsage.init(row:)),
                        integrity: try tx.row("PRAGMA integrity_check")?.value("integrity_check") ?? "no answer")
                }
                found.update { $0 = .success(stored) }
            } catch {
                found.update { $0 = .failure(error) }
            }
        }
        _ = world.simulation.run(until: world.simulation.elapsed + .seconds(10)) { found.value != nil }
        return found.value ?? .failure(Unanswered())
    }
}
