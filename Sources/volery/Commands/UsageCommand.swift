import App
import ArgumentParser
import Flows
import Inference
import Kernel

struct UsageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage", abstract: "Shows what was used and what it cost: sums, or each request.",
        discussion: """
            volery usage --by day,model --zone Asia/Tehran --from 2026-11-01
            volery usage --each --model llama-3 --tag batch

            Without --by and --each: sums by day, model and key over --days, UTC's unless --zone says another.
            """)

    @OptionGroup var options: GlobalOptions
    @OptionGroup var listing: ListingOptions
    @OptionGroup var place: WorkspaceOption

    @Flag(help: "A row for each finished request, newest first.") var each = false
    @Option(help: "At most so many rows, 1 to 100000; 100 otherwise.") var limit = 100
    @Option(help: "Sums over so many days, 1 to 366; 30 otherwise.") var days = 30
    @Option(name: .customLong("by"), help: "Sum by day, model, key, user or tag, or several: day,model.")
    var groups: String?
    @Option(help: "The zone of the days: Asia/Tehran; UTC otherwise.") var zone: String?
    @Option(help: "From this day or time on; 30 days ago otherwise.") var from: String?
    @Option(help: "Until before this day or time; now otherwise.") var to: String?
    @Option(help: "Of this model alone.") var model: String?
    @Option(help: "Of this key alone; its identifier.", transform: identifier) var key: KeyID?
    @Option(help: "Of this user alone; by identifier, or a person's name.") var user: String?
    @Option(help: "With this tag alone.") var tag: String?

    private static let usualGroups = "day,model,key"

    func validate() throws {
        guard (1...100_000).contains(limit) else { throw ValidationError("--limit must be 1 to 100000.") }
        guard (1...366).contains(days) else { throw ValidationError("--days must be 1 to 366.") }
    }

    func run() async throws {
        let context = CommandContext(options)
        if each { return try await showRows(context) }
        // What programs have read since before there were prices.
        let isPlain = groups == nil && !isNarrowed && listing.json
        isPlain ? try await showSums(context) : try await showTotals(context)
    }

    private var isNarrowed: Bool {
        [zone, from, to, model, user, tag].contains { $0 != nil } || key != nil
    }

    private func question(_ control: any Control, now: Instant) async throws -> UsageQuestion {
        let begin = from ?? (to == nil ? "\(now - .seconds(days * 86_400))" : nil)
        var question = UsageQuestion(
            workspace: try await control.workspaceID(place),
            groups: (groups ?? Self.usualGroups).split(separator: ",").map { $0.trimmingPrefix { $0 == " " } }
                .map(String.init),
            zone: zone, from: begin, until: to, model: model, key: key, tag: tag)
        question.user = if let user { try await control.userID(named: user).description } else { nil }
        return question
    }

    private func showTotals(_ context: CommandContext) async throws {
        let report = try await context.control(patiently: "adding up usage") { [self] control in
            try await control.usageReport(question(control, now: context.clock.now))
        }
        let groups = report.groups
        if listing.json { return try context.terminal.write(json: report) }
        try context.terminal.list(
            Array(report.data.prefix(limit)), asJSON: false, none: "Nothing was used in that time."
        ) { rows in
            Table(
                groups.map { Table.Column($0.rawValue.uppercased()) } + [
                    .init("REQUESTS", .right), .init("UNSUCCESSFUL", .right), .init("TOKENS IN", .right),
                    .init("TOKENS OUT", .right), .init("PRICE", .right), .init("WITHOUT PRICE", .right),
                ],
                rows: rows.map { row in
                    groups.map { row.name(of: $0) } + [
                        "\(row.requests)", "\(row.unsuccessful)", "\(row.inputTokens)", "\(row.outputTokens)",
                        row.price.map { "\($0)" }.joined(separator: ", "), "\(row.suspended)",
                    ]
                })
        }
        // One with two tags stands in two rows.
        if report.data.count > 1, !groups.contains(.tag) { context.terminal.talk(Self.total(of: report.data) + "\n") }
    }

    private static func total(of rows: [UsageTotalView]) -> String {
        var sums: [Asset: Int64] = [:]
        for amount in rows.flatMap(\.price) {
            sums[amount.asset] = (sums[amount.asset] ?? 0).addingReportingOverflow(amount.units).partialValue
        }
        let prices = sums.map { "\(Amount(units: $0.value, $0.key))" }.sorted()
        let counts = Amount(units: Int64(rows.reduce(0) { $0 + $1.requests }), .requests).words
        return "In all \(([counts] + prices).joined(separator: ", "))."
    }

    private func showRows(_ context: CommandContext) async throws {
        let rows = try await context.control { [self] control in
            guard isNarrowed else {
                let workspace = try await control.workspaceID(place)
                return try await everyItem(limit: limit) { try await control.usageRows(in: workspace, $0) }
            }
            let question = try await question(control, now: context.clock.now)
            return try await everyItem(limit: limit) { try await control.usageRows(matching: question, $0) }
        }
        try context.terminal.list(rows, asJSON: listing.json, none: "No request has finished yet.") { rows in
            Table(
                [
                    .init("STARTED"), .init("REQUEST"), .init("MODEL"), .init("OPERATION"), .init("STATUS"),
                    .init("HTTP", .right), .init("IN", .right), .init("OUT", .right), .init("SECONDS", .right),
                    .init("PRICE", .right), .init("ERROR"),
                ],
                rows: rows.map { row in
                    [
                        row.started.short, "\(row.request)", row.model, row.operation.rawValue, row.status.rawValue,
                        "\(row.httpStatus)", "\(row.inputTokens)", "\(row.outputTokens)",
                        secondsText(row.latency), row.price.map { "\($0)" } ?? row.billState, row.errorCode ?? "",
                    ]
                })
        }
    }

    private func showSums(_ context: CommandContext) async throws {
        let sums = try await context.control(patiently: "adding up usage") { [days, place] control in
            try await control.usageSummary(in: control.workspaceID(place), days: days)
        }
        try context.terminal.write(json: Array(sums.prefix(limit)))
    }
}

extension UsageTotalView {
    fileprivate func name(of group: UsageGroup) -> String {
        switch group {
        case .day: day ?? ""
        case .model: model ?? ""
        case .key: key?.description ?? ""
        case .user: user ?? ""
        case .tag: tag ?? ""
        }
    }
}
