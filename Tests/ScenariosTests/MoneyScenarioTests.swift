import Scenarios
import TestKit
import Testing

@Suite("Scenario money", .serialized)
struct MoneyScenarioTests {
    @Test("the same seed gives the same trace, byte for byte, and other seeds give others")
    func sameSeedSameTrace() async throws { try await expectRepeatable { try MoneyScenario() } }

    @Test("200 seeds hold, and meet what they are for")
    func seedsHold() async throws {
        try await expectSound(1...200, meeting: Self.mustBeMet, seldom: Self.seldomMet) { try MoneyScenario() }
    }

    /// A fault that stops taking effect is missed here, by name.
    static let mustBeMet: Set<String> = [
        "requests", "found nobody", "rows", "interrupted rows", "waited", "left while they waited", "refused as spent",
        "refused as held", "refused by a limit", "refused without a price", "refused without the ledger", "charges",
        "counts", "above their hold", "without a price", "written off", "credit lapsed",
        "by the second book", "given back", "released", "periods that ended", "kills", "power cuts", "lost nodes",
        "crashes of the database", "rights that began anew", "database away", "database slow", "database unknownDone",
        "database unknownUndone", "database late",
    ]

    /// Takes more seeds.
    static let seldomMet: Set<String> = ["late charges"]

    @Test("without faults every request is decided, and none is refused for want of the ledger")
    func noFaults() async throws {
        let reports = try await onSimulationThread {
            let scenario = try MoneyScenario()
            return (UInt64(1)...60).map {
                scenario.run(scenario.plan(of: $0, faults: false), seed: $0, bug: nil, traces: false)
            }
        }
        for report in reports {
            #expect(report.failures.isEmpty, "seed \(report.seed)")
            #expect(report.figures["refused without the ledger"] == 0, "seed \(report.seed)")
        }
    }

    /// Seeds within which each mistake is found, from seed 1.
    static let bounds: [(bug: MoneyBug, seeds: UInt64)] = [
        (.skippedFence, 250), (.doubleShipping, 40), (.lostVoid, 20), (.doubleVoid, 300), (.slowClock, 150),
        (.believedRenewal, 60), (.truncatedPrices, 20), (.halfPosted, 20), (.forgottenGuard, 20),
        (.settledPeriod, 30), (.doubleWriteOff, 40), (.earlyRelease, 60), (.droppedTicket, 20), (.todaysPrices, 40),
        (.endlessPeriod, 40),
    ]

    @Test("every planted mistake is found within its number of seeds", arguments: MoneyBug.allCases)
    func plantedMistakesAreFound(bug: MoneyBug) async throws {
        let bound = try #require(Self.bounds.first { $0.bug == bug }?.seeds)
        let found = try await onSimulationThread {
            let scenario = try MoneyScenario()
            return (1...bound).first {
                !scenario.run(scenario.plan(of: $0), seed: $0, bug: bug, traces: false).failures.isEmpty
            }
        }
        #expect(found != nil, "\(bug.rawValue) was not found in \(bound) seeds")
    }

    @Test("a failure shrinks to less that still fails")
    func shrinks() async throws {
        let (least, full) = try await onSimulationThread {
            let scenario = try MoneyScenario()
            let seed = (1...100).first {
                !scenario.run(scenario.plan(of: $0), seed: $0, bug: .earlyRelease, traces: false).failures.isEmpty
            }
            let full = seed.map { scenario.describe(scenario.plan(of: $0)) }
            return (seed.flatMap { scenario.shrink(seed: $0, bug: .earlyRelease, effort: 100) }, full)
        }
        let shrunk = try #require(least)
        #expect(!shrunk.report.failures.isEmpty)
        #expect(shrunk.plan.count < (full?.count ?? 0))
        #expect(shrunk.attempts <= 102)
    }
}
