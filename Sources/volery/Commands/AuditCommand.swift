import App
import ArgumentParser
import Flows
import Foundation
import Kernel

struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "The audit log: who did what, on what, from where, and what came of it.",
        discussion: "Each tenant has a chain of its own; without --tenant the platform's own is meant.",
        subcommands: [List.self, Export.self, Verify.self])
}

/// Which chain of the audit log.
struct ChainOption: ParsableArguments {
    @Option(help: ArgumentHelp("A tenant's log, by identifier or name; the platform's own otherwise."))
    var tenant: String?

    /// After a listing without anything in it.
    var nothing: String {
        guard let tenant else { return "No events in the platform's own log. --tenant shows a tenant's." }
        return "No events in the log of the tenant `\(Terminal.printable(tenant))`."
    }
}

extension AuditCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists events, newest first.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var chain: ChainOption
        @Option(help: "At most so many, 1 to 100000; 100 otherwise.") var limit = 100

        func validate() throws {
            guard (1...100_000).contains(limit) else { throw ValidationError("--limit must be 1 to 100000.") }
        }

        func run() async throws {
            let context = CommandContext(options)
            let events = try await context.control { [chain, limit] control in
                let tenant = try await control.tenantID(orNil: chain.tenant)
                return try await everyItem(limit: limit) { try await control.auditEvents(of: tenant, $0) }
            }
            try context.terminal.list(events, asJSON: listing.json, none: chain.nothing) { rows in
                Table(
                    [
                        .init("#", .right), .init("AT"), .init("ACTOR"), .init("ACTION"), .init("SUBJECT"),
                        .init("OUTCOME"), .init("FROM"), .init("DETAILS"),
                    ],
                    rows: rows.map { row in
                        [
                            "\(row.sequence)", row.at.short, row.actor, row.action, row.subject, row.outcome,
                            row.address ?? "",
                            row.details.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                                .joined(separator: " "),
                        ]
                    })
            }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes events as JSON lines, oldest first.",
            discussion: "The export is an event itself, and the first page of one may hold it.")

        private static let pageSize = 1000

        @OptionGroup var options: GlobalOptions
        @OptionGroup var chain: ChainOption
        @Option(help: "Only events after this sequence number.") var after: Int64 = 0
        @Option(
            name: .shortAndLong,
            help: ArgumentHelp("The file to write; standard output otherwise.", valueName: "file"), completion: .file())
        var output: String?

        func validate() throws {
            guard after >= 0 else { throw ValidationError("--after must be 0 or more.") }
        }

        func run() async throws {
            let context = CommandContext(options)
            let sink = try LineSink(output)
            let count = try await context.control { [chain, after] control in
                let tenant = try await control.tenantID(orNil: chain.tenant)
                var (last, count) = (after, 0)
                while true {
                    let events = try await control.exportAudit(of: tenant, after: last, limit: Self.pageSize)
                    for event in events { try sink.write(event) }
                    count += events.count
                    guard let end = events.last?.sequence, events.count == Self.pageSize else { return count }
                    last = end
                }
            }
            try sink.finish()
            context.terminal.talk("\(count) events.\n")
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Recomputes the chains and compares them with what is anchored outside the database.",
            discussion: "Ends with 1 when anything was changed, removed, moved or recomputed.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Option(help: "Only a tenant's log, by identifier or name; all otherwise.") var tenant: String?

        func run() async throws {
            let context = CommandContext(options)
            let verdict = try await context.control { [tenant] control in
                try await control.verifyAudit(of: control.tenantID(orNil: tenant))
            }
            let terminal = context.terminal
            if listing.json {
                try terminal.write(json: verdict)
            } else {
                try terminal.write(Self.table(verdict).text(usesColor: terminal.usesColor))
                for fault in verdict.faults {
                    let chain = fault.tenant?.description ?? "platform"
                    terminal.talk(Terminal.printable("\(chain), event \(fault.sequence): \(fault.message)") + "\n")
                }
                terminal.talk(verdict.ok ? "The audit log is whole.\n" : "The audit log was tampered with.\n")
            }
            guard verdict.ok else { throw ExitCode(ExitStatus.failed.rawValue) }
        }

        private static func table(_ verdict: AuditVerdict) -> Table {
            Table(
                [.init("CHAIN"), .init("EVENTS", .right), .init("ANCHORED", .right)],
                rows: verdict.chains.map { chain in
                    [
                        chain.tenant?.description ?? "platform", "\(chain.events)",
                        chain.anchored.map(String.init) ?? "no anchor",
                    ]
                })
        }
    }
}

/// Where JSON lines go. A file appears under its name only when all of it is written.
private struct LineSink: Sendable {
    private let path: String?
    private let handle: FileHandle

    init(_ path: String?) throws {
        self.path = path
        guard let path else {
            handle = .standardOutput
            return
        }
        guard
            FileManager.default.createFile(
                atPath: path + ".part", contents: nil, attributes: [.posixPermissions: 0o600]),
            let file = FileHandle(forWritingAtPath: path + ".part")
        else {
            throw Problem(
                .storageUnavailable, "The file \(path) cannot be written.", hint: "Choose another with --output.")
        }
        handle = file
    }

    func write(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try handle.write(contentsOf: try encoder.encode(value) + [UInt8(ascii: "\n")])
    }

    func finish() throws {
        guard let path else { return }
        try handle.synchronize()
        try handle.close()
        guard rename(path + ".part", path) == 0 else {
            throw Problem(
                .storageUnavailable, "The file \(path) cannot be written.", hint: "Choose another with --output.")
        }
    }
}
