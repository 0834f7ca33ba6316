import App
import ArgumentParser
import Billing
import Flows
import Kernel

struct WalletsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wallets", abstract: "How tenants and workspaces pay: before (prepaid) or after (postpaid).",
        subcommands: [Set.self, Show.self, Remove.self])
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

extension WalletsCommand {
    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes the rule of a workspace, or of a tenant, away.",
            discussion: "A workspace without one follows its tenant's; a tenant without one is postpaid.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: MoneyPlaceOption

        func run() async throws {
            let context = CommandContext(options)
            let wallet = try await context.control { [place] control in
                let place = try await place.found(in: control)
                return try await control.removeWallet(of: place.tenant, workspace: place.workspace)
            }
            try context.terminal.changed(
                wallet, asJSON: listing.json,
                wallet.workspace.map { "\($0) pays as its tenant does." } ?? "\(wallet.tenant) is postpaid.")
        }
    }
}
