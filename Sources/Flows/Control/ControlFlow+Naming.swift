import Kernel
import Tenancy

/// What callers name: by identifier, by name, or not at all.
///
/// What is found here may belong to somebody else. Whoever uses it asks the gate next, with the same `missing` as when
/// nothing is found.
extension ControlFlow {
    struct Named<Value> {
        let value: Value
        let missing: Problem
    }

    static func missing(_ what: String, _ text: some CustomStringConvertible, parameter: String) -> Problem {
        let shown = InferenceFlow.printable(text.description)
        return Problem(
            .notFound, "There is no \(what) `\(shown)`.", parameter: parameter,
            hint: listing(of: what).map { "`volery \($0)` shows those that there are." })
    }

    /// The command that shows all of a kind.
    private static func listing(of what: String) -> String? {
        switch what {
        case "tenant", "user", "provider": what + "s list"
        case "workspace", "member", "rule", "budget": what + "s list --tenant TENANT"
        case "credit": "credits list --tenant TENANT"
        case "key": "keys list --all"
        case "account": "ledger accounts"
        default: nil
        }
    }

    /// - Parameter text: identifier or name; nil for the caller's own.
    func tenant(named text: String?, parameter: String = "tenant") async throws -> Named<Tenant> {
        guard let text else {
            let id = try ownTenant(parameter)
            return try await tenant(id, parameter: parameter)
        }
        if let id = TenantID(text) { return try await tenant(id, parameter: parameter) }
        let missing = Self.missing("tenant", text, parameter: parameter)
        guard Checks.couldBeName(text), let tenant = try await stores.tenants.find(named: text) else { throw missing }
        return Named(value: tenant, missing: missing)
    }

    func tenant(_ id: TenantID, parameter: String) async throws -> Named<Tenant> {
        let missing = Self.missing("tenant", id, parameter: parameter)
        guard let tenant = try await stores.tenants.find(id) else { throw missing }
        return Named(value: tenant, missing: missing)
    }

    func ownTenant(_ parameter: String) throws(Problem) -> TenantID {
        if let tenant = caller.principal.tenant { return tenant }
        if caller.principal.isOperator { return parts.home.tenant }
        throw Problem(
            .validationError, "`\(parameter)` is needed: the caller belongs to several tenants, or to none.",
            parameter: parameter, hint: "Name the tenant. GET /v1/admin/tenants lists those that you may see.")
    }

    /// - Parameters:
    ///   - text: identifier or name; nil for the caller's own.
    ///   - tenant: whose it must be; nil for any, and for the caller's own where a name is given.
    func workspace(
        named text: String?, in tenant: Tenant? = nil, parameter: String = "workspace"
    ) async throws -> Named<Workspace> {
        guard let text else { return try await workspace(try ownWorkspace(parameter), parameter: parameter) }
        let missing = Self.missing("workspace", text, parameter: parameter)
        let found: Workspace?
        if let id = WorkspaceID(text) {
            found = try await stores.workspaces.find(id)
        } else {
            guard Checks.couldBeName(text) else { throw missing }
            let home = if let tenant { tenant.id } else { try ownTenant("tenant") }
            found = try await stores.workspaces.find(named: text, in: home)
        }
        guard let found, tenant == nil || tenant?.id == found.tenant else { throw missing }
        return Named(value: found, missing: missing)
    }

    func workspace(_ id: WorkspaceID, parameter: String) async throws -> Named<Workspace> {
        let missing = Self.missing("workspace", id, parameter: parameter)
        guard let workspace = try await stores.workspaces.find(id) else { throw missing }
        return Named(value: workspace, missing: missing)
    }

    private func ownWorkspace(_ parameter: String) throws(Problem) -> WorkspaceID {
        if let workspace = caller.workspace { return workspace }
        if caller.principal.isOperator { return parts.home.id }
        throw Problem(
            .validationError, "`\(parameter)` is needed: the caller's role is not for one workspace.",
            parameter: parameter, hint: "Name the workspace. GET /v1/admin/workspaces lists those that you may see.")
    }

    /// Asks for something in a workspace.
    /// - Parameter workspace: nil for the caller's own.
    func authorized(
        _ action: Permission, in workspace: WorkspaceID?, as act: String
    ) async throws -> Workspace {
        let named = try await self.workspace(named: workspace?.description)
        try await gate.authorize(action, on: target(named), as: act)
        return named.value
    }

    /// Asks for something in a tenant.
    /// - Parameter tenant: nil for the caller's own.
    func authorized(_ action: Permission, in tenant: TenantID?, as act: String) async throws -> Tenant {
        let named = try await self.tenant(named: tenant?.description)
        try await gate.authorize(action, on: target(named), as: act)
        return named.value
    }

    func target(_ named: Named<Tenant>) -> Target {
        Target(Resource(tenant: named.value.id), subject: named.value.id.description, missing: named.missing)
    }

    func target(_ named: Named<Workspace>) -> Target {
        let workspace = named.value
        return Target(
            Resource(tenant: workspace.tenant, workspace: workspace.id), subject: workspace.id.description,
            missing: named.missing)
    }

    /// Nothing new is made in what is deleted.
    func mustNotBeDeleted(_ standing: Standing, _ what: String, parameter: String) throws(Problem) {
        if case .deleted = standing {
            throw Problem(
                .conflict, "The \(what) is deleted.", parameter: parameter,
                hint: "Restore it first, with the state `active`.")
        }
    }
}
