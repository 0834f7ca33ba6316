import App
import ArgumentParser
import Flows
import Kernel

struct UsersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "users", abstract: "Accounts of people. Their roles in tenants are members.",
        subcommands: [Create.self, List.self, Suspend.self, Resume.self])
}

extension UsersCommand {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a person's account, without a role anywhere.",
            discussion: "Its identifier alone goes to standard output.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        @Option(help: "What the person signs in with, such as a mail address.") var name: String

        func run() async throws {
            let context = CommandContext(options)
            let user = try await context.control(begins: true) { [name] in
                try await $0.createUser(NewUser(name: name))
            }
            try context.terminal.made(
                user.id, user, asJSON: listing.json,
                "`\(user.name)` has an account. `volery members add --user \(user.id)` gives it a role.")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the people, newest first.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        func run() async throws {
            let context = CommandContext(options)
            let users = try await context.control { control in
                try await everyItem { try await control.listUsers($0) }
            }
            try context.terminal.list(users, asJSON: listing.json, none: "No people.", table: userTable)
        }
    }

    struct Suspend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Refuses a person or service account: its keys and sessions end at once.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "A person by identifier or name; a service account by identifier.") var user: String

        func run() async throws { try await change(user, "suspended", CommandContext(options), listing) }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ends a suspension.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "A person by identifier or name; a service account by identifier.") var user: String

        func run() async throws { try await change(user, "active", CommandContext(options), listing) }
    }
}

struct ServiceAccountsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "service-accounts", abstract: "Accounts of programs, each in one tenant.",
        discussion: "`volery users suspend ID` and `volery users resume ID` work for them too.",
        subcommands: [Create.self, List.self])
}

extension ServiceAccountsCommand {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a service account.", discussion: "Its identifier alone goes to standard output.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: TenantOption

        @Option(help: "Unique among the tenant's service accounts.") var name: String
        @Option(help: "Its role: \(RoleText.allowed). None otherwise.") var role: String?
        @Option(help: "The only workspace that the role holds in, by identifier or name. The whole tenant otherwise.")
        var workspace: String?

        func validate() throws {
            guard workspace != nil else { return }
            // The role is given after the account is made, which could not be taken back.
            guard let role, RoleText.names.contains(role) else {
                throw ValidationError("--workspace needs a --role: \(RoleText.allowed).")
            }
        }

        func run() async throws {
            let context = CommandContext(options)
            let user = try await context.control { [self] control in
                let at = try await control.place(tenant: place.tenant, workspace: workspace)
                let user = try await control.createServiceAccount(
                    NewServiceAccount(name: name, tenant: at.tenant, role: at.workspace == nil ? role : nil))
                guard let workspace = at.workspace, let role else { return user }
                _ = try await control.addMember(
                    NewMember(user: user.id.description, role: role, tenant: at.tenant, workspace: workspace))
                return user
            }
            try context.terminal.made(
                user.id, user, asJSON: listing.json,
                "`\(user.name)` has an account. `volery keys create --name NAME --workspace WORKSPACE "
                    + "--user \(user.id)` makes a key of it.")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists a tenant's service accounts, newest first.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: TenantOption

        func run() async throws {
            let context = CommandContext(options)
            let users = try await context.control { [place] control in
                let tenant = try await control.tenantID(orNil: place.tenant)
                return try await everyItem { try await control.listServiceAccounts(in: tenant, $0) }
            }
            try context.terminal.list(users, asJSON: listing.json, none: "No service accounts.", table: userTable)
        }
    }
}

private func userTable(_ users: [UserView]) -> Table {
    Table(
        [.init("ID"), .init("NAME"), .init("STATE"), .init("OPERATOR"), .init("CREATED")],
        rows: users.map { ["\($0.id)", $0.name, $0.state, $0.isOperator ? "yes" : "", $0.created.short] })
}

private func change(
    _ user: String, _ state: String, _ context: CommandContext, _ listing: ListingOptions
) async throws {
    let changed = try await context.control { control in
        try await control.changeUser(control.userID(named: user), UserChange(state: state))
    }
    try context.terminal.changed(changed, asJSON: listing.json, "\(changed.id) (\(changed.name)) is \(changed.state).")
}
