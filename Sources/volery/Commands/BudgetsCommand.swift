import App
import ArgumentParser
import Billing
import Flows
import Kernel

struct BudgetsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "budgets", abstract: "What may be spent: walls (--hard), and alerts without one.",
        subcommands: [Set.self, List.self, Show.self, Remove.self, Events.self])
}

struct QuotasCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quotas", abstract: "What may be used: budgets over tokens, requests, and seconds.",
        subcommands: [
            Set.self, List.self, BudgetsCommand.Show.self, BudgetsCommand.Remove.self, BudgetsCommand.Events.self,
        ])
}

/// What a budget or quota binds, and when it begins anew.
struct BudgetOptions: ParsableArguments {
    @Option(help: "The tenant, by identifier or name; the workspace's, or the default one otherwise.")
    var tenant: String?
    @Option(help: "Only this workspace, by identifier or name; otherwise the whole tenant.") var workspace: String?
    @Option(help: "Only this key; its identifier or prefix.", transform: KeyName.init(argument:)) var key: KeyName?
    @Option(help: "Only this user's keys; by identifier, or a person's name.") var user: String?
    @Option(help: "Only this model: its name, or the beginning of names and a `*`.") var model: String?
    @Option(help: "Only requests with this tag.") var tag: String?
    @Option(help: "How much.") var amount: String
    @Option(help: "total, hour, day, week, month, year, or a window such as rolling:30d.") var period = "total"
    @Option(help: "Of calendar periods: Asia/Tehran, Europe/Berlin; UTC otherwise.") var zone: String?
    @Option(help: "Of calendar periods: gregorian or jalali.") var calendar: String?
    @Flag(help: "A wall: what would pass it is refused. Without it only the alerts speak.") var hard = false
    @Option(
        name: .customLong("alert"),
        help: "Percent at which an event is written; may be repeated. 50, 80 and 100 otherwise.")
    var alerts: [Int] = []

    func request(in control: any Control) async throws -> NewBudget {
        let place = try await control.place(tenant: tenant, workspace: workspace)
        var request = NewBudget(amount: DecimalInput(amount))
        request.tenant = try await control.tenantID(orNil: place.tenant)?.description
        request.workspace = place.workspace
        request.key = try await control.keyID(orNil: key)?.description
        request.user = if let user { try await control.userID(named: user).description } else { nil }
        request.model = model
        request.tag = tag
        request.period = period
        request.zone = zone
        request.calendar = calendar
        request.hard = hard
        request.alerts = alerts.isEmpty ? nil : alerts
        return request
    }
}

extension QuotasCommand {
    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a quota, or changes the amount of the one of the same scope, unit, period and hardness.",
            discussion: "volery quotas set --workspace W --unit tokens --amount 1000000 --period day --hard")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var budget: BudgetOptions
        @Option(help: "tokens, requests, audio_seconds, gpu_seconds or umu.") var unit: String

        func run() async throws {
            let context = CommandContext(options)
            let (set, known) = try await context.control { [budget, unit] control in
                var request = try await budget.request(in: control)
                request.unit = unit
                let known = try await KnownModels(control)
                return (try await control.setBudget(request), known)
            }
            try context.terminal.made(set.id, set, asJSON: listing.json, set.told)
            context.terminal.talk(known.unknown([set.model].compactMap(\.self)))
        }
    }
}

extension QuotasCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists quotas with what is used.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: MoneyPlaceOption

        func run() async throws {
            let context = CommandContext(options)
            let quotas = try await place.budgets(context).filter { $0.limit.asset.currency == nil }
            try context.terminal.list(
                quotas, asJSON: listing.json, none: "No quotas. `volery quotas set` makes one.",
                table: Table.init(budgets:))
        }
    }
}

extension Table {
    init(budgets: [BudgetView]) {
        self.init(
            [
                .init("ID"), .init("BINDS"), .init("PERIOD"), .init("HARD"), .init("LIMIT", .right),
                .init("SPENT", .right), .init("PENDING", .right), .init("LEFT", .right), .init("RESETS"),
            ],
            rows: budgets.map { row in
                [
                    "\(row.id)", row.scope, row.periodText, row.hard ? "yes" : "no", "\(row.limit)",
                    row.now.spent.text, row.now.pending.text, row.now.left.text, row.now.resets?.short ?? "never",
                ]
            })
    }
}

