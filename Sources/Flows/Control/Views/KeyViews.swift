package import Kernel
package import Tenancy

/// Asks for a key.
package struct NewKey: Sendable, Codable, Equatable {
    package let name: String
    /// When the key stops working; nil for never.
    package let expires: Instant?

    package init(name: String, expires: Instant? = nil) {
        self.name = name
        self.expires = expires
    }
}

/// A key as operators see it: everything but hash and secret.
package struct KeyView: Sendable, Codable, Equatable {
    package let id: KeyID
    package let name: String
    package let prefix: String
    package let workspace: WorkspaceID
    package let created: Instant
    package let expires: Instant?
    package let revoked: Instant?

    package init(_ key: APIKey) {
        id = key.id
        name = key.name
        prefix = key.prefix
        workspace = key.workspace
        created = key.created
        expires = key.expires
        revoked = key.revoked
    }

    private enum CodingKeys: String, CodingKey {
        case id, name, prefix, workspace = "workspace_id", created, expires, revoked
    }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(id, forKey: .id)
        try members.encode(name, forKey: .name)
        try members.encode(prefix, forKey: .prefix)
        try members.encode(workspace, forKey: .workspace)
        try members.encode(created, forKey: .created)
        try members.encode(expires, forKey: .expires)
        try members.encode(revoked, forKey: .revoked)
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
