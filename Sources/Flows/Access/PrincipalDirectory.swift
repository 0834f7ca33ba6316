package import Kernel
package import Tenancy

/// What people may do, read from the stores as they are now.
package struct PrincipalDirectory: Sendable {
    private let users: any UserStore
    private let members: any MemberStore
    private let tenants: any TenantStore
    private let workspaces: any WorkspaceStore
    private let rules: any RuleStore

    package init(
        users: any UserStore, members: any MemberStore, tenants: any TenantStore, workspaces: any WorkspaceStore,
        rules: any RuleStore
    ) {
        self.users = users
        self.members = members
        self.tenants = tenants
        self.workspaces = workspaces
        self.rules = rules
    }

    /// Places in what is suspended or deleted count for nothing.
    /// - Returns: nil when there is no such user, or it is suspended.
    package func principal(of id: UserID, identity: Principal.Identity) async throws -> Principal? {
        guard let user = try await users.find(id), user.standing.isActive else { return nil }
        if user.isOperator {
            return Principal(identity: identity, user: id, grants: Principal.platformOperator.grants)
        }
        var standings: [TenantID: Bool] = [:]
        var grants: [Grant] = []
        var held: [AccessRule] = []
        for place in try await members.places(of: id) {
            if standings[place.tenant] == nil {
                let isActive = try await tenants.find(place.tenant)?.standing.isActive == true
                standings[place.tenant] = isActive
                if isActive { held += try await rules.list(in: place.tenant) }
            }
            guard standings[place.tenant] == true else { continue }
            if let workspace = place.workspace {
                let found = try await workspaces.find(workspace, in: place.tenant)
                guard found?.standing.isActive == true else { continue }
            }
            grants.append(place.grant)
        }
        return Principal(identity: identity, user: id, grants: grants, rules: held)
    }
}
