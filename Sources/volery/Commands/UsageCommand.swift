import App
import ArgumentParser
import Flows
import Inference
import Kernel

struct UsageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage", abstract: "Shows what was used: sums by day, model and key, or each request.")

    @OptionGroup var options: GlobalOptions
    @OptionGroup var listing: ListingOptions
    @OptionGroup var place: WorkspaceOption

    @Flag(help: "A row for each finished request, newest first.") var each = false
    @Option(help: "At most so many rows, 1 to 100000; 100 otherwise.") var limit = 100
    @Option(help: "Sums over so many days, 1 to 366; 30 otherwise.") var days = 30

    func validate() throws {
        guard (1...100_000).contains(limit) else { throw ValidationError("--limit must be 1 to 100000.") }
        guard (1...366).contains(days) else { throw ValidationError("--days must be 1 to 366.") }
    }

    func run() async throws {
        let context = CommandContext(options)
        each ? try await showRows(context) : try await showSums(context)
    }

    private func showRows(_ context: CommandContext) async throws {
        let rows = try await context.control { [limit, place] control in
            let workspace = try await control.workspaceID(place)
            return try await everyItem(limit: limit) { try await control.usageRows(in: workspace, $0) }
        }
        try context.terminal.list(rows, asJSON: listing.json, none: "No request has finished yet.") { rows in
            Table(
                [
                    .init("STARTED"), .init("REQUEST"), .init("MODEL"), .init("OPERATION"), .init("STATUS"),
                    .init("HTTP", .right), .init("IN", .right), .init("OUT", .right), .init("SECONDS", .right),
                    .init("ERROR"),
                ],
                rows: rows.map { row in
                    [
                        row.started.short, "\(row.request)", row.model, row.operation.rawValue, row.status.rawValue,
                        "\(row.httpStatus)", "\(row.inputTokens)", "\(row.outputTokens)",
                        secondsText(row.latency), row.errorCode ?? "",
                    ]
                })
        }
    }

    private func showSums(_ context: CommandContext) async throws {
        let sums = try await context.control { [days, place] control in
            try await control.usageSummary(in: control.workspaceID(place), days: days)
        }
        try context.terminal.list(
            Array(sums.prefix(limit)), asJSON: listing.json, none: "Nothing was used in the last \(days) days."
        ) { rows in
            Table(
                [
                    .init("DAY"), .init("MODEL"), .init("KEY"), .init("REQUESTS", .right),
                    .init("UNSUCCESSFUL", .right), .init("TOKENS IN", .right), .init("TOKENS OUT", .right),
                ],
                rows: rows.map { row in
                    [
                        row.day, row.model, "\(row.key)", "\(row.requests)", "\(row.unsuccessful)",
                        "\(row.inputTokens)", "\(row.outputTokens)",
                    ]
                })
        }
    }
}
