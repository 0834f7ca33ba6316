package import Kernel
package import Tenancy

package struct NewTenant: Sendable, Codable, Equatable {
    package let name: String

    package init(name: String) { self.name = name }
}

package struct NewWorkspace: Sendable, Codable, Equatable {
    package let name: String
    /// By identifier, or by name where the caller may see several; nil for the caller's own.
    package let tenant: String?

    package init(name: String, tenant: String? = nil) {
        self.name = name
        self.tenant = tenant
    }
}

/// What is nil stays as it is.
package struct DirectoryChangeRequest: Sendable, Codable, Equatable {
    package let name: String?
    /// `active` restores what was suspended or deleted; `suspended` refuses it until then.
    package let state: String?

    package init(name: String? = nil, state: String? = nil) {
        self.name = name
        self.state = state
    }
}

package struct TenantView: Sendable, Codable, Equatable {
    package let id: TenantID
    package let name: String
    /// `active`, `suspended` or `deleted`.
    package let state: String
    package let since: Instant?
    /// When a deleted one goes for good.
    package let purge: Instant?
    package let created: Instant

    package init(_ tenant: Tenant) {
        id = tenant.id
        name = tenant.name
        state = tenant.standing.word
        since = tenant.standing.since
        purge = tenant.standing.purge
        created = tenant.created
    }

    private enum CodingKeys: String, CodingKey { case id, name, state, since, purge, created }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(id, forKey: .id)
        try members.encode(name, forKey: .name)
        try members.encode(state, forKey: .state)
        try members.encode(since, forKey: .since)
        try members.encode(purge, forKey: .purge)
        try members.encode(created, forKey: .created)
    }
}

package struct WorkspaceView: Sendable, Codable, Equatable {
    package let id: WorkspaceID
    package let tenant: TenantID
    package let name: String
    package let state: String
    package let since: Instant?
    package let purge: Instant?
    package let created: Instant

    package init(_ workspace: Workspace) {
        id = workspace.id
        tenant = workspace.tenant
        name = workspace.name
        state = workspace.standing.word
        since = workspace.standing.since
        purge = workspace.standing.purge
        created = workspace.created
    }

    private enum CodingKeys: String, CodingKey {
        case id, tenant = "tenant_id", name, state, since, purge, created
    }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(id, forKey: .id)
        try members.encode(tenant, forKey: .tenant)
        try members.encode(name, forKey: .name)
        try members.encode(state, forKey: .state)
        try members.encode(since, forKey: .since)
        try members.encode(purge, forKey: .purge)
        try members.encode(created, forKey: .created)
    }
}

extension Standing {
    package var word: String {
        switch self {
        case .active: "active"
        case .suspended: "suspended"
        case .deleted: "deleted"
        }
    }

    var since: Instant? {
        switch self {
        case .active: nil
        case .suspended(let since), .deleted(let since, _, _): since
        }
    }

    var purge: Instant? {
        if case .deleted(_, let purge, _) = self { purge } else { nil }
    }
}
