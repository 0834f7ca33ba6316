package import Kernel

/// A caller's credential as it is stored: everything but the secret.
package struct APIKey: Sendable, Hashable {
    package let id: KeyID
    package let tenant: TenantID
    package let workspace: WorkspaceID
    /// Whose key it is: nil for the workspace's own. A user's key can do what both its scopes and its user's roles
    /// allow.
    package let user: UserID?
    package let name: String
    /// The public part of the token, by which the row is found.
    package let prefix: String
    /// The secret's argon2id hash in PHC string format.
    package let hash: String
    package let scopes: KeyScopes
    package let environment: ModelEnvironment
    /// From where it may be used; empty for everywhere.
    package let addresses: [AddressRange]
    package let created: Instant
    /// When it stops working: its maker's wish, or the end of the overlap after a rotation.
    package let expires: Instant?
    package let revoked: Instant?
    /// The key that a rotation put in its place.
    package let successor: KeyID?
    /// To the minute or so: it is written in batches.
    package let lastUsed: Instant?

    package init(
        id: KeyID, tenant: TenantID, workspace: WorkspaceID, user: UserID? = nil, name: String, prefix: String,
        hash: String, scopes: KeyScopes = .usual, environment: ModelEnvironment = .production,
        addresses: [AddressRange] = [], created: Instant, expires: Instant? = nil, revoked: Instant? = nil,
        successor: KeyID? = nil, lastUsed: Instant? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.workspace = workspace
        self.user = user
        self.name = name
        self.prefix = prefix
        self.hash = hash
        self.scopes = scopes
        self.environment = environment
        self.addresses = addresses
        self.created = created
        self.expires = expires
        self.revoked = revoked
        self.successor = successor
        self.lastUsed = lastUsed
    }

    package func isUsable(at now: Instant) -> Bool {
        if revoked != nil { return false }
        guard let expires else { return true }
        return now < expires
    }
}

/// A key with everything that bears on whether and for what it may be used, read at one moment.
package struct KeyFacts: Sendable, Hashable {
    package let key: APIKey
    package let tenant: Standing
    package let workspace: Standing
    /// Of the key's user, when it has one.
    package let user: Standing?
    /// The user's memberships in the key's tenant.
    package let members: [Member]
    /// The tenant's access rules.
    package let rules: [AccessRule]

    package init(
        key: APIKey, tenant: Standing = .active, workspace: Standing = .active, user: Standing? = nil,
        members: [Member] = [], rules: [AccessRule] = []
    ) {
        self.key = key
        self.tenant = tenant
        self.workspace = workspace
        self.user = user
        self.members = members
        self.rules = rules
    }

    package func isUsable(at now: Instant) -> Bool {
        key.isUsable(at: now) && tenant.isActive && workspace.isActive && (key.user == nil || user?.isActive == true)
    }

    /// What whoever holds the key is to the access rules.
    package var principal: Principal {
        let limits = KeyLimits(
            endpoints: key.scopes.endpoints, models: key.scopes.models, environment: key.environment,
            addresses: key.addresses, expires: key.expires)
        var permissions = key.scopes.permissions
        if key.user != nil {
            let held = members.filter { $0.workspace == nil || $0.workspace == key.workspace }
                .reduce(into: Set<Permission>()) { $0.formUnion($1.role.permissions) }
            permissions.formIntersection(held)
        }
        return Principal(
            identity: .key(key.id), user: key.user,
            grants: [Grant(.workspace(key.workspace, of: key.tenant), permissions)], limits: limits, rules: rules)
    }
}

/// Whoever holds a verified key. Every workspace-scoped operation on its behalf takes its workspace from here.
///
/// A class, since every request hands it on many times, and all that is in it would be copied each time.
package final class KeyHolder: Sendable, Hashable {
    package let tenant: TenantID
    package let workspace: WorkspaceID
    package let key: KeyID
    package let environment: ModelEnvironment
    package let principal: Principal

    package init(_ facts: KeyFacts) {
        tenant = facts.key.tenant
        workspace = facts.key.workspace
        key = facts.key.id
        environment = facts.key.environment
        principal = facts.principal
    }

    package static func == (left: KeyHolder, right: KeyHolder) -> Bool {
        left === right
            || left.key == right.key && left.tenant == right.tenant && left.workspace == right.workspace
                && left.environment == right.environment && left.principal == right.principal
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}
