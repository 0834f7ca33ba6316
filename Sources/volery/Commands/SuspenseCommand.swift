import App
import ArgumentParser
import Billing
import Flows
import Kernel

extension LedgerCommand {
    struct Suspense: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What could not be booked where it belongs, such as usage without a price.",
            subcommands: [List.self, Resolve.self])
    }
}

extension LedgerCommand.Suspense {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists what waits, oldest first.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Option(help: "At most so many rows, 1 to 100000; 1000 otherwise.") var limit = 1000

        func validate() throws {
            guard (1...100_000).contains(limit) else { throw ValidationError("--limit must be 1 to 100000.") }
        }

        func run() async throws {
            let context = CommandContext(options)
            let items = try await context.control { [limit] control in
                try await everyItem(limit: limit) { try await control.suspended($0) }
            }
            try context.terminal.list(items, asJSON: listing.json, none: "Nothing is in suspense.") { rows in
                Table(
                    [
                        .init("ACCEPTED"), .init("REQUEST"), .init("WORKSPACE"), .init("REASON"),
                        .init("AMOUNT", .right),
                    ],
                    rows: rows.map { row in
                        [
                            row.accepted.short, "\(row.request)", "\(row.workspace)", row.reason.rawValue,
                            row.amount.map { "\($0)" } ?? "not known",
                        ]
                    })
            }
        }
    }

    struct Resolve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Books what has found its place by now: what has a price, and what there is credit for.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        func run() async throws {
            let context = CommandContext(options)
            let done = try await context.control { try await $0.resolveSuspense() }
            try context.terminal.changed(
                done, asJSON: listing.json, "\(done.resolved) booked, \(done.left) still in suspense.")
        }
    }
}
