package import Kernel

/// Whether something may be used.
package enum Standing: Sendable, Hashable {
    case active
    case suspended(since: Instant)
    /// Refused from then on like something that is not there; can be restored until `purge`, when it goes for good.
    /// `suspended` is since when it was suspended before, if it was: a restored one is suspended again.
    case deleted(since: Instant, purge: Instant, suspended: Instant? = nil)

    package var isActive: Bool { self == .active }

    /// What a restoration gives back.
    package var restored: Standing {
        guard case .deleted(_, _, let suspended) = self else { return self }
        return suspended.map { .suspended(since: $0) } ?? .active
    }

    package func deleted(at now: Instant, purge: Instant) -> Standing {
        guard case .suspended(let since) = self else { return .deleted(since: now, purge: purge) }
        return .deleted(since: now, purge: purge, suspended: since)
    }
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
