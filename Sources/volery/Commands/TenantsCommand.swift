import App
import ArgumentParser
import Flows
import Kernel

struct TenantsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenants", abstract: "Organizations that share the platform and never see each other.",
        subcommands: [
            Create.self, List.self, Show.self, Rename.self, Suspend.self, Resume.self, Delete.self, Restore.self,
        ])
}

/// One tenant, as an argument.
struct TenantArgument: ParsableArguments {
    @Argument(help: "The tenant, by identifier or name.") var tenant: String
}

extension TenantsCommand {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a tenant.", discussion: "Its identifier alone goes to standard output.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        @Option(help: "Unique on the platform.") var name: String

        func run() async throws {
            let context = CommandContext(options)
            let tenant = try await context.control(begins: true) { [name] in
                try await $0.createTenant(NewTenant(name: name))
            }
            try context.terminal.made(
                tenant.id, tenant, asJSON: listing.json, "Tenant `\(tenant.name)` is made. It has no workspace yet.")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the tenants, newest first.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        func run() async throws {
            let context = CommandContext(options)
            let tenants = try await context.control { control in
                try await everyItem { try await control.listTenants($0) }
            }
            try context.terminal.list(tenants, asJSON: listing.json, none: "No tenants.") { rows in
                Table(
                    [.init("ID"), .init("NAME"), .init("STATE"), .init("SINCE"), .init("PURGE"), .init("CREATED")],
                    rows: rows.map { row in
                        [
                            "\(row.id)", row.name, row.state, row.since?.short ?? "", row.purge?.short ?? "",
                            row.created.short,
                        ]
                    })
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows a tenant.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: TenantArgument

        func run() async throws {
            let context = CommandContext(options)
            let tenant = try await context.control { [which] control in
                try await control.tenant(control.tenantID(named: which.tenant))
            }
            if listing.json { return try context.terminal.write(json: tenant) }
            try context.terminal.write(
                Facts.text([
                    ("id", "\(tenant.id)"), ("name", tenant.name), ("state", tenant.state),
                    ("since", tenant.since?.short), ("purge", tenant.purge?.short), ("created", tenant.created.short),
                ]))
        }
    }

    struct Rename: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Gives a tenant another name.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: TenantArgument
        @Option(help: "The new name.") var name: String

        func run() async throws {
            try await change(which, DirectoryChangeRequest(name: name), CommandContext(options), listing)
        }
    }

    struct Suspend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Refuses all keys and members of a tenant, until it is resumed.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: TenantArgument

        func run() async throws {
            try await change(which, DirectoryChangeRequest(state: "suspended"), CommandContext(options), listing)
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ends a suspension.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: TenantArgument

        func run() async throws {
            try await change(
                which, DirectoryChangeRequest(state: "active"), CommandContext(options), listing,
                from: StateChange.resumed)
        }
    }

    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes back a deletion, as long as its grace lasts.",
            discussion: "What was suspended before is suspended again.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: TenantArgument

        func run() async throws {
            try await change(
                which, DirectoryChangeRequest(state: "active"), CommandContext(options), listing,
                from: StateChange.restored)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Refuses a tenant from now on; after the grace it goes for good.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: TenantArgument
        @OptionGroup var until: GraceOption

        func run() async throws {
            let context = CommandContext(options)
            let tenant = try await context.control { [which, until] control in
                try await control.deleteTenant(
                    control.tenantID(named: which.tenant), graceSeconds: until.grace?.seconds)
            }
            try context.terminal.changed(
                tenant, asJSON: listing.json,
                GraceOption.text("Tenant", tenant.name, since: tenant.since, purge: tenant.purge))
        }
    }
}

/// How long what is deleted can be restored.
struct GraceOption: ParsableArguments {
    @Option(
        help: ArgumentHelp("How long it can be restored, 0s to 90d; 7d otherwise.", valueName: "span"),
        transform: Span.init(argument:))
    var grace: Span?

    static func text(_ what: String, _ name: String, since: Instant?, purge: Instant?) -> String {
        guard let purge, since.map({ $0 < purge }) ?? true else {
            return "\(what) `\(name)` goes for good within a minute."
        }
        return "\(what) `\(name)` is deleted. It can be restored until \(purge.short)."
    }
}

private func change(
    _ which: TenantArgument, _ change: DirectoryChangeRequest, _ context: CommandContext, _ listing: ListingOptions,
    from states: Set<String>? = nil
) async throws {
    let tenant = try await context.control { control in
        let id = try await control.tenantID(named: which.tenant)
        if let states { try StateChange.check(try await control.tenant(id).state, isOf: states, "tenant") }
        return try await control.changeTenant(id, change)
    }
    let outcome = change.name == nil ? "`\(tenant.name)` is \(tenant.state)" : "the name is `\(tenant.name)` now"
    try context.terminal.changed(tenant, asJSON: listing.json, "Tenant \(tenant.id): \(outcome).")
}

/// One change of the API ends a suspension and takes back a deletion. Here each is a command, so that nobody who means
/// the one does the other.
enum StateChange {
    static let resumed: Set = ["active", "suspended"]
    static let restored: Set = ["active", "deleted"]

    static func check(_ state: String, isOf states: Set<String>, _ what: String) throws(Problem) {
        guard !states.contains(state) else { return }
        let command = state == "deleted" ? "restore` takes that back" : "resume` ends that"
        throw Problem(.conflict, "The \(what) is \(state).", hint: "`volery \(what)s \(command).")
    }
}
