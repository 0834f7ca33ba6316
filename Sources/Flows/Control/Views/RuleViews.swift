package import Kernel
package import Tenancy

/// An access rule in its maker's words; `ControlFlow` checks them.
package struct NewRule: Sendable, Codable, Equatable {
    package let name: String
    /// `deny` or `require`.
    package let effect: String
    /// By identifier or name; nil for the caller's own.
    package let tenant: String?
    /// By identifier or name; nil for all workspaces of the tenant.
    package let workspace: String?
    /// Permissions; nil or empty for every action.
    package let actions: [String]?
    /// Identifiers of keys; nil or empty for everybody.
    package let keys: [String]?
    /// `llama-3` or `llama-*`.
    package let models: [String]?
    package let environments: [String]?
    /// `10.0.0.0/8` or single addresses.
    package let addresses: [String]?
    /// `mon-fri 08:00-18:00 +03:30`: days (all when left out), from and until, offset from UTC (none when left out).
    package let times: [String]?

    package init(
        name: String, effect: String, tenant: String? = nil, workspace: String? = nil, actions: [String]? = nil,
        keys: [String]? = nil, models: [String]? = nil, environments: [String]? = nil, addresses: [String]? = nil,
        times: [String]? = nil
    ) {
        self.name = name
        self.effect = effect
        self.tenant = tenant
        self.workspace = workspace
        self.actions = actions
        self.keys = keys
        self.models = models
        self.environments = environments
        self.addresses = addresses
        self.times = times
    }
}

package struct RuleView: Sendable, Codable, Equatable {
    package let id: RuleID
    package let tenant: TenantID
    package let workspace: WorkspaceID?
    package let name: String
    package let effect: AccessRule.Effect
    package let actions: [String]
    package let keys: [KeyID]
    package let models: [String]
    package let environments: [ModelEnvironment]
    package let addresses: [String]
    package let times: [String]
    package let created: Instant

    package init(_ rule: AccessRule) {
        id = rule.id
        tenant = rule.tenant
        workspace = rule.workspace
        name = rule.name
        effect = rule.effect
        actions = rule.actions.map(\.rawValue).sorted()
        keys = rule.keys.sorted()
        models = rule.conditions.models.map(\.text)
        environments = rule.conditions.environments.sorted { $0.rawValue < $1.rawValue }
        addresses = rule.conditions.addresses.map(\.description)
        times = rule.conditions.times.map(\.text)
        created = rule.created
    }

    private enum CodingKeys: String, CodingKey {
        case id, tenant = "tenant_id", workspace = "workspace_id", name, effect, actions, keys, models, environments
        case addresses, times, created
    }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(id, forKey: .id)
        try members.encode(tenant, forKey: .tenant)
        try members.encode(workspace, forKey: .workspace)
        try members.encode(name, forKey: .name)
        try members.encode(effect, forKey: .effect)
        try members.encode(actions, forKey: .actions)
        try members.encode(keys, forKey: .keys)
        try members.encode(models, forKey: .models)
        try members.encode(environments, forKey: .environments)
        try members.encode(addresses, forKey: .addresses)
        try members.encode(times, forKey: .times)
        try members.encode(created, forKey: .created)
    }
}

/// What a credential could do, without trying it.
package struct AccessQuestion: Sendable, Codable, Equatable {
    /// Whose: a key or a user.
    package let subject: String
    package let action: String
    package let workspace: String?
    package let model: String?
    package let address: String?
    /// Nil for now.
    package let at: Instant?

    package init(
        subject: String, action: String, workspace: String? = nil, model: String? = nil, address: String? = nil,
        at: Instant? = nil
    ) {
        self.subject = subject
        self.action = action
        self.workspace = workspace
        self.model = model
        self.address = address
        self.at = at
    }
}

package struct AccessAnswer: Sendable, Codable, Equatable {
    package let allowed: Bool
    /// Why not, in words; nil when allowed.
    package let reason: String?

    package init(allowed: Bool, reason: String?) {
        self.allowed = allowed
        self.reason = reason
    }

    private enum CodingKeys: String, CodingKey { case allowed, reason }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(allowed, forKey: .allowed)
        try members.encode(reason, forKey: .reason)
    }
}
