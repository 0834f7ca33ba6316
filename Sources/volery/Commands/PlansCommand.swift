import App
import ArgumentParser
import Billing
import Flows
import Kernel

struct PlansCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plans", abstract: "What tenants have subscribed to.",
        subcommands: [Set.self, Show.self, List.self, Remove.self])
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

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes a tenant off its plan. Credits that it has given stay until they end.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: TenantOption

        func run() async throws {
            let context = CommandContext(options)
            let shown = try await context.control { [place] control in
                try await control.removePlan(of: control.tenantID(orNil: place.tenant))
            }
            try context.terminal.changed(shown, asJSON: listing.json, "\(shown.tenant) has no plan.")
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
