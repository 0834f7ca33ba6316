package import Kernel
import Synchronization
package import Tenancy

extension MemoryDirectory: TenantStore {
    package func insert(_ tenant: Tenant, audit: AuditEntry) async throws {
        try state.withLock { state in
            if state.tenants[tenant.id] != nil { return }
            guard !state.tenants.values.contains(where: { $0.name == tenant.name }) else {
                throw Problem(.alreadyExists)
            }
            state.tenants[tenant.id] = tenant
            state.note(audit)
        }
    }

    package func find(_ id: TenantID) async throws -> Tenant? {
        state.withLock { $0.purgedTenants.contains(id) ? nil : $0.tenants[id] }
    }

    package func find(named name: String) async throws -> Tenant? {
        state.withLock { state in state.tenants.values.first { $0.name == name } }
    }

    package func list(page: PageRequest) async throws -> Page<Tenant> {
        let after = try cursor(page, TenantKind.self)
        let tenants = state.withLock { state in
            state.tenants.values.filter { !state.purgedTenants.contains($0.id) }
        }
        return newestFirst(tenants, page: page, after: after, id: \.id)
    }

    package func change(_ id: TenantID, _ change: DirectoryChange, audit: AuditEntry) async throws -> Tenant? {
        try state.withLock { state in
            guard let before = state.tenants[id], !state.purgedTenants.contains(id) else { return nil }
            let after = Tenant(
                id: id, name: change.name ?? before.name, standing: change.standing ?? before.standing,
                created: before.created)
            if after == before { return before }
            guard !state.tenants.values.contains(where: { $0.name == after.name && $0.id != id }) else {
                throw Problem(.alreadyExists)
            }
            state.tenants[id] = after
            if before.standing.isActive != after.standing.isActive { state.revoke(.tenant(id), at: now) }
            state.note(audit)
            return after
        }
    }
}

extension MemoryDirectory: WorkspaceStore {
    package func ensure(tenant: String, workspace: String, ids: IDSource, now: Instant) async throws -> Workspace {
        state.withLock { state in
            let home =
                state.tenants.values.first { $0.name == tenant }
                ?? Tenant(id: ids.next(), name: tenant, created: now)
            state.tenants[home.id] = home
            if let known = state.workspaces.values.first(where: { $0.tenant == home.id && $0.name == workspace }) {
                return known
            }
            let made = Workspace(id: ids.next(), tenant: home.id, name: workspace, created: now)
            state.workspaces[made.id] = made
            return made
        }
    }

    package func insert(_ workspace: Workspace, audit: AuditEntry) async throws {
        try state.withLock { state in
            if state.workspaces[workspace.id] != nil { return }
            guard !state.isTaken(workspace) else { throw Problem(.alreadyExists) }
            state.workspaces[workspace.id] = workspace
            state.note(audit, in: workspace.tenant)
        }
    }

    package func find(_ id: WorkspaceID) async throws -> Workspace? {
        state.withLock { $0.purged.contains(id) ? nil : $0.workspaces[id] }
    }

    package func find(_ id: WorkspaceID, in tenant: TenantID) async throws -> Workspace? {
        let found: Workspace? = try await find(id)
        return found.flatMap { $0.tenant == tenant ? $0 : nil }
    }

    package func find(named name: String, in tenant: TenantID) async throws -> Workspace? {
        state.withLock { state in state.workspaces.values.first { $0.tenant == tenant && $0.name == name } }
    }

    package func list(in tenant: TenantID, page: PageRequest) async throws -> Page<Workspace> {
        let after = try cursor(page, WorkspaceKind.self)
        let workspaces = state.withLock { state in
            state.workspaces.values.filter { $0.tenant == tenant && !state.purged.contains($0.id) }
        }
        return newestFirst(workspaces, page: page, after: after, id: \.id)
    }

    package func change(
        _ id: WorkspaceID, in tenant: TenantID, _ change: DirectoryChange, audit: AuditEntry
    ) async throws -> Workspace? {
        try state.withLock { state in
            guard let before = state.workspaces[id], before.tenant == tenant, !state.purged.contains(id) else {
                return nil
            }
            let after = Workspace(
                id: id, tenant: tenant, name: change.name ?? before.name, standing: change.standing ?? before.standing,
                created: before.created)
            if after == before { return before }
            guard !state.isTaken(after) else { throw Problem(.alreadyExists) }
            state.workspaces[id] = after
            if before.standing.isActive != after.standing.isActive { state.revoke(.workspace(id), at: now) }
            state.note(audit, in: tenant)
            return after
        }
    }

    package func purge(
        at now: Instant, limit: Int, audit: @Sendable (Workspace) -> AuditEntry
    ) async throws -> Int {
        state.withLock { state in
            let due = state.workspaces.values.filter { workspace in
                !state.purged.contains(workspace.id)
                    && (workspace.standing.isGone(at: now)
                        || state.tenants[workspace.tenant]?.standing.isGone(at: now) == true)
            }.sorted { $0.id < $1.id }.prefix(limit)
            for workspace in due { state.purge(workspace, audit(workspace)) }
            for tenant in state.tenants.values where tenant.standing.isGone(at: now) {
                let isEmpty = state.workspaces.values.allSatisfy {
                    $0.tenant != tenant.id || state.purged.contains($0.id)
                }
                if isEmpty, !state.purgedTenants.contains(tenant.id) { state.purge(tenant) }
            }
            return due.count
        }
    }
}

extension Standing {
    fileprivate func isGone(at now: Instant) -> Bool {
        if case .deleted(_, let purge, _) = self { purge <= now } else { false }
    }
}

extension MemoryDirectory.State {
    fileprivate func isTaken(_ workspace: Workspace) -> Bool {
        workspaces.values.contains {
            $0.tenant == workspace.tenant && $0.name == workspace.name && $0.id != workspace.id
        }
    }

    fileprivate mutating func purge(_ workspace: Workspace, _ entry: AuditEntry) {
        purged.insert(workspace.id)
        workspaces[workspace.id] = Workspace(
            id: workspace.id, tenant: workspace.tenant, name: "\(workspace.name)~\(workspace.id)",
            standing: workspace.standing, created: workspace.created)
        keys = keys.filter { $0.value.workspace != workspace.id }
        members = members.filter { $0.value.workspace != workspace.id }
        rules = rules.filter { $0.value.workspace != workspace.id }
        note(entry, in: workspace.tenant)
    }

    fileprivate mutating func purge(_ tenant: Tenant) {
        purgedTenants.insert(tenant.id)
        tenants[tenant.id] = Tenant(
            id: tenant.id, name: "\(tenant.name)~\(tenant.id)", standing: tenant.standing, created: tenant.created)
        members = members.filter { $0.value.tenant != tenant.id }
        rules = rules.filter { $0.value.tenant != tenant.id }
        users = users.filter { $0.value.tenant != tenant.id }
    }
}
