import App
import ArgumentParser
import Flows
import Kernel

struct WorkspacesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workspaces", abstract: "The units of isolation: each has its own keys, usage and members.",
        subcommands: [
            Create.self, List.self, Show.self, Rename.self, Suspend.self, Resume.self, Delete.self, Restore.self,
        ])
}

/// One workspace, as an argument.
struct WorkspaceArgument: ParsableArguments {
    @Argument(help: "The workspace, by identifier or name.") var workspace: String
    @Option(help: ArgumentHelp("The tenant that the name is looked for in; the default one.", valueName: "tenant"))
    var tenant: String?
}

extension WorkspacesCommand {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a workspace in a tenant.", discussion: "Its identifier alone goes to standard output.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        @OptionGroup var place: TenantOption

        @Option(help: "Unique in the tenant.") var name: String

        func run() async throws {
            let context = CommandContext(options)
            let workspace = try await context.control(begins: true) { [name, place] in
                try await $0.createWorkspace(NewWorkspace(name: name, tenant: place.tenant))
            }
            try context.terminal.made(
                workspace.id, workspace, asJSON: listing.json,
                "Workspace `\(workspace.name)` is made. "
                    + "`volery keys create --name NAME --workspace \(workspace.id)` makes a key."
            )
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists a tenant's workspaces, newest first.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: TenantOption

        func run() async throws {
            let context = CommandContext(options)
            let workspaces = try await context.control { [place] control in
                let tenant = try await control.tenantID(orNil: place.tenant)
                return try await everyItem { try await control.listWorkspaces(in: tenant, $0) }
            }
            try context.terminal.list(workspaces, asJSON: listing.json, none: "No workspaces.") { rows in
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
        static let configuration = CommandConfiguration(abstract: "Shows a workspace.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: WorkspaceArgument

        func run() async throws {
            let context = CommandContext(options)
            let workspace = try await context.control { [which] control in
                try await control.workspace(control.workspaceID(named: which.workspace, in: which.tenant))
            }
            if listing.json { return try context.terminal.write(json: workspace) }
            try context.terminal.write(
                Facts.text([
                    ("id", "\(workspace.id)"), ("tenant", "\(workspace.tenant)"), ("name", workspace.name),
                    ("state", workspace.state), ("since", workspace.since?.short),
                    ("purge", workspace.purge?.short), ("created", workspace.created.short),
                ]))
        }
    }

    struct Rename: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Gives a workspace another name.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: WorkspaceArgument
        @Option(help: "The new name.") var name: String

        func run() async throws {
            try await change(which, DirectoryChangeRequest(name: name), CommandContext(options), listing)
        }
    }

    struct Suspend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Refuses all keys of a workspace, until it is resumed.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: WorkspaceArgument

        func run() async throws {
            try await change(which, DirectoryChangeRequest(state: "suspended"), CommandContext(options), listing)
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ends a suspension.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: WorkspaceArgument

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
        @OptionGroup var which: WorkspaceArgument

        func run() async throws {
            try await change(
                which, DirectoryChangeRequest(state: "active"), CommandContext(options), listing,
                from: StateChange.restored)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Refuses a workspace from now on; after the grace it goes for good.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var which: WorkspaceArgument
        @OptionGroup var until: GraceOption

        func run() async throws {
            let context = CommandContext(options)
            let workspace = try await context.control { [which, until] control in
                try await control.deleteWorkspace(
                    control.workspaceID(named: which.workspace, in: which.tenant), graceSeconds: until.grace?.seconds)
            }
            try context.terminal.changed(
                workspace, asJSON: listing.json,
                GraceOption.text("Workspace", workspace.name, since: workspace.since, purge: workspace.purge))
        }
    }
}

private func change(
    _ which: WorkspaceArgument, _ change: DirectoryChangeRequest, _ context: CommandContext, _ listing: ListingOptions,
    from states: Set<String>? = nil
) async throws {
    let workspace = try await context.control { control in
        let id = try await control.workspaceID(named: which.workspace, in: which.tenant)
        if let states { try StateChange.check(try await control.workspace(id).state, isOf: states, "workspace") }
        return try await control.changeWorkspace(id, change)
    }
    let outcome =
        change.name == nil ? "`\(workspace.name)` is \(workspace.state)" : "the name is `\(workspace.name)` now"
    try context.terminal.changed(workspace, asJSON: listing.json, "Workspace \(workspace.id): \(outcome).")
}
