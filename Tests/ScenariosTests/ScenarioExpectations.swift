import Scenarios
import TestKit
import Testing

/// The same seed gives the same trace, byte for byte, and other seeds give others: whatever ran before leaves nothing
/// behind that shows.
func expectRepeatable(_ make: @escaping @Sendable () throws -> some Scenario) async throws {
    let reports = try await onSimulationThread {
        let scenario = try make()
        func run(_ seed: UInt64) -> RunReport {
            scenario.run(scenario.plan(of: seed), seed: seed, bug: nil, traces: true)
        }
        let first = (1...12).map(run)
        return (first, Array((1...12).reversed().map(run).reversed()))
    }
    for (first, again) in zip(reports.0, reports.1) {
        #expect(first.lines == again.lines, "seed \(first.seed)")
        #expect(first.hash == again.hash && first.events == again.events, "seed \(first.seed)")
        #expect(first.events > 20)
    }
    #expect(Set(reports.0.map(\.hash)).count == reports.0.count)
}

/// Seeds without a mistake hold, and meet what the scenario is for: a fault that stops taking effect is missed by name.
/// - Parameter seldom: may be met, and need not.
func expectSound(
    _ seeds: ClosedRange<UInt64>, meeting names: Set<String>, seldom: Set<String> = [],
    _ make: @escaping @Sendable () throws -> some Scenario
) async throws {
    let reports = try await onSimulationThread {
        let scenario = try make()
        return seeds.map { scenario.run(scenario.plan(of: $0), seed: $0, bug: nil, traces: false) }
    }
    var figures: [String: Int] = [:]
    for report in reports {
        #expect(report.failures.isEmpty, "seed \(report.seed)")
        figures.merge(report.figures, uniquingKeysWith: +)
    }
    #expect(Set(figures.keys) == names.union(seldom))
    for name in names.sorted() { #expect(figures[name, default: 0] > 0, "never met: \(name)") }
}
