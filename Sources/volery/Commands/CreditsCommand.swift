import App
import ArgumentParser
import Billing
import Flows
import Kernel

struct CreditsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "credits", abstract: "Money that tenants have to spend.",
        subcommands: [Grant.self, List.self])
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

struct WalletsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wallets", abstract: "How tenants and workspaces pay: before (prepaid) or after (postpaid).",
        subcommands: [Set.self, Show.self])
}

extension WalletsCommand {
    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets how a workspace, or all of a tenant, pays.",
            discussion: """
                prepaid: nothing runs that credit does not cover. postpaid: credit is used first, and the rest is \
                owed. A workspace's own rule goes before its tenant's; without any it is postpaid.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: MoneyPlaceOption
        @Option(help: "prepaid or postpaid.") var mode: String
        @Option(help: "What is charged in: IRR, USD or EUR.") var currency: String

        func run() async throws {
            let context = CommandContext(options)
            let wallet = try await context.control { [self] control in
                let place = try await place.found(in: control)
                return try await control.setWallet(
                    NewWallet(
                        tenant: place.tenant?.description, workspace: place.workspace?.description, mode: mode,
                        currency: currency))
            }
            try context.terminal.changed(
                wallet, asJSON: listing.json,
                "\(wallet.workspace?.description ?? wallet.tenant.description) is \(wallet.mode.rawValue), "
                    + "in \(wallet.currency.rawValue).")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows how a tenant and its workspaces pay.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: TenantOption

        func run() async throws {
            let context = CommandContext(options)
            let wallets = try await context.control { [place] control in
                try await control.wallets(of: control.tenantID(orNil: place.tenant))
            }
            try context.terminal.list(
                wallets, asJSON: listing.json, none: "No rule: every workspace of the tenant is postpaid."
            ) { rows in
                Table(
                    [.init("WORKSPACE"), .init("MODE"), .init("CURRENCY")],
                    rows: rows.map {
                        [$0.workspace?.description ?? "all others", $0.mode.rawValue, $0.currency.rawValue]
                    })
            }
        }
    }
}

struct PlansCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plans", abstract: "What tenants have subscribed to.",
        subcommands: [Set.self, Show.self, List.self])
}

extension PlansCommand {
    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Puts a tenant on a plan: its credits each month, and its requests a minute.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: TenantOption
        @Argument(help: "free, pro or enterprise.") var plan: String

        func run() async throws {
            let context = CommandContext(options)
            let set = try await context.control { [place, plan] control in
                let tenant = try await control.tenantID(orNil: place.tenant)
                return try await control.setPlan(NewPlan(tenant: tenant?.description, plan: plan))
            }
            try context.terminal.changed(
                set, asJSON: listing.json, "\(set.tenant) is on the plan \(set.plan?.name.rawValue ?? "none").")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows a tenant's plan.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: TenantOption

        func run() async throws {
            let context = CommandContext(options)
            let shown = try await context.control { [place] control in
                try await control.plan(of: control.tenantID(orNil: place.tenant))
            }
            if listing.json { return try context.terminal.write(json: shown) }
            try context.terminal.write(
                Facts.text([
                    ("tenant", "\(shown.tenant)"), ("plan", shown.plan?.name.rawValue ?? "none"),
                    ("credits a month", shown.plan?.credits.map { "\($0) UMU" }),
                    ("requests a minute", shown.plan?.requestsPerMinute.map { "\($0)" }),
                ]))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the plans that there are.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        func run() async throws {
            let context = CommandContext(options)
            let plans = try await context.control { try await $0.listPlans() }
            try context.terminal.list(plans, asJSON: listing.json, none: "No plans.") { rows in
                Table(
                    [
                        .init("PLAN"), .init("A MONTH", .right), .init("CREDITS", .right),
                        .init("REQUESTS A MINUTE", .right),
                    ],
                    rows: rows.map { row in
                        [
                            row.name.rawValue, row.monthly.map { "\($0)" } ?? "agreed on",
                            row.credits.map { "\($0)" } ?? "agreed on",
                            row.requestsPerMinute.map { "\($0)" } ?? "agreed on",
                        ]
                    })
            }
        }
    }
}
