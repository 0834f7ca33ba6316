package import Kernel

/// Who asks, with everything that bears on what they may do. Made once for each credential, then only read.
package struct Principal: Sendable, Hashable {
    package enum Identity: Sendable, Hashable {
        /// Whoever holds the data folder.
        case operatorToken
        case key(KeyID)
        case session(SessionID)
    }

    package let identity: Identity
    /// The person or service account behind it; nil for a workspace's own key and for the operator.
    package let user: UserID?
    package let grants: [Grant]
    /// What a key is narrowed to, beside its permissions.
    package let limits: KeyLimits
    /// The access rules of its tenant.
    package let rules: [AccessRule]

    package init(
        identity: Identity, user: UserID? = nil, grants: [Grant], limits: KeyLimits = KeyLimits(),
        rules: [AccessRule] = []
    ) {
        self.identity = identity
        self.user = user
        self.grants = grants
        self.limits = limits
        self.rules = rules
    }

    /// The holder of the data folder may do everything.
    package static let platformOperator = Principal(
        identity: .operatorToken, grants: [Grant(.platform, Set(Permission.allCases))])

    /// The tenant that it belongs to; nil for the operator and for somebody who is a member of several.
    package var tenant: TenantID? {
        let tenants = Set(grants.compactMap(\.extent.tenant))
        return tenants.count == 1 ? tenants.first : nil
    }

    package var isOperator: Bool { grants.contains { $0.extent == .platform } }
}

/// Permissions, and how far they reach.
package struct Grant: Sendable, Hashable {
    package enum Extent: Sendable, Hashable {
        case platform
        /// A tenant with all its workspaces.
        case tenant(TenantID)
        case workspace(WorkspaceID, of: TenantID)

        package var tenant: TenantID? {
            switch self {
            case .platform: nil
            case .tenant(let id), .workspace(_, of: let id): id
            }
        }
    }

    package let extent: Extent
    package let permissions: Set<Permission>

    package init(_ extent: Extent, _ permissions: Set<Permission>) {
        self.extent = extent
        self.permissions = permissions
    }
}

/// What is acted on, as far as access depends on it. Nothing set: something of the platform's.
package struct Resource: Sendable, Hashable {
    package var tenant: TenantID?
    package var workspace: WorkspaceID?
    package var model: ModelNames?
    package var environment: ModelEnvironment?
    package var endpoint: KeyEndpoint?

    package init(
        tenant: TenantID? = nil, workspace: WorkspaceID? = nil, model: ModelNames? = nil,
        environment: ModelEnvironment? = nil, endpoint: KeyEndpoint? = nil
    ) {
        self.tenant = tenant
        self.workspace = workspace
        self.model = model
        self.environment = environment
        self.endpoint = endpoint
    }

    package static let platform = Resource()
}

/// The circumstances of a request.
package struct AccessContext: Sendable, Hashable {
    package let now: Instant
    /// The client's, behind trusted proxies the one that they name; nil on the command line.
    package let address: IPAddress?

    package init(now: Instant, address: IPAddress?) {
        self.now = now
        self.address = address
    }
}

package enum AccessDecision: Sendable, Hashable {
    case allow
    case deny(Denial)
}

/// Why not.
package enum Denial: Error, Hashable {
    /// It belongs to somebody else: the caller is told that there is no such thing.
    case foreign
    case noPermission(Permission)
    case endpoint(KeyEndpoint)
    case model(String)
    case environment(ModelEnvironment)
    /// The key may not be used from there.
    case address
    case rule(RuleID, name: String)
}

/// Decides who may do what: the only place. Deny by default.
///
/// Called for each inference request on its event loop, so it neither waits nor throws.
package protocol AccessDecider: Sendable {
    func decide(
        _ principal: Principal, _ action: Permission, on resource: Resource, in context: AccessContext
    ) -> AccessDecision
}
