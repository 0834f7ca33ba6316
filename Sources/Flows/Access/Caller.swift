package import Kernel
package import Tenancy

/// Who sends a request of the control plane, and from where.
package struct Caller: Sendable {
    package let principal: Principal
    /// Nil on the command line.
    package let address: IPAddress?
    /// Nil on the command line.
    package let request: RequestID?

    package init(principal: Principal, address: IPAddress? = nil, request: RequestID? = nil) {
        self.principal = principal
        self.address = address
        self.request = request
    }

    /// As audit names it.
    package var actor: String {
        if let user = principal.user { return user.description }
        return switch principal.identity {
        case .operatorToken: "operator"
        case .key(let id): id.description
        case .session(let id): id.description
        }
    }

    /// The credential by which a user acts; nil where `actor` is the credential itself.
    package var credential: String? {
        guard principal.user != nil else { return nil }
        return switch principal.identity {
        case .operatorToken: nil
        case .key(let id): id.description
        case .session(let id): id.description
        }
    }

    /// What audit writes down of an act. Somebody else may hold a key in a user's name, so the credential is there too.
    func details(_ details: [String: String] = [:]) -> [String: String] {
        guard let credential else { return details }
        return details.merging(["credential": credential]) { _, new in new }
    }

    /// The one workspace that the credential is for; nil for whoever has none or several.
    package var workspace: WorkspaceID? {
        var only: WorkspaceID?
        for grant in principal.grants {
            guard case .workspace(let id, of: _) = grant.extent, only == nil || only == id else { return nil }
            only = id
        }
        return only
    }
}

extension Principal {
    /// What it may do at a place by its roles and scopes, before rules are asked: what it can hand on.
    func permissions(in tenant: TenantID, workspace: WorkspaceID?) -> Set<Permission> {
        grants.reduce(into: []) { held, grant in
            let reaches =
                switch grant.extent {
                case .platform: true
                case .tenant(let id): id == tenant
                case .workspace(let id, of: _): id == workspace
                }
            if reaches { held.formUnion(grant.permissions) }
        }
    }
}
