import Flows
import HTTPTypes
import Kernel
import Tenancy

extension NewTenant: AdminBody {
    static var fields: [String] { ["name"] }
}

extension NewWorkspace: AdminBody {
    static var fields: [String] { ["name", "tenant"] }
}

extension DirectoryChangeRequest: AdminBody {
    static var fields: [String] { ["name", "state"] }
}

extension ControlAPI {
    var tenantRoutes: [Route] {
        [
            .admin(.post, "tenants", .tenantWrite) { asked in
                try .created(await asked.control.createTenant(asked.body(NewTenant.self)))
            },
            .admin(.get, "tenants", .tenantRead) { asked in
                let query = try asked.query("limit", "after")
                return try .json(await asked.control.listTenants(query.page(of: TenantID.self)))
            },
            .admin(.get, "tenants/:id", .tenantRead) { asked in
                try .json(await asked.control.tenant(asked.identifier()))
            },
            .admin(.patch, "tenants/:id", .tenantWrite) { asked in
                let id = try asked.identifier(TenantKind.self)
                return try .json(await asked.control.changeTenant(id, asked.body(DirectoryChangeRequest.self)))
            },
            .admin(.delete, "tenants/:id", .tenantWrite) { asked in
                let id = try asked.identifier(TenantKind.self)
                let grace = try asked.query("grace_seconds").integer("grace_seconds")
                return try .json(await asked.control.deleteTenant(id, graceSeconds: grace))
            },
        ]
    }

    var workspaceRoutes: [Route] {
        [
            .admin(.post, "workspaces", .workspaceWrite) { asked in
                try .created(await asked.control.createWorkspace(asked.body(NewWorkspace.self)))
            },
            .admin(.get, "workspaces", .workspaceRead) { asked in
                let query = try asked.query("tenant", "limit", "after")
                return try .json(
                    await asked.control.listWorkspaces(
                        in: query.identifier("tenant"), query.page(of: WorkspaceID.self)))
            },
            .admin(.get, "workspaces/:id", .workspaceRead) { asked in
                try .json(await asked.control.workspace(asked.identifier()))
            },
            .admin(.patch, "workspaces/:id", .workspaceWrite) { asked in
                let id = try asked.identifier(WorkspaceKind.self)
                return try .json(await asked.control.changeWorkspace(id, asked.body(DirectoryChangeRequest.self)))
            },
            .admin(.delete, "workspaces/:id", .workspaceWrite) { asked in
                let id = try asked.identifier(WorkspaceKind.self)
                let grace = try asked.query("grace_seconds").integer("grace_seconds")
                return try .json(await asked.control.deleteWorkspace(id, graceSeconds: grace))
            },
        ]
    }
}
