/// Something that production code must survive under any seed.
package protocol Scenario: Sendable {
    /// Everything that a run will meet, as a value.
    associatedtype Plan: Sendable

    /// The mistakes that can be planted.
    associatedtype Bug: RawRepresentable & CaseIterable & Sendable where Bug.RawValue == String

    /// The plan that a seed stands for.
    func plan(of seed: UInt64) -> Plan

    /// Runs a plan under a seed. The same of both gives the same report, byte for byte.
    /// - Parameter traces: whether the report has a trace. Without one a run is quicker, and otherwise the same.
    func run(_ plan: Plan, seed: UInt64, bug: Bug?, traces: Bool) -> RunReport

    /// Plans that lack something of this one, those that lack most first.
    func simpler(than plan: Plan) -> [Plan]

    /// The plan in words, a line each.
    func describe(_ plan: Plan) -> [String]
}

/// How a run ended.
package struct RunReport: Sendable {
    package let seed: UInt64
    /// What was wrong; empty when nothing was.
    package private(set) var failures: [String]
    /// Of every line of the trace; means nothing where none was kept.
    package let hash: UInt64
    /// Lines that the hash covers.
    package let events: Int
    /// The events that a person looks for.
    package let lines: [String]
    /// Choices of the scheduler.
    package let steps: Int
    /// Virtual time.
    package let elapsed: Duration
    /// How often something happened that is worth meeting; for looking whether a scenario meets it at all.
    package let figures: [String: Int]
}

/// A failure and the least that was found to bring it about.
package struct ShrunkFailure: Sendable {
    package let seed: UInt64
    package let plan: [String]
    package let report: RunReport
    /// Runs that the search took.
    package let attempts: Int
}

extension RunReport {
    func failing(_ failure: String) -> RunReport {
        var report = self
        report.failures.append(failure)
        return report
    }

    /// What failed, without whom it befell.
    var kinds: Set<String> {
        Set(
            failures.map { failure in
                failure.split(separator: " ").filter { !$0.contains(where: \.isNumber) && $0 != "()" }
                    .joined(separator: " ")
            })
    }
}

extension Scenario {
    /// Takes parts of a failing seed's plan away as long as it still fails.
    /// - Parameter effort: runs at most.
    package func shrink(seed: UInt64, bug: Bug?, effort: Int = 400) -> ShrunkFailure? {
        var best = plan(of: seed)
        let kinds = run(best, seed: seed, bug: bug, traces: false).kinds
        guard !kinds.isEmpty else { return nil }
        var attempts = 1
        var isProgress = true
        while isProgress, attempts < effort {
            isProgress = false
            for candidate in simpler(than: best) where attempts < effort {
                attempts += 1
                // The same mistake, not another one that the search came by.
                guard !run(candidate, seed: seed, bug: bug, traces: false).kinds.isDisjoint(with: kinds) else {
                    continue
                }
                best = candidate
                isProgress = true
                break
            }
        }
        let report = run(best, seed: seed, bug: bug, traces: true)
        return ShrunkFailure(seed: seed, plan: describe(best), report: report, attempts: attempts + 1)
    }
}
