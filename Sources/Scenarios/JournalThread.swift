import Journal
import Kernel
import TestKit

/// What the journal's thread does, with a sync that takes time.
struct JournalThread: Sendable {
    private let journal: SegmentedJournal
    private let process: SimulatedProcess
    /// Says that there is something to sync.
    private let bell: SimulatedBell
    private let random: SeededRandom

    init(_ journal: SegmentedJournal, process: SimulatedProcess, bell: SimulatedBell, random: SeededRandom) {
        self.journal = journal
        self.process = process
        self.bell = bell
        self.random = random
    }

    /// - Parameter idle: between two looks when nobody rings.
    func run(idle: Duration = .milliseconds(100)) async {
        let clock = process.clock
        do {
            while !Task.isCancelled {
                let pass = journal.beginPass()
                if pass.isDue { try await clock.sleep(for: .microseconds(random.integer(in: 50...4000))) }
                let outcome = pass.sync()
                guard process.isAlive else { return }
                if pass.isDue { process.simulation.note(process.name, "journal sync \(outcome)") }
                journal.endPass(pass, outcome)
                if !journal.hasWork {
                    await bell.wait(atMost: idle)
                    // Gathers a little more, unless somebody waits.
                    if !journal.isStrict { try await clock.sleep(for: .milliseconds(5)) }
                } else {
                    // There is more, or the disk fails.
                    try await clock.sleep(for: .milliseconds(pass.isDue && outcome == 0 ? 5 : 50))
                }
            }
        } catch {
            return
        }
    }
}
