/// A scenario as the command line knows it.
package struct CatalogEntry: Sendable {
    package let name: String
    package let summary: String
    /// Name and summary of what can be planted.
    package let bugs: [(name: String, summary: String)]
    package let open: @Sendable () throws -> OpenScenario
}

/// A scenario that is ready to run.
package struct OpenScenario: Sendable {
    package let run: @Sendable (_ seed: UInt64, _ bug: String?, _ traces: Bool) -> RunReport
    package let shrink: @Sendable (_ seed: UInt64, _ bug: String?) -> ShrunkFailure?

    init<S: Scenario>(_ scenario: S) {
        run = { seed, bug, traces in
            scenario.run(
                scenario.plan(of: seed), seed: seed, bug: bug.flatMap { S.Bug(rawValue: $0) }, traces: traces)
        }
        shrink = { seed, bug in scenario.shrink(seed: seed, bug: bug.flatMap { S.Bug(rawValue: $0) }) }
    }
}

package enum Catalog {
    package static let entries = [
        CatalogEntry(
            name: "usage",
            summary: "every answer that a client saw complete has exactly one usage row, whatever breaks",
            bugs: PlantedBug.allCases.map { ($0.rawValue, $0.summary) },
            open: { OpenScenario(try UsageScenario()) }),
        CatalogEntry(
            name: "money",
            summary: "no wall is passed, and each request is charged once, at its price, whatever breaks",
            bugs: MoneyBug.allCases.map { ($0.rawValue, $0.summary) },
            open: { OpenScenario(try MoneyScenario()) }),
    ]
}
