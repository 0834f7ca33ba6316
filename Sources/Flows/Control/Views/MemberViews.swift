package import Kernel
package import Tenancy

package struct NewUser: Sendable, Codable, Equatable {
    /// What the person signs in with, such as a mail address.
    package let name: String

    package init(name: String) { self.name = name }
}

package struct UserChange: Sendable, Codable, Equatable {
    /// `active` or `suspended`.
    package let state: String

    package init(state: String) { self.state = state }
}

/// A password for a person. Encoded in clear: that is its purpose, on its way to the platform.
package struct NewPassword: Sendable, Codable, Equatable {
    /// The person's name; `owner` is the local owner, who may do everything.
    package let user: String
    package let password: Secret

    package init(user: String, password: Secret) {
        self.user = user
        self.password = password
    }

    private enum CodingKeys: String, CodingKey { case user, password }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        user = try members.decode(String.self, forKey: .user)
        password = Secret(try members.decode(String.self, forKey: .password))
    }

    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(user, forKey: .user)
        try members.encode(password.reveal(), forKey: .password)
    }
}

package struct OneTimeCodeSetup: Sendable, Codable, Equatable {
    package let user: UserID
    package let enabled: Bool
    /// `otpauth://totp/…`, shown this once; nil when they were turned off. Anybody who has it can make the codes.
    package let uri: String?

    package init(user: UserID, enabled: Bool, uri: String?) {
        self.user = user
        self.enabled = enabled
        self.uri = uri
    }

    private enum CodingKeys: String, CodingKey { case user = "user_id", enabled, uri }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(user, forKey: .user)
        try members.encode(enabled, forKey: .enabled)
        try members.encode(uri, forKey: .uri)
    }
}

package struct NewServiceAccount: Sendable, Codable, Equatable {
    package let name: String
    /// By identifier or name; nil for the caller's own.
    package let tenant: String?
    /// Its role in the whole tenant; nil for none yet.
    package let role: String?

    package init(name: String, tenant: String? = nil, role: String? = nil) {
        self.name = name
        self.tenant = tenant
        self.role = role
    }
}

package struct UserView: Sendable, Codable, Equatable {
    package let id: UserID
    package let kind: User.Kind
    package let tenant: TenantID?
    package let name: String
    package let isOperator: Bool
    /// `active` or `suspended`.
    package let state: String
    package let created: Instant

    package init(_ user: User) {
        id = user.id
        kind = user.kind
        tenant = user.tenant
        name = user.name
        isOperator = user.isOperator
        state = user.standing.word
        created = user.created
    }

    private enum CodingKeys: String, CodingKey {
        case id, kind, tenant = "tenant_id", name, isOperator = "is_operator", state, created
    }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(id, forKey: .id)
        try members.encode(kind, forKey: .kind)
        try members.encode(tenant, forKey: .tenant)
        try members.encode(name, forKey: .name)
        try members.encode(isOperator, forKey: .isOperator)
        try members.encode(state, forKey: .state)
        try members.encode(created, forKey: .created)
    }
}

package struct NewMember: Sendable, Codable, Equatable {
    /// By identifier, or a person's name; a person without an account gets one.
    package let user: String
    package let role: String
    /// By identifier or name; nil for the caller's own.
    package let tenant: String?
    /// By identifier or name; nil for all workspaces of the tenant.
    package let workspace: String?

    package init(user: String, role: String, tenant: String? = nil, workspace: String? = nil) {
        self.user = user
        self.role = role
        self.tenant = tenant
        self.workspace = workspace
    }
}

package struct MemberChange: Sendable, Codable, Equatable {
    package let role: String

    package init(role: String) { self.role = role }
}

package struct MemberView: Sendable, Codable, Equatable {
    package let id: MemberID
    package let tenant: TenantID
    package let workspace: WorkspaceID?
    package let user: UserID
    /// The user's name.
    package let name: String
    package let kind: User.Kind
    package let role: Role
    package let created: Instant

    package init(_ member: Member, user: User) {
        id = member.id
        tenant = member.tenant
        workspace = member.workspace
        self.user = member.user
        name = user.name
        kind = user.kind
        role = member.role
        created = member.created
    }

    private enum CodingKeys: String, CodingKey {
        case id, tenant = "tenant_id", workspace = "workspace_id", user = "user_id", name, kind, role, created
    }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(id, forKey: .id)
        try members.encode(tenant, forKey: .tenant)
        try members.encode(workspace, forKey: .workspace)
        try members.encode(user, forKey: .user)
        try members.encode(name, forKey: .name)
        try members.encode(kind, forKey: .kind)
        try members.encode(role, forKey: .role)
        try members.encode(created, forKey: .created)
    }
}

/// Asks for a session.
package struct SignIn: Sendable, Codable, Equatable {
    package let user: String
    package let password: Secret
    /// Six digits, where one-time codes are on.
    package let code: String?

    package init(user: String, password: Secret, code: String? = nil) {
        self.user = user
        self.password = password
        self.code = code
    }

    private enum CodingKeys: String, CodingKey { case user, password, code }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        user = try members.decode(String.self, forKey: .user)
        password = Secret(try members.decode(String.self, forKey: .password))
        code = try members.decodeIfPresent(String.self, forKey: .code)
    }

    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(user, forKey: .user)
        try members.encode(password.reveal(), forKey: .password)
        try members.encodeIfPresent(code, forKey: .code)
    }
}
