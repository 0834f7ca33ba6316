import Foundation
import Scenarios

/// Runs seeds one after the other in this process.
struct SeedRange {
    /// Of a trace, as many as somebody reads.
    private static let mostLines = 400

    private let options: Simulate
    private let scenario: OpenScenario
    private var progress: Progress

    init(_ options: Simulate, _ entry: CatalogEntry) throws {
        self.options = options
        scenario = try entry.open()
        progress = Progress(total: options.runs)
    }

    /// - Returns: whether every seed was good. The first that is not ends it, with its report.
    mutating func run() -> Bool {
        var figures: [String: Int] = [:]
        for seed in options.seed..<options.seed + UInt64(options.runs) {
            let report = scenario.run(seed, options.bug, options.trace || options.hash)
            if options.trace { report.lines.forEach(Output.line) }
            if options.hash {
                Output.line("seed \(seed) hash \(String(report.hash, radix: 16)) of \(report.events) lines")
            }
            figures.merge(report.figures, uniquingKeysWith: +)
            guard report.failures.isEmpty else {
                progress.end()
                explain(report)
                return false
            }
            note()
        }
        progress.end()
        if options.figures {
            for (name, count) in figures.sorted(by: { $0.key < $1.key }) { Output.line("\(count) \(name)") }
        }
        if !options.worker { Output.line(progress.summary) }
        return true
    }

    private mutating func note() {
        if options.worker {
            if progress.add(1, isSilent: true) { Output.line("\(Crew.progressWord) \(progress.takeNews())") }
        } else {
            _ = progress.add(1, isSilent: options.trace || options.hash)
        }
    }

    private func explain(_ report: RunReport) {
        Output.line("FAILED: seed \(report.seed), scenario \(options.scenario)")
        report.failures.forEach { Output.line("  \($0)") }
        Output.line("Repeat it: \(options.command(for: report.seed))")
        guard let least = scenario.shrink(report.seed, options.bug) else { return }
        Output.line("The least that fails, found in \(least.attempts) runs:")
        least.plan.forEach { Output.line("  \($0)") }
        least.report.failures.forEach { Output.line("  \($0)") }
        let lines = least.report.lines
        let shown = lines.suffix(Self.mostLines)
        let cut = shown.count < lines.count ? ", the last \(shown.count)" : ""
        Output.line("Its trace, \(lines.count) events\(cut):")
        shown.forEach { Output.line("  \($0)") }
    }
}
