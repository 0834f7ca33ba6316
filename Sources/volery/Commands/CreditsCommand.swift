import App
import ArgumentParser
import Billing
import Flows
import Kernel

struct CreditsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "credits", abstract: "Money that tenants have to spend.",
        subcommands: [Grant.self, List.self, Revoke.self])
}

extension CreditsCommand {
    struct Grant: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Gives credit to a workspace, or to all of a tenant.",
            discussion: """
                volery credits grant --workspace W --amount 50 --currency USD --expires 90d --note "trial"

                Credit is used by priority, lowest first, then what ends first.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: MoneyPlaceOption
        @Option(help: "How much.") var amount: String
        @Option(help: "IRR, USD or EUR.") var currency: String
        @Flag(help: "The amount is in UMU, which the price book in force turns into the currency.") var umu = false
        @Option(help: "Lower is used first; 100 otherwise.") var priority: Int?
        @Option(
            help: ArgumentHelp("When the rest is taken back. \(Expiry.allowed).", valueName: "when"),
            transform: Expiry.init(argument:))
        var expires: Expiry?
        @Option(help: "What it is given for.") var note: String?

        func run() async throws {
            let context = CommandContext(options)
            let now = context.clock.now
            let credit = try await context.control { [self] control in
                let place = try await place.found(in: control)
                var request = NewCredit(amount: DecimalInput(amount), currency: currency)
                request.tenant = place.tenant?.description
                request.workspace = place.workspace?.description
                request.unit = umu ? Asset.umu.text : nil
                request.priority = priority
                request.expires = expires?.instant(now: now)
                request.note = note
                return try await control.grantCredit(request)
            }
            try context.terminal.made(
                credit.id, credit, asJSON: listing.json,
                "\(credit.amount) of credit, \(credit.expires.map { "until " + $0.short } ?? "without an end").")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists credit with what is left of it.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: MoneyPlaceOption

        func run() async throws {
            let context = CommandContext(options)
            let credits = try await context.control { [place] control in
                let place = try await place.found(in: control)
                return try await control.listCredits(in: place.tenant, workspace: place.workspace)
            }
            try context.terminal.list(
                credits, asJSON: listing.json, none: "No credit. `volery credits grant` gives some."
            ) { rows in
                Table(
                    [
                        .init("ID"), .init("WORKSPACE"), .init("AMOUNT", .right), .init("SPENT", .right),
                        .init("PENDING", .right), .init("LEFT", .right), .init("PRIORITY", .right), .init("EXPIRES"),
                        .init("NOTE"),
                    ],
                    rows: rows.map { row in
                        [
                            "\(row.id)", row.workspace?.description ?? "all", "\(row.amount)", row.spent.text,
                            row.pending.text, row.left.text, "\(row.priority)", row.expires?.short ?? "never", row.note,
                        ]
                    })
            }
        }
    }
}

extension CreditsCommand {
    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ends credit now. What it has paid for stays paid; what is left goes back.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "The credit's identifier, crd_….", transform: identifier) var id: CreditGrantID

        func run() async throws {
            let context = CommandContext(options)
            let credit = try await context.control { [id] in try await $0.revokeCredit(id) }
            var words = "\(credit.id) has ended: \(credit.left) go back."
            if credit.pending.units > 0 {
                words += " What of \(credit.pending) requests that run now do not use follows."
            }
            try context.terminal.changed(credit, asJSON: listing.json, words)
        }
    }
}
