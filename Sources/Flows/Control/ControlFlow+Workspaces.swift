package import Kernel
import Tenancy

extension ControlFlow {
    package func createWorkspace(_ request: NewWorkspace) async throws -> WorkspaceView {
        let named = try await tenant(named: request.tenant)
        try await gate.authorize(.workspaceWrite, on: target(named), as: "workspace.create")
        let name = try Checks.name(request.name, of: "a workspace")
        try mustNotBeDeleted(named.value.standing, "tenant", parameter: "tenant")
        let workspace = Workspace(id: parts.ids.next(), tenant: named.value.id, name: name, created: now)
        try await naming("a workspace `\(name)` in this tenant") {
            try await stores.workspaces.insert(
                workspace,
                audit: entry(
                    "workspace.create", on: workspace.id, tenant: workspace.tenant, workspace: workspace.id,
                    ["name": name]))
        }
        return WorkspaceView(workspace)
    }

    /// Whoever has a role in single workspaces only sees those.
    package func listWorkspaces(in tenant: TenantID?, _ page: PageRequest) async throws -> Page<WorkspaceView> {
        let named = try await self.tenant(named: tenant?.description)
        let target = target(named)
        if !gate.allows(.workspaceRead, on: target.resource) {
            var seen: [Workspace] = []
            for grant in caller.principal.grants {
                guard case .workspace(let id, of: named.value.id) = grant.extent,
                    !seen.contains(where: { $0.id == id }),
                    gate.allows(.workspaceRead, on: Resource(tenant: named.value.id, workspace: id)),
                    let workspace = try await stores.workspaces.find(id, in: named.value.id)
                else { continue }
                seen.append(workspace)
            }
            if !seen.isEmpty { return cut(seen, page, id: \.id).map(WorkspaceView.init) }
        }
        try await gate.authorize(.workspaceRead, on: target, as: "workspace.list")
        return try await stores.workspaces.list(in: named.value.id, page: page).map(WorkspaceView.init)
    }

    package func workspace(_ id: WorkspaceID) async throws -> WorkspaceView {
        WorkspaceView(try await authorizedWorkspace(id, .workspaceRead, as: "workspace.read"))
    }

    package func changeWorkspace(_ id: WorkspaceID, _ change: DirectoryChangeRequest) async throws -> WorkspaceView {
        let workspace = try await authorizedWorkspace(id, .workspaceWrite, as: "workspace.change")
        let missing = Self.missing("workspace", id, parameter: "id")
        let wanted = try checked(change, of: workspace.name, workspace.standing, kind: "a workspace", missing: missing)
        guard let wanted else { return WorkspaceView(workspace) }
        let entry = entry(
            "workspace." + wanted.verb, on: id, tenant: workspace.tenant, workspace: id, wanted.details)
        let name = wanted.change.name ?? workspace.name
        let changed = try await naming("a workspace `\(name)` in this tenant") {
            try await stores.workspaces.change(id, in: workspace.tenant, wanted.change, audit: entry)
        }
        guard let changed else { throw missing }
        if wanted.change.standing != nil { await didRevoke() }
        return WorkspaceView(changed)
    }

    package func deleteWorkspace(_ id: WorkspaceID, graceSeconds: Int?) async throws -> WorkspaceView {
        let workspace = try await authorizedWorkspace(id, .workspaceWrite, as: "workspace.delete")
        guard id != parts.home.id else { throw belongsToInstallation("workspace") }
        if case .deleted = workspace.standing { return WorkspaceView(workspace) }
        let change = try deletion(of: workspace.standing, graceSeconds)
        let entry = entry(
            "workspace.delete", on: id, tenant: workspace.tenant, workspace: id,
            ["grace_seconds": "\(graceSeconds ?? Self.usualGrace)"])
        guard let deleted = try await stores.workspaces.change(id, in: workspace.tenant, change, audit: entry) else {
            throw Self.missing("workspace", id, parameter: "id")
        }
        await didRevoke()
        return WorkspaceView(deleted)
    }

    private func authorizedWorkspace(
        _ id: WorkspaceID, _ action: Permission, as act: String
    ) async throws -> Workspace {
        let named = try await workspace(id, parameter: "id")
        try await gate.authorize(action, on: target(named), as: act)
        return named.value
    }
}
