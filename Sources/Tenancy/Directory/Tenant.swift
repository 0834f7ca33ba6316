package import Kernel

/// Whether something may be used.
package enum Standing: Sendable, Hashable {
    case active
    case suspended(since: Instant)
    /// Refused from then on like something that is not there; can be restored until `purge`, when it goes for good.
    case deleted(since: Instant, purge: Instant)

    package var isActive: Bool { self == .active }
}

/// The organization that pays.
package struct Tenant: Sendable, Hashable {
    package let id: TenantID
    /// Unique on the platform.
    package let name: String
    package let standing: Standing
    package let created: Instant

    package init(id: TenantID, name: String, standing: Standing = .active, created: Instant) {
        self.id = id
        self.name = name
        self.standing = standing
        self.created = created
    }
}

/// The unit of isolation, with the organization that pays for it.
package struct Workspace: Sendable, Hashable {
    package let id: WorkspaceID
    package let tenant: TenantID
    /// Unique in its tenant.
    package let name: String
    package let standing: Standing
    package let created: Instant

    package init(
        id: WorkspaceID, tenant: TenantID, name: String, standing: Standing = .active,
        created: Instant = Instant(microseconds: 0)
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.standing = standing
        self.created = created
    }
}

/// A change of a tenant or workspace. What is nil stays.
package struct DirectoryChange: Sendable, Hashable {
    package var name: String?
    package var standing: Standing?

    package init(name: String? = nil, standing: Standing? = nil) {
        self.name = name
        self.standing = standing
    }
}
