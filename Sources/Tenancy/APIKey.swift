package import Kernel

/// A caller's credential as it is stored: everything but the secret.
package struct APIKey: Sendable, Hashable {
    package let id: KeyID
    package let tenant: TenantID
    package let workspace: WorkspaceID
    package let name: String
    /// The public part of the token, by which the row is found.
    package let prefix: String
    /// The secret's argon2id hash in PHC string format.
    package let hash: String
    package let created: Instant
    package let expires: Instant?
    package let revoked: Instant?

    package init(
        id: KeyID, tenant: TenantID, workspace: WorkspaceID, name: String, prefix: String, hash: String,
        created: Instant, expires: Instant? = nil, revoked: Instant? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.workspace = workspace
        self.name = name
        self.prefix = prefix
        self.hash = hash
        self.created = created
        self.expires = expires
        self.revoked = revoked
    }

    package func isUsable(at now: Instant) -> Bool {
        if revoked != nil { return false }
        guard let expires else { return true }
        return now < expires
    }
}

/// Who is asking, once the credential was verified. Every workspace-scoped operation takes its workspace from here.
package struct Principal: Sendable, Hashable {
    package let tenant: TenantID
    package let workspace: WorkspaceID
    package let key: KeyID

    package init(tenant: TenantID, workspace: WorkspaceID, key: KeyID) {
        self.tenant = tenant
        self.workspace = workspace
        self.key = key
    }

    package init(_ key: APIKey) {
        self.init(tenant: key.tenant, workspace: key.workspace, key: key.id)
    }
}

/// The unit of isolation, with the organization that pays for it.
package struct Workspace: Sendable, Hashable {
    package let id: WorkspaceID
    package let tenant: TenantID
    package let name: String

    package init(id: WorkspaceID, tenant: TenantID, name: String) {
        self.id = id
        self.tenant = tenant
        self.name = name
    }
}
