import ArgumentParser
import Flows
import Kernel

/// Which tenant a command is about.
struct TenantOption: ParsableArguments {
    @Option(help: ArgumentHelp("The tenant, by identifier or name; the default one otherwise.", valueName: "tenant"))
    var tenant: String?
}

/// Which workspace a command is about.
struct WorkspaceOption: ParsableArguments {
    @Option(
        help: ArgumentHelp("The workspace, by identifier or name; the default one otherwise.", valueName: "workspace"))
    var workspace: String?
    @Option(help: ArgumentHelp("The tenant that the workspace's name is looked for in.", valueName: "tenant"))
    var tenant: String?
}

/// What people name, found.
extension Control {
    func tenantID(named text: String) async throws -> TenantID {
        if let id = TenantID(text) { return id }
        let all = try await everyItem { try await listTenants($0) }
        guard let found = all.first(where: { $0.name == text }) else {
            throw missing("tenant", text, hint: "`volery tenants list` shows the tenants.")
        }
        return found.id
    }

    /// Nil for nil: the platform knows which one is meant then.
    func tenantID(orNil text: String?) async throws -> TenantID? {
        guard let text else { return nil }
        return try await tenantID(named: text)
    }

    func workspaceID(named text: String, in tenant: String?) async throws -> WorkspaceID {
        if let id = WorkspaceID(text) { return id }
        let home = try await tenantID(orNil: tenant)
        let all = try await everyItem { try await listWorkspaces(in: home, $0) }
        guard let found = all.first(where: { $0.name == text }) else {
            throw missing(
                "workspace", text,
                hint: tenant == nil
                    ? "It was looked for in the default tenant; --tenant names another." : "`volery workspaces list`.")
        }
        return found.id
    }

    func workspaceID(_ option: WorkspaceOption) async throws -> WorkspaceID? {
        guard let text = option.workspace else { return nil }
        return try await workspaceID(named: text, in: option.tenant)
    }

    /// A person by identifier or name; a service account by identifier.
    func userID(named text: String) async throws -> UserID {
        if let id = UserID(text) { return id }
        let all = try await everyItem { try await listUsers($0) }
        guard let found = all.first(where: { $0.name == text }) else {
            throw missing(
                "user", text, hint: "`volery users list` shows people; service accounts go by identifier.")
        }
        return found.id
    }

    func provider(named text: String) async throws -> ProviderView {
        guard let found = try await listProviders().first(where: { $0.name == text || $0.id.description == text })
        else { throw missing("provider", text, hint: "`volery providers list` shows the providers.") }
        return found
    }

    private func missing(_ what: String, _ text: String, hint: String) -> Problem {
        Problem(.notFound, "There is no \(what) `\(Terminal.printable(text))`.", hint: hint)
    }
}

extension Terminal {
    /// After something was made: its identifier alone goes to standard output, so that a script can take it.
    func made(_ id: some CustomStringConvertible, _ value: some Encodable, asJSON: Bool, _ talk: String) throws {
        if asJSON { return try write(json: value) }
        try write("\(id)\n")
        self.talk(Self.printable(talk) + "\n")
    }

    /// After something was changed.
    func changed(_ value: some Encodable, asJSON: Bool, _ talk: String) throws {
        if asJSON { return try write(json: value) }
        self.talk(Self.printable(talk) + "\n")
    }
}
