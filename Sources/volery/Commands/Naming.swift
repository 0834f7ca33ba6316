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

    func validate() throws {
        guard tenant != nil, workspace == nil else { return }
        throw ValidationError("Give --workspace too: --tenant says where its name is looked for.")
    }
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
                    ? "Names are looked for in the default tenant: add --tenant, or give the identifier, ws_…."
                    : "`volery workspaces list --tenant TENANT` shows those of a tenant.")
        }
        return found.id
    }

    func workspaceID(_ option: WorkspaceOption) async throws -> WorkspaceID? {
        guard let text = option.workspace else { return nil }
        return try await workspaceID(named: text, in: option.tenant)
    }

    /// The workspace whose routing is meant; the default one where none is named.
    func routedWorkspace(_ option: WorkspaceOption) async throws -> WorkspaceID {
        try await workspaceID(named: option.workspace ?? "default", in: option.tenant)
    }

    /// A tenant and a workspace in it, for a request that has both. Whoever gives a workspace's identifier need not
    /// name its tenant.
    func place(tenant: String?, workspace: String?) async throws -> (tenant: String?, workspace: String?) {
        guard let workspace else { return (tenant, nil) }
        let id = try await workspaceID(named: workspace, in: tenant)
        if let tenant { return (tenant, id.description) }
        return (try await self.workspace(id).tenant.description, id.description)
    }

    /// Of all workspaces of all tenants, newest first in each.
    func everyKey() async throws -> [KeyView] {
        var keys: [KeyView] = []
        for tenant in try await everyItem({ try await listTenants($0) }) {
            for workspace in try await everyItem({ try await listWorkspaces(in: tenant.id, $0) }) {
                keys += try await everyItem { try await listKeys(in: workspace.id, $0) }
            }
        }
        return keys
    }

    func keyID(orNil name: KeyName?) async throws -> KeyID? {
        switch name {
        case nil: nil
        case .id(let id): id
        case .prefix(let prefix): try await key(.prefix(prefix)).id
        }
    }

    func key(_ name: KeyName) async throws -> KeyView {
        switch name {
        case .id(let id): return try await key(id)
        case .prefix(let prefix):
            guard let found = try await everyKey().first(where: { $0.prefix == prefix }) else {
                throw missing("key", "vk_" + prefix, hint: "`volery keys list --all` shows every key.")
            }
            return found
        }
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

/// Which key: by identifier, or by the part of it that lists and logs show.
enum KeyName: Equatable {
    case id(KeyID)
    case prefix(String)

    init(argument: String) throws {
        if let id = KeyID(argument) {
            self = .id(id)
            return
        }
        let prefix = argument.hasPrefix("vk_") ? String(argument.dropFirst(3)) : argument
        // What is longer may be the whole key, which is repeated nowhere.
        guard (1...20).contains(prefix.utf8.count), prefix.utf8.allSatisfy({ $0 != UInt8(ascii: "_") }) else {
            throw ValidationError("Give the identifier, key_…, or the prefix alone: the rest of a key is secret.")
        }
        self = .prefix(prefix)
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