extension BudgetsCommand {
    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a budget, or changes the amount of the one of the same scope, period and hardness.",
            discussion: """
                volery budgets set --workspace W --amount 100 --currency USD --period month --zone Asia/Tehran --hard
                volery budgets set --key key_… --amount 5 --currency USD --period day
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var budget: BudgetOptions
        @Option(help: "IRR, USD or EUR.") var currency: String

        func run() async throws {
            let context = CommandContext(options)
            let (set, known, book) = try await context.control { [budget, currency] control in
                var request = try await budget.request(in: control)
                request.currency = currency
                let (known, book) = (try await KnownModels(control), try await control.pricesInForce())
                return (try await control.setBudget(request), known, book)
            }
            try context.terminal.made(set.id, set, asJSON: listing.json, set.told)
            context.terminal.talk(known.unknown([set.model].compactMap(\.self)))
            if let warning = book?.warning(for: set, known) { context.terminal.talk(warning) }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists budgets and quotas with what is spent.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: MoneyPlaceOption

        func run() async throws {
            let context = CommandContext(options)
            let budgets = try await place.budgets(context)
            try context.terminal.list(
                budgets, asJSON: listing.json, none: "No budgets. `volery budgets set` makes one.",
                table: Table.init(budgets:))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows a budget with what is spent in its period.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "The budget's identifier, bud_….", transform: identifier) var id: BudgetID

        func run() async throws {
            let context = CommandContext(options)
            let budget = try await context.control { [id] in try await $0.budget(id) }
            if listing.json { return try context.terminal.write(json: budget) }
            try context.terminal.write(
                Facts.text([
                    ("id", "\(budget.id)"), ("binds", budget.scope), ("tenant", "\(budget.tenant)"),
                    ("limit", "\(budget.limit)"), ("period", budget.periodText),
                    ("hard", budget.hard ? "yes" : "no"), ("spent", "\(budget.now.spent)"),
                    ("pending", "\(budget.now.pending)"), ("left", "\(budget.now.left)"),
                    ("account", budget.now.account?.description), ("began", budget.now.begins?.short),
                    ("resets", budget.now.resets?.short ?? "never"),
                    ("alerts", budget.alerts.map { "\($0) %" }.joined(separator: ", ")),
                    ("created", budget.created.short), ("removed", budget.removed?.short),
                ]))
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes a budget away. What it counted stays in the ledger.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "The budget's identifier, bud_….", transform: identifier) var id: BudgetID

        func run() async throws {
            let context = CommandContext(options)
            let budget = try await context.control { [id] in try await $0.removeBudget(id) }
            try context.terminal.changed(budget, asJSON: listing.json, "\(budget.id) is taken away.")
        }
    }

    struct Events: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows when a budget's shares were passed.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "The budget's identifier, bud_….", transform: identifier) var id: BudgetID

        func run() async throws {
            let context = CommandContext(options)
            let events = try await context.control { [id] control in
                try await everyItem(limit: 10_000) { try await control.budgetEvents(of: id, $0) }
            }
            try context.terminal.list(events, asJSON: listing.json, none: "No share was passed yet.") { rows in
                Table(
                    [.init("AT"), .init("SHARE", .right), .init("SPENT", .right)],
                    rows: rows.map { [$0.at.short, "\($0.share) %", "\($0.spent)"] })
            }
        }
    }
}

extension Control {
    /// Nil while there are none.
    fileprivate func pricesInForce() async throws -> PriceBookView? {
        do { return try await priceBook(of: nil, version: nil) } catch let problem as Problem
            where problem.code == .notFound
        { return nil }
    }
}

/// A whole tenant, or one of its workspaces.
struct MoneyPlaceOption: ParsableArguments {
    @Option(help: "The tenant, by identifier or name; the workspace's, or the default one otherwise.")
    var tenant: String?
    @Option(help: "The workspace, by identifier or name; all of the tenant otherwise.") var workspace: String?

    func budgets(_ context: CommandContext) async throws -> [BudgetView] {
        try await context.control { [self] control in
            let place = try await found(in: control)
            return try await everyItem(limit: 10_000) {
                try await control.listBudgets(in: place.tenant, workspace: place.workspace, $0)
            }
        }
    }

    func found(in control: any Control) async throws -> (tenant: TenantID?, workspace: WorkspaceID?) {
        let place = try await control.place(tenant: tenant, workspace: workspace)
        return (try await control.tenantID(orNil: place.tenant), place.workspace.flatMap { WorkspaceID($0) })
    }
}

extension BudgetView {
    var scope: String {
        let parts = [
            workspace?.description, user?.description, key?.description, model.map { "model \($0)" },
            tag.map { "tag \($0)" },
        ]
        let text = parts.compactMap(\.self).joined(separator: ", ")
        return text.isEmpty ? "the tenant" : text
    }

    var periodText: String {
        guard let zone, let calendar else { return period }
        return [period, calendar == .jalali ? "jalali" : nil, zone == "UTC" ? nil : zone].compactMap(\.self)
            .joined(separator: " ")
    }

    /// What it would do near the present spend.
    var told: String {
        var words = "\(now.spent.text) of \(limit.words) spent"
        if now.pending.units > 0 { words += ", \(now.pending.words) set aside" }
        words += now.resets.map { " in the period until \($0.short)" } ?? ""
        if hard {
            let left = now.left.units > 0 ? "\(now.left.words) left, then " : ""
            words += "; \(left)requests are refused."
        } else {
            words += "; nothing is refused without --hard."
        }
        return words
    }
}
