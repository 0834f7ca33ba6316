import ArgumentParser
import Foundation
import Scenarios

@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Runs production code under seeds, in virtual time, with faults.",
        discussion: """
            A seed decides everything: what clients do, what breaks and when, and in which order things happen. A run \
            that fails prints its seed, and the same seed fails the same way again.
            """)

    @Option(help: "The first seed.") var seed: UInt64 = 1
    @Option(help: "How many seeds.") var runs = 1
    @Option(help: "Which scenario.") var scenario = "usage"
    @Option(help: "Plants a mistake that the scenario has to find.") var bug: String?
    @Option(help: "Processes at once; by default as many as there are processors.") var jobs: Int?
    @Flag(help: "Lists the scenarios and what can be planted.") var list = false
    @Flag(help: "Prints the trace of each seed.") var trace = false
    @Flag(help: "Prints each seed's trace hash.") var hash = false
    @Flag(help: "Prints how often things happened that are worth meeting.") var figures = false
    /// For the processes that this one starts: reports to it instead of to a person.
    @Flag(help: .hidden) var worker = false

    func validate() throws {
        guard runs > 0, jobs.map({ $0 > 0 }) ?? true else { throw ValidationError("--runs and --jobs begin at 1.") }
        guard !seed.addingReportingOverflow(UInt64(runs)).overflow else {
            throw ValidationError("--seed is too large.")
        }
        guard let entry = Catalog.entries.first(where: { $0.name == scenario }) else {
            throw ValidationError("There is no scenario '\(scenario)'. `simulate --list` shows what there is.")
        }
        if let bug, !entry.bugs.contains(where: { $0.name == bug }) {
            throw ValidationError("'\(scenario)' knows no bug '\(bug)'. `simulate --list` shows what there is.")
        }
    }

    func run() throws {
        if list { return listAll() }
        try Relaunch.withStableHashing()
        guard let entry = Catalog.entries.first(where: { $0.name == scenario }) else { return }
        let jobs = min(jobs ?? ProcessInfo.processInfo.activeProcessorCount, runs)
        let isGood: Bool
        if worker || jobs == 1 || trace || hash || figures {
            var range = try SeedRange(self, entry)
            isGood = range.run()
        } else {
            var crew = Crew(self, jobs: jobs)
            isGood = try crew.run()
        }
        if !isGood { throw ExitCode.failure }
    }

    private func listAll() {
        for entry in Catalog.entries {
            Output.line("\(entry.name): \(entry.summary)")
            for bug in entry.bugs { Output.line("  --bug \(bug.name): \(bug.summary)") }
        }
    }

    /// What repeats one seed.
    func command(for seed: UInt64) -> String {
        "make sim SEED=\(seed) RUNS=1 SCENARIO=\(scenario)" + (bug.map { " BUG=\($0)" } ?? "")
    }
}

enum Output {
    /// Data, or what a worker tells whoever started it.
    static func line(_ text: String) { try? FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8)) }

    static func talk(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }
}
