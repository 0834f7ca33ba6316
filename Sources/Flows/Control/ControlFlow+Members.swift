package import Kernel
import Tenancy

extension ControlFlow {
    /// Places in a tenant that its own people can fill: each may take a new account, which the platform keeps.
    static let mostMembers = 1000

    package func addMember(_ request: NewMember) async throws -> MemberView {
        let place = try await place(request)
        try await gate.authorize(.memberWrite, on: place.target, as: "member.add")
        let role = try Checks.oneOf(Role.self, request.role, parameter: "role")
        try mayGive(role, in: place.tenant.id, workspace: place.workspace?.id)
        try mustNotBeDeleted(place.tenant.standing, "tenant", parameter: "tenant")
        if let workspace = place.workspace {
            try mustNotBeDeleted(workspace.standing, "workspace", parameter: "workspace")
        }
        try await mayGrow(place.tenant.id)
        let user = try await member(named: request.user, for: place.tenant.id)
        let member = try await insertMember(user, role, in: place.tenant.id, workspace: place.workspace?.id)
        return MemberView(member, user: user)
    }

    package func listMembers(
        in tenant: TenantID?, workspace: WorkspaceID?, _ page: PageRequest
    ) async throws -> Page<MemberView> {
        let home: TenantID
        let workspace = workspace ?? (tenant == nil ? caller.workspace : nil)
        if let workspace {
            let found = try await authorized(.memberRead, in: workspace, as: "member.list")
            guard tenant == nil || tenant == found.tenant else {
                throw Self.missing("workspace", workspace, parameter: "workspace")
            }
            home = found.tenant
        } else {
            home = try await authorized(.memberRead, in: tenant, as: "member.list").id
        }
        let found = try await stores.members.list(in: home, workspace: workspace, page: page)
        var users: [UserID: User] = [:]
        for member in found.data where users[member.user] == nil {
            users[member.user] = try await stores.users.find(member.user)
        }
        // A user's row is never removed while it has a place.
        return found.map { member in MemberView(member, user: users[member.user] ?? Self.unnamed(member)) }
    }

    package func changeMember(_ id: MemberID, _ change: MemberChange) async throws -> MemberView {
        let member = try await authorizedMember(id, as: "member.change")
        let role = try Checks.oneOf(Role.self, change.role, parameter: "role")
        try mayGive(role, in: member.tenant, workspace: member.workspace)
        try mayGive(member.role, in: member.tenant, workspace: member.workspace)
        let entry = entry(
            "member.change", on: id, tenant: member.tenant, workspace: member.workspace,
            ["user": member.user.description, "role": role.rawValue, "role_before": member.role.rawValue])
        guard let changed = try await stores.members.change(id, in: member.tenant, to: role, audit: entry) else {
            throw Self.missing("member", id, parameter: "id")
        }
        await didRevoke()
        return try await view(changed)
    }

    package func removeMember(_ id: MemberID) async throws -> MemberView {
        let member = try await authorizedMember(id, as: "member.remove")
        try mayGive(member.role, in: member.tenant, workspace: member.workspace)
        let entry = entry(
            "member.remove", on: id, tenant: member.tenant, workspace: member.workspace,
            ["user": member.user.description, "role": member.role.rawValue])
        guard let removed = try await stores.members.remove(id, in: member.tenant, audit: entry) else {
            throw Self.missing("member", id, parameter: "id")
        }
        await didRevoke()
        return try await view(removed)
    }

    // MARK: Parts

    private struct Place {
        let tenant: Tenant
        let workspace: Workspace?
        let target: Target
    }

    private func place(_ request: NewMember) async throws -> Place {
        if let text = request.workspace {
            let within = if let name = request.tenant { try await tenant(named: name) } else { Named<Tenant>?.none }
            let named = try await workspace(named: text, in: within?.value)
            let home = try await tenant(named.value.tenant, parameter: "tenant")
            return Place(tenant: home.value, workspace: named.value, target: target(named))
        }
        let named = try await tenant(named: request.tenant)
        return Place(tenant: named.value, workspace: nil, target: target(named))
    }

