import App
import ArgumentParser
import Foundation
import Inference
import Kernel

struct JournalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal", abstract: "Looks into the usage journal: its records, and whether it is whole.",
        discussion: "Reads only. A platform may serve the data folder meanwhile.",
        subcommands: [JournalInspect.self, JournalVerify.self])
}

struct JournalInspect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Shows the records, oldest first.",
        discussion: "What is a row in the database already leaves the journal after a while.")

    @OptionGroup var options: GlobalOptions

    @Option(help: ArgumentHelp("Only the file of this number.", valueName: "number")) var segment: UInt64?
    @Option(
        help: ArgumentHelp("Only records of this request.", valueName: "id"),
        transform: { try identifier($0) as RequestID })
    var request: RequestID?
    @Flag(help: "Print JSON: one object on each line.") var json = false

    func run() async throws {
        let context = CommandContext(options)
        let reader = try JournalReader(dataDir: try context.configuration().dataDir)
        let terminal = context.terminal
        var count = 0
        try reader.forEachSegment(segment, request: request) { file, rows in
            count += rows.count
            if json { return try terminal.write(jsonLines: rows) }
            terminal.talk("\(file): \(JournalText.count(rows.count, "record"))\n")
            if !rows.isEmpty { try terminal.write(JournalText.table(rows).text(usesColor: terminal.usesColor)) }
        }
        if count == 0, !json { terminal.talk("The journal holds no such record.\n") }
    }
}

struct JournalVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Reads the whole journal and says whether anything is missing or damaged.",
        discussion: """
            Ends with 1 when it is damaged. A torn tail that a crash left, and requests that still run, are no damage:
            the next start cuts off the one and settles the other.
            """)

    @OptionGroup var options: GlobalOptions

    @Flag(help: "Print JSON: one object.") var json = false

    func run() async throws {
        let context = CommandContext(options)
        let report = try JournalReader(dataDir: try context.configuration().dataDir).verify()
        let terminal = context.terminal
        if json {
            try terminal.write(json: report)
        } else {
            if !report.segments.isEmpty {
                try terminal.write(JournalText.table(report).text(usesColor: terminal.usesColor))
            }
            try terminal.write(JournalText.summary(report))
        }
        if !report.isIntact { throw ExitCode(ExitStatus.failed.rawValue) }
    }
}

/// How the journal reads.
enum JournalText {
    static func table(_ rows: [JournalRow]) -> Table {
        Table(
            [
                .init("SEQUENCE", .right), .init("KIND"), .init("STARTED"), .init("AFTER", .right), .init("REQUEST"),
                .init("MODEL"), .init("STATUS"), .init("IN", .right), .init("OUT", .right), .init("BYTES", .right),
            ],
            rows: rows.map { row in
                [
                    "\(row.sequence)", row.kind, row.started?.short ?? "", row.elapsed.map(secondsText) ?? "",
                    row.request.map { "\($0)" } ?? row.sealed.map(text) ?? "", row.model ?? "",
                    row.status?.rawValue ?? "", row.inputTokens.map(String.init) ?? "",
                    row.outputTokens.map(String.init) ?? "", "\(row.bytes)",
                ]
            })
    }

    static func table(_ report: JournalReport) -> Table {
        Table(
            [
                .init("FILE"), .init("RECORDS", .right), .init("FIRST", .right), .init("LAST", .right),
                .init("BYTES", .right), .init("SEALED"), .init("FOUND"),
            ],
            rows: report.segments.map { row in
                [
                    row.file, "\(row.records)", row.records == 0 ? "" : "\(row.first)",
                    row.records == 0 ? "" : "\(row.last)", "\(row.bytes)",
                    ["own": "yes", "later": "later"][row.seal] ?? "no", row.findings.joined(separator: ", "),
                ]
            })
    }

    static func summary(_ report: JournalReport) -> String {
        var lines = report.gaps.map { gap in
            gap.first == gap.last
                ? "Missing: record \(gap.first)." : "Missing: records \(gap.first) to \(gap.last)."
        }
        if report.tornBytes > 0 {
            lines.append("Torn off: \(count(report.tornBytes, "byte")) of a write that a crash cut.")
        }
        if report.openRequests > 0 {
            lines.append("Running, or to be settled: \(count(report.openRequests, "request")).")
        }
        lines.append(
            "\(count(report.records, "record")) in \(count(report.segments.count, "file")). "
                + (report.isIntact ? "The journal is intact." : "The journal is DAMAGED."))
        return lines.joined(separator: "\n") + "\n"
    }

    static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    private static func text(_ seal: JournalRow.Seal) -> String {
        "segment \(seal.segment): \(count(seal.records, "record")), \(seal.first) to \(seal.last)"
    }
}

extension Terminal {
    /// Writes each value as JSON on a line of its own.
    fileprivate func write(jsonLines values: [some Encodable]) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let lines = try values.map { String(decoding: try encoder.encode($0), as: UTF8.self) + "\n" }
        if !lines.isEmpty { try write(lines.joined()) }
    }
}
