import App
import ArgumentParser

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Looks at the machine: what was found, what is expected, what mends it.",
        discussion: "Changes nothing. Ends with 1 when something that is needed is broken.")

    @OptionGroup var options: GlobalOptions
    @OptionGroup var listing: ListingOptions

    func run() async throws {
        let context = CommandContext(options)
        let examination = Examination(
            report: context.report, environment: context.environment, clock: context.clock, logger: context.logger)
        let rows = Doctor.rows(await examination.facts())
        let terminal = context.terminal
        if listing.json {
            try terminal.write(json: rows)
        } else {
            try terminal.write(DoctorText.table(rows).text(usesColor: terminal.usesColor))
            try terminal.write(DoctorText.remedies(rows, usesColor: terminal.usesColor))
        }
        if rows.contains(where: { $0.status == .broken }) { throw ExitCode(ExitStatus.failed.rawValue) }
    }
}

/// How the doctor's rows read.
enum DoctorText {
    static func table(_ rows: [DoctorRow]) -> Table {
        Table(
            [.init("STATUS"), .init("CHECK"), .init("FOUND"), .init("EXPECTED")],
            rows: rows.map { [$0.status.rawValue, $0.check, $0.found, $0.expected] })
    }

    /// What to do, in order; or that nothing is.
    static func remedies(_ rows: [DoctorRow], usesColor: Bool) -> String {
        let toMend = rows.compactMap { row in row.remedy.map { (row, $0) } }
        guard !toMend.isEmpty else { return "\nAll is well.\n" }
        let lines = toMend.map { row, remedy in
            let colour = row.status == .broken ? "\u{1B}[31m" : "\u{1B}[33m"
            let check = usesColor ? "\(colour)\(row.check)\u{1B}[0m" : row.check
            return "  \(check): \(Terminal.printable(remedy))"
        }
        return "\nTo mend\n" + lines.joined(separator: "\n") + "\n"
    }
}
