import App
import ArgumentParser
import Fleet
import Flows
import Kernel

struct RuntimesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runtimes", abstract: "Shows the model services of this machine.", subcommands: [List.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the model services: state, process, restarts, licence.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        func run() async throws {
            let context = CommandContext(options)
            let services = try await context.control { try await $0.runtimes() }
            try context.terminal.list(services, asJSON: listing.json, none: "No recipe describes a model.") { rows in
                Table(
                    [
                        .init("NAME"), .init("MODEL"), .init("STATE"), .init("PID", .right),
                        .init("RESTARTS", .right), .init("MEMORY", .right), .init("LICENCE"), .init("DETAIL"),
                    ],
                    rows: rows.map { row in
                        [
                            row.name, row.model, row.state.rawValue, row.pid.map { "\($0)" } ?? "",
                            "\(row.restarts)", "\(row.memoryMiB) MiB", row.licence,
                            row.progress.map { ProgressText.plain(row.name, $0) } ?? row.detail,
                        ]
                    })
            }
        }
    }
}
