import Flows
import Kernel
import Tenancy

extension DeclarationPlanner {
    mutating func plan(_ tenant: TenantDeclaration) {
        let actual = state.tenants.first { $0.name == tenant.name }
        if actual == nil {
            add(
                Step(
                    change: .create, kind: "tenant", name: tenant.name, details: [], tenant: tenant.name,
                    action: .createTenant))
        }
        planState(tenant.state, from: actual?.state ?? "active") { state, details in
            Step(
                change: .change, kind: "tenant", name: tenant.name, details: details, tenant: tenant.name,
                action: .changeTenant(DirectoryChangeRequest(state: state)))
        }
        let contents = actual.flatMap { state.contents[$0.id] } ?? DeclarationState.Contents()
        planWorkspaces(of: tenant, contents)
        planRules(of: tenant, contents)
        planAccounts(of: tenant, contents)
        planPlaces(of: tenant, contents)
        if prunes { pruneWorkspaces(of: tenant, contents) }
    }

    private mutating func planWorkspaces(of tenant: TenantDeclaration, _ contents: DeclarationState.Contents) {
        for workspace in tenant.workspaces ?? [] {
            let name = "\(tenant.name)/\(workspace.name)"
            let actual = contents.workspaces.first { $0.name == workspace.name }
            if actual == nil {
                add(
                    Step(
                        change: .create, kind: "workspace", name: name, details: [], tenant: tenant.name,
                        action: .createWorkspace(workspace.name)))
            }
            planState(workspace.state, from: actual?.state ?? "active") { state, details in
                Step(
                    change: .change, kind: "workspace", name: name, details: details, tenant: tenant.name,
                    action: .changeWorkspace(workspace.name, DirectoryChangeRequest(state: state)))
            }
        }
    }

    private mutating func pruneWorkspaces(of tenant: TenantDeclaration, _ contents: DeclarationState.Contents) {
        guard let declared = tenant.workspaces else { return }
        for workspace in contents.workspaces.sorted(by: { $0.name < $1.name }) where workspace.state != "deleted" {
            let isFirst = tenant.name == DeclarationPlan.defaultName && workspace.name == DeclarationPlan.defaultName
            guard !isFirst, !declared.contains(where: { $0.name == workspace.name }) else { continue }
            remove(
                Step(
                    change: .remove, kind: "workspace", name: "\(tenant.name)/\(workspace.name)", details: [],
                    tenant: tenant.name, action: .deleteWorkspace(workspace.name)))
        }
    }

    /// Accounts cannot be deleted: what they did stays theirs. Pruning suspends them.
    private mutating func planAccounts(of tenant: TenantDeclaration, _ contents: DeclarationState.Contents) {
        guard let declared = tenant.serviceAccounts else { return }
        for account in declared {
            let actual = contents.accounts.first { $0.name == account.name }
            if actual == nil {
                add(
                    Step(
                        change: .create, kind: "service-account", name: "\(tenant.name)/\(account.name)", details: [],
                        tenant: tenant.name, action: .createAccount(account.name)))
            }
            planAccountState(account.state, of: account.name, from: actual?.state ?? "active", in: tenant.name)
        }
        guard prunes else { return }
        for account in contents.accounts.sorted(by: { $0.name < $1.name })
        where !declared.contains(where: { $0.name == account.name }) {
            planAccountState(.suspended, of: account.name, from: account.state, in: tenant.name)
        }
    }

    private mutating func planAccountState(
        _ declared: DeclaredState?, of account: String, from actual: String, in tenant: String
    ) {
        planState(declared, from: actual) { state, details in
            Step(
                change: .change, kind: "service-account", name: "\(tenant)/\(account)", details: details,
                tenant: tenant, action: .changeAccount(account, UserChange(state: state)))
        }
    }
}

extension DeclarationPlanner {
    /// A role somewhere, of a person or a service account.
    private struct Place {
        let kind: User.Kind
        let user: String
        let workspace: String?
        let role: String
    }

    mutating func planPlaces(of tenant: TenantDeclaration, _ contents: DeclarationState.Contents) {
        let persons = (tenant.members ?? []).map {
            Place(kind: .person, user: $0.user, workspace: $0.workspace, role: $0.role.rawValue)
        }
        let accounts = (tenant.serviceAccounts ?? []).compactMap { account in
            account.role.map {
                Place(kind: .service, user: account.name, workspace: account.workspace, role: $0.rawValue)
            }
        }
        let names = Dictionary(contents.workspaces.map { ($0.id, $0.name) }) { first, _ in first }
        var kept: Set<MemberID> = []
        for place in persons + accounts {
            check(place.workspace, in: tenant, contents, for: "the place of `\(place.user)`")
            let member = contents.members.first { member in
                member.kind == place.kind && (member.name == place.user || member.user.description == place.user)
                    && member.workspace.map { names[$0] ?? $0.description } == place.workspace
            }
            if let member { kept.insert(member.id) }
            plan(place, member, in: tenant.name)
        }
        guard prunes else { return }
        for member in contents.members.sorted(by: { $0.name < $1.name }) where !kept.contains(member.id) {
            let isListed = member.kind == .person ? tenant.members != nil : tenant.serviceAccounts != nil
            guard isListed else { continue }
            let place = Place(
                kind: member.kind, user: member.name, workspace: member.workspace.map { names[$0] ?? $0.description },
                role: member.role.rawValue)
            remove(
                Step(
                    change: .remove, kind: "member", name: name(of: place, in: tenant.name),
                    details: [.init(name: "role", before: place.role, after: nil)], tenant: tenant.name,
                    action: .removeMember(member.id)))
        }
    }

    private mutating func plan(_ place: Place, _ member: MemberView?, in tenant: String) {
        let shown = name(of: place, in: tenant)
        guard let member else {
            let action: DeclarationAction =
                place.kind == .person
                ? .addPerson(place.user, role: place.role, workspace: place.workspace)
                : .addAccount(place.user, role: place.role, workspace: place.workspace)
            add(
                Step(
                    change: .create, kind: "member", name: shown,
                    details: [.init(name: "role", before: nil, after: place.role)], tenant: tenant, action: action))
            return
        }
        guard member.role.rawValue != place.role else { return }
        add(
            Step(
                change: .change, kind: "member", name: shown,
                details: [.init(name: "role", before: member.role.rawValue, after: place.role)], tenant: tenant,
                action: .changeMember(member.id, MemberChange(role: place.role))))
    }

    private func name(of place: Place, in tenant: String) -> String {
        "\(tenant)/" + (place.workspace.map { "\($0)/" } ?? "") + place.user
    }

    /// Notes a workspace that neither the file nor the platform has.
    mutating func check(
        _ workspace: String?, in tenant: TenantDeclaration, _ contents: DeclarationState.Contents, for what: String
    ) {
        guard let workspace, tenant.workspaces == nil,
            !contents.workspaces.contains(where: { $0.name == workspace && $0.state != "deleted" })
        else { return }
        conflict("\(what) in the tenant `\(tenant.name)` names the workspace `\(workspace)`, which does not exist.")
    }
}
