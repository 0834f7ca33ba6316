package import Kernel

/// Somebody with an account: a person of the platform, who may be a member of several tenants, or a service account,
/// which belongs to one tenant.
package struct User: Sendable, Hashable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        case person, service
    }

    package let id: UserID
    package let kind: Kind
    /// The tenant of a service account; nil for a person.
    package let tenant: TenantID?
    /// What a person signs in with, unique among persons; a service account's is unique in its tenant.
    package let name: String
    /// Whether the person may do everything on the platform: the local owner.
    package let isOperator: Bool
    /// Active or suspended.
    package let standing: Standing
    package let created: Instant

    package init(
        id: UserID, kind: Kind, tenant: TenantID? = nil, name: String, isOperator: Bool = false,
        standing: Standing = .active, created: Instant
    ) {
        self.id = id
        self.kind = kind
        self.tenant = tenant
        self.name = name
        self.isOperator = isOperator
        self.standing = standing
        self.created = created
    }
}

/// A user's place in a tenant, or in one workspace of it.
package struct Member: Sendable, Hashable {
    package let id: MemberID
    package let tenant: TenantID
    /// Nil for all workspaces of the tenant.
    package let workspace: WorkspaceID?
    package let user: UserID
    package let role: Role
    package let created: Instant

    package init(
        id: MemberID, tenant: TenantID, workspace: WorkspaceID?, user: UserID, role: Role, created: Instant
    ) {
        self.id = id
        self.tenant = tenant
        self.workspace = workspace
        self.user = user
        self.role = role
        self.created = created
    }

    /// Whether the tenant must not lose it, unless there is another one.
    package var ownsTenant: Bool { role == .owner && workspace == nil }

    package var grant: Grant {
        let extent: Grant.Extent = workspace.map { .workspace($0, of: tenant) } ?? .tenant(tenant)
        return Grant(extent, role.permissions)
    }
}

/// What a person proves itself with.
package struct SignInSecrets: Sendable, Hashable {
    /// argon2id in PHC string format.
    package let passwordHash: String
    /// The shared secret of the one-time codes, sealed; nil without them.
    package let sealedTOTP: [UInt8]?
    /// The time step of the last code that was accepted: a code works once.
    package let lastTOTPStep: Int64?

    package init(passwordHash: String, sealedTOTP: [UInt8]? = nil, lastTOTPStep: Int64? = nil) {
        self.passwordHash = passwordHash
        self.sealedTOTP = sealedTOTP
        self.lastTOTPStep = lastTOTPStep
    }
}

/// A signed-in person, until `expires`.
package struct Session: Sendable, Hashable {
    package let id: SessionID
    package let user: UserID
    /// SHA-256 of the token. The token has 256 random bits, so nothing slower is needed.
    package let digest: [UInt8]
    package let created: Instant
    package let expires: Instant
    package let ended: Instant?

    package init(
        id: SessionID, user: UserID, digest: [UInt8], created: Instant, expires: Instant, ended: Instant? = nil
    ) {
        self.id = id
        self.user = user
        self.digest = digest
        self.created = created
        self.expires = expires
        self.ended = ended
    }
}

extension Problem {
    package static let lastOwner = Problem(
        .conflict, "This is the tenant's last owner.", parameter: "id",
        hint: "Make somebody else an owner first, or delete the tenant.")
}
