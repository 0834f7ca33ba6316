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
        let simulation = Simulation(seed: seed, traces: traces)
        let world = UsageWorld(
            simulation, plan: plan, bug: bug, snapshot: snapshot, certificates: certificate.path)
        var failures: [String] = []
        let first = simulation.run(until: .seconds(120), stepLimit: 500_000) { world.isOver }
        if first != .done { failures.append("clients or platform did not come to an end: \(first)") }
        world.calm()
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
        guard let platform = world.platform, platform.isServing, let database = platform.database else { return [] }
        let found = Shared<Result<([StoredUsage], String), any Error>?>(nil)
        platform.process.start {
            do {
                let answer = try await database.read(.system) { tx in
                    let rows = try tx.rows("SELECT * FROM usage ORDER BY request_id").map(StoredUsage.init(row:))
                    let check: String = try tx.row("PRAGMA integrity_check")?.value("integrity_check") ?? "no answer"
                    return (rows, check)
                }
                found.update { $0 = .success(answer) }
            } catch {
                found.update { $0 = .failure(error) }
            }
        }
        _ = world.simulation.run(until: world.simulation.elapsed + .seconds(10)) { found.value != nil }
        switch found.value {
        case .success((let rows, let integrity)):
            let checks = UsageChecks(world, rows: rows)
            figures = checks.figures
            return checks.failures + (integrity == "ok" ? [] : ["the database is damaged: \(integrity)"])
        case .failure(let error): return ["the rows cannot be read: \(error)"]
        case nil: return ["the rows cannot be read in time"]
        }
    }
}
