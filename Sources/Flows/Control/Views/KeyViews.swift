package import Kernel
package import Tenancy

/// Asks for a key.
package struct NewKey: Sendable, Codable, Equatable {
    package let name: String
    /// By identifier, or by name in the caller's tenant; nil for the caller's own.
    package let workspace: String?
    /// Whose key it is to be: a member's identifier or name; nil for the workspace's own.
    package let user: String?
    /// When the key stops working; nil for never.
    package let expires: Instant?
    /// The same as seconds from now; not both.
    package let expiresIn: Int?
    /// `inference:execute`, `endpoint=chat`, `model=llama-*`; nil for the usual ones.
    package let scopes: [String]?
    /// Nil for production.
    package let environment: String?
    /// From where it may be used: `10.0.0.0/8` or single addresses; nil for everywhere.
    package let addresses: [String]?

    package init(
        name: String, workspace: String? = nil, user: String? = nil, expires: Instant? = nil, expiresIn: Int? = nil,
        scopes: [String]? = nil, environment: String? = nil, addresses: [String]? = nil
    ) {
        self.name = name
        self.workspace = workspace
        self.user = user
        self.expires = expires
        self.expiresIn = expiresIn
        self.scopes = scopes
        self.environment = environment
        self.addresses = addresses
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case name, workspace, user, expires, expiresIn = "expires_in", scopes, environment, addresses
    }
}

/// Asks for a key in the place of another.
package struct KeyRotation: Sendable, Codable, Equatable {
    /// How long the older key goes on, 0 to 30 days; a day when nil.
    package let overlapSeconds: Int?

    package init(overlapSeconds: Int? = nil) { self.overlapSeconds = overlapSeconds }

    package enum CodingKeys: String, CodingKey, CaseIterable { case overlapSeconds = "overlap_seconds" }
}

/// A key as operators see it: everything but hash and secret.
package struct KeyView: Sendable, Codable, Equatable {
    package let id: KeyID
    package let name: String
    package let prefix: String
    package let tenant: TenantID
    package let workspace: WorkspaceID
    package let user: UserID?
    package let scopes: [String]
    package let environment: ModelEnvironment
    package let addresses: [String]
    package let created: Instant
    package let expires: Instant?
    package let revoked: Instant?
    /// The key that a rotation put in its place.
    package let successor: KeyID?
    package let lastUsed: Instant?

    package init(_ key: APIKey) {
        id = key.id
        name = key.name
        prefix = key.prefix
        tenant = key.tenant
        workspace = key.workspace
        user = key.user
        scopes = key.scopes.words
        environment = key.environment
        addresses = key.addresses.map(\.description)
        created = key.created
        expires = key.expires
        revoked = key.revoked
        successor = key.successor
        lastUsed = key.lastUsed
    }

    private enum CodingKeys: String, CodingKey {
        case id, name, prefix, tenant = "tenant_id", workspace = "workspace_id", user = "user_id", scopes, environment
        case addresses, created, expires, revoked, successor = "successor_id", lastUsed = "last_used"
    }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(id, forKey: .id)
        try members.encode(name, forKey: .name)
        try members.encode(prefix, forKey: .prefix)
        try members.encode(tenant, forKey: .tenant)
        try members.encode(workspace, forKey: .workspace)
        try members.encode(user, forKey: .user)
        try members.encode(scopes, forKey: .scopes)
        try members.encode(environment, forKey: .environment)
        try members.encode(addresses, forKey: .addresses)
        try members.encode(created, forKey: .created)
        try members.encode(expires, forKey: .expires)
        try members.encode(revoked, forKey: .revoked)
        try members.encode(successor, forKey: .successor)
        try members.encode(lastUsed, forKey: .lastUsed)
    }
}

/// A key that was just made, with its token: the only value that carries one to its owner.
package struct CreatedKey: Sendable, Codable {
    package let view: KeyView
    package let token: Secret

    package init(view: KeyView, token: Secret) {
        self.view = view
        self.token = token
    }

    private enum CodingKeys: String, CodingKey { case key }

    package init(from decoder: any Decoder) throws {
        view = try KeyView(from: decoder)
        token = Secret(try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .key))
    }

    /// Reveals the token, which is this type's purpose: it is shown to its owner once.
    package func encode(to encoder: any Encoder) throws {
        try view.encode(to: encoder)
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(token.reveal(), forKey: .key)
    }
}