    /// A person by name, who gets an account when there is none; by identifier one of the tenant's programs. Somebody
    /// who has an account is taken from outside of the tenant by the operator alone.
    private func member(named text: String, for tenant: TenantID) async throws -> User {
        let missing = Self.missing("user", text, parameter: "user")
        if let id = UserID(text) {
            guard let user = try await stores.users.find(id) else { throw missing }
            if user.kind == .service {
                guard user.tenant == tenant else { throw missing }
            } else if !caller.principal.isOperator {
                let places = try await stores.members.places(of: id)
                guard places.contains(where: { $0.tenant == tenant }) else { throw missing }
            }
            return user
        }
        _ = try Checks.name(text, of: "a person", parameter: "user")
        guard text != Self.owner || caller.principal.isOperator else {
            throw Problem(
                .validationError, "The name `\(Self.owner)` belongs to the local owner.", parameter: "user",
                hint: "Only the operator gives it a place.")
        }
        if let person = try await stores.users.find(person: text) { return try await known(person, in: tenant) }
        do {
            return try await insertPerson(text, parameter: "user")
        } catch let problem as Problem where problem.code == .alreadyExists {
            // Somebody else has just made it.
            guard let person = try await stores.users.find(person: text) else { throw problem }
            return try await known(person, in: tenant)
        }
    }

    /// An account may be somebody's of another tenant, who would find their name, keys and sessions in this one too.
    private func known(_ person: User, in tenant: TenantID) async throws -> User {
        if caller.principal.isOperator { return person }
        guard try await stores.members.places(of: person.id).contains(where: { $0.tenant == tenant }) else {
            throw Problem(
                .policyDenied, "The operator adds people who have an account already.", parameter: "user",
                hint: "Ask the operator, or give a new person another name.")
        }
        return person
    }

    private func mayGrow(_ tenant: TenantID) async throws {
        if caller.principal.isOperator { return }
        let members = try await stores.members.list(
            in: tenant, workspace: nil, page: PageRequest(limit: Self.mostMembers)
        ).data
        guard members.count < Self.mostMembers else {
            throw Problem(
                .conflict, "The tenant has \(Self.mostMembers) members, which is the most.", parameter: "tenant",
                hint: "Remove some, or ask the operator, who can add more.")
        }
    }

    func insertMember(
        _ user: User, _ role: Role, in tenant: TenantID, workspace: WorkspaceID?
    ) async throws -> Member {
        let member = Member(
            id: parts.ids.next(), tenant: tenant, workspace: workspace, user: user.id, role: role, created: now)
        let entry = entry(
            "member.add", on: member.id, tenant: tenant, workspace: workspace,
            ["user": user.id.description, "name": user.name, "role": role.rawValue])
        let place = workspace == nil ? "this tenant" : "this workspace"
        try await naming("a place of `\(user.name)` in \(place)", parameter: "user") {
            try await stores.members.insert(member, audit: entry)
        }
        await didRevoke()
        return member
    }

    private func authorizedMember(_ id: MemberID, as act: String) async throws -> Member {
        let missing = Self.missing("member", id, parameter: "id")
        guard let tenant = try await stores.members.tenant(of: id),
            let member = try await stores.members.find(id, in: tenant)
        else { throw missing }
        let resource = Resource(tenant: tenant, workspace: member.workspace)
        try await gate.authorize(
            .memberWrite, on: Target(resource, subject: id.description, missing: missing), as: act)
        return member
    }

    /// Nobody gives or takes a role that holds more than what they have there themselves.
    func mayGive(_ role: Role, in tenant: TenantID, workspace: WorkspaceID?) throws(Problem) {
        let held = caller.principal.permissions(in: tenant, workspace: workspace)
        let limits = caller.principal.limits
        // A role knows no limits of models, endpoints and addresses, so a key that has some cannot hand one on.
        let isLimited = !limits.models.isEmpty || !limits.endpoints.isEmpty || !limits.addresses.isEmpty
        guard role.permissions.isSubset(of: held), !isLimited else {
            throw Problem(
                .policyDenied, "The role `\(role.rawValue)` holds more than the caller's own permissions.",
                parameter: "role", hint: "Ask somebody with that role, or with a higher one.")
        }
    }

    private func view(_ member: Member) async throws -> MemberView {
        MemberView(member, user: try await stores.users.find(member.user) ?? Self.unnamed(member))
    }

    private static func unnamed(_ member: Member) -> User {
        User(id: member.user, kind: .person, name: "", created: member.created)
    }
}
