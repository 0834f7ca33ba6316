import App
import ArgumentParser
import Flows
import Kernel

/// The roles, for help texts.
enum RoleText {
    static let names = ["owner", "admin", "developer", "analyst"]
    static let allowed = "owner, admin, developer or analyst"
}

struct MembersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members", abstract: "Who has which role in a tenant, or in one workspace of it.",
        subcommands: [Add.self, List.self, Change.self, Remove.self])
}

extension MembersCommand {
    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Gives a user a role.",
            discussion: """
                Without --workspace the role holds in the whole tenant. A person without an account gets one. The \
                member's identifier alone goes to standard output.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        @Option(help: "A person by identifier or name, or a service account by identifier.") var user: String
        @Option(help: "One of \(RoleText.allowed).") var role: String
        @Option(help: "The tenant, by identifier or name; the default one otherwise.") var tenant: String?
        @Option(help: "The only workspace that it holds in, by identifier or name.") var workspace: String?

        func run() async throws {
            let context = CommandContext(options)
            let member = try await context.control { [self] control in
                let place = try await control.place(tenant: tenant, workspace: workspace)
                return try await control.addMember(
                    NewMember(user: user, role: role, tenant: place.tenant, workspace: place.workspace))
            }
            try context.terminal.made(
                member.id, member, asJSON: listing.json, "`\(member.name)` is \(member.role) now.")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the members of a tenant, or of one workspace of it, newest first.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: TenantOption
        @Option(help: "Only those with a place in this workspace, by identifier or name.") var workspace: String?

        func run() async throws {
            let context = CommandContext(options)
            let members = try await context.control { [place, workspace] control in
                let tenant = try await control.tenantID(orNil: place.tenant)
                var only: WorkspaceID?
                if let workspace { only = try await control.workspaceID(named: workspace, in: place.tenant) }
                return try await everyItem { [only] page in
                    try await control.listMembers(in: tenant, workspace: only, page)
                }
            }
            try context.terminal.list(members, asJSON: listing.json, none: "No members.") { rows in
                Table(
                    [
                        .init("ID"), .init("NAME"), .init("USER"), .init("KIND"), .init("ROLE"), .init("WORKSPACE"),
                        .init("CREATED"),
                    ],
                    rows: rows.map { row in
                        [
                            "\(row.id)", row.name, "\(row.user)", "\(row.kind)", "\(row.role)",
                            row.workspace?.description ?? "all", row.created.short,
                        ]
                    })
            }
        }
    }

    struct Change: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Gives a member another role.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "The member's identifier, mem_….", transform: identifier) var id: MemberID
        @Option(help: "One of \(RoleText.allowed).") var role: String

        func run() async throws {
            let context = CommandContext(options)
            let member = try await context.control { [id, role] in
                try await $0.changeMember(id, MemberChange(role: role))
            }
            try context.terminal.changed(
                member, asJSON: listing.json, "\(member.id): `\(member.name)` is \(member.role) now.")
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes a role away. Keys of that user lose with it what only the role gave.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "The member's identifier, mem_….", transform: identifier) var id: MemberID

        func run() async throws {
            let context = CommandContext(options)
            let member = try await context.control { [id] in try await $0.removeMember(id) }
            try context.terminal.changed(
                member, asJSON: listing.json, "`\(member.name)` is no longer \(member.role) there.")
        }
    }
}
