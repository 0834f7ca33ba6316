import Scenarios
import TestKit
import Testing

@Suite("Scenario usage", .serialized)
struct UsageScenarioTests {
    @Test("the same seed gives the same trace, byte for byte, and other seeds give others")
    func sameSeedSameTrace() async throws { try await expectRepeatable { try UsageScenario() } }

    @Test("without a trace a run ends the same way")
    func tracesChangeNothing() async throws {
        let pairs = try await onSimulationThread {
            let scenario = try UsageScenario()
            return (UInt64(40)...50).map { seed in
                let plan = scenario.plan(of: seed)
                return (
                    scenario.run(plan, seed: seed, bug: .lostOpen, traces: true),
                    scenario.run(plan, seed: seed, bug: .lostOpen, traces: false)
                )
            }
        }
        for (loud, quiet) in pairs {
            #expect(loud.steps == quiet.steps && loud.failures == quiet.failures, "seed \(loud.seed)")
        }
    }

    @Test("200 seeds hold, and meet what they are for")
    func seedsHold() async throws {
        try await expectSound(1...200, meeting: Self.mustBeMet) { try UsageScenario() }
    }

    /// A fault that stops taking effect is missed here, by name.
    static let mustBeMet: Set<String> = [
        "requests", "complete answers", "broken answers", "losses", "doubles", "rows", "interrupted rows",
        "rows settled from progress", "client left", "timed out", "truncated", "second attempts", "kills",
        "power cuts", "refused appends", "lost by power", "disk faults: failed syncs", "disk faults: failed writes",
        "disk faults: full", "disk faults: short appends", "database away", "database slow", "commits unknown, done",
        "commits unknown, not done", "cuts", "resets", "refusals", "silences",
    ]

    /// Seeds within which each mistake is found, from seed 1.
    static let bounds: [(bug: PlantedBug, seeds: UInt64)] = [
        (.skippedSync, 60), (.doubleShipping, 40), (.closeAfterBytes, 150), (.lateCommit, 150),
        (.lostOpen, 60), (.shortReplay, 60), (.tornTail, 600),
    ]

    @Test("every planted mistake is found within its number of seeds", arguments: PlantedBug.allCases)
    func plantedMistakesAreFound(bug: PlantedBug) async throws {
        let bound = try #require(Self.bounds.first { $0.bug == bug }?.seeds)
        let found = try await onSimulationThread {
            let scenario = try UsageScenario()
            return (1...bound).first {
                !scenario.run(scenario.plan(of: $0), seed: $0, bug: bug, traces: false).failures.isEmpty
            }
        }
        #expect(found != nil, "\(bug.rawValue) was not found in \(bound) seeds")
    }

    @Test("a failure shrinks to less that still fails")
    func shrinks() async throws {
        let (least, full) = try await onSimulationThread {
            let scenario = try UsageScenario()
            let seed = (1...100).first {
                !scenario.run(scenario.plan(of: $0), seed: $0, bug: .lostOpen, traces: false).failures.isEmpty
            }
            let full = seed.map { scenario.run(scenario.plan(of: $0), seed: $0, bug: .lostOpen, traces: true) }
            return (seed.flatMap { scenario.shrink(seed: $0, bug: .lostOpen, effort: 150) }, full)
        }
        let shrunk = try #require(least)
        #expect(!shrunk.report.failures.isEmpty)
        #expect(shrunk.report.lines.count <= (full?.lines.count ?? 0))
        #expect(shrunk.attempts <= 152)
    }
}
