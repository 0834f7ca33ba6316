package import Kernel
import Tenancy

extension ControlFlow: TenantControl {
    /// Until then what was deleted can be restored.
    static let usualGrace = 7 * 86_400
    static let grace = 0...90 * 86_400

    package func createTenant(_ request: NewTenant) async throws -> TenantView {
        try await gate.authorize(.tenantWrite, on: .platform, as: "tenant.create")
        let name = try Checks.name(request.name, of: "a tenant")
        let tenant = Tenant(id: parts.ids.next(), name: name, created: now)
        try await naming("a tenant `\(name)`") {
            try await stores.tenants.insert(
                tenant, audit: entry("tenant.create", on: tenant.id, tenant: tenant.id, ["name": name]))
        }
        return TenantView(tenant)
    }

    package func listTenants(_ page: PageRequest) async throws -> Page<TenantView> {
        if gate.allows(.tenantRead, on: .platform) {
            return try await stores.tenants.list(page: page).map(TenantView.init)
        }
        var seen: [Tenant] = []
        for id in Set(caller.principal.grants.compactMap(\.extent.tenant)).sorted(by: >)
        where gate.allows(.tenantRead, on: Resource(tenant: id)) {
            if let tenant = try await stores.tenants.find(id) { seen.append(tenant) }
        }
        if seen.isEmpty { try await gate.authorize(.tenantRead, on: .platform, as: "tenant.list") }
        return cut(seen, page, id: \.id).map(TenantView.init)
    }

    package func tenant(_ id: TenantID) async throws -> TenantView {
        TenantView(try await authorizedTenant(id, .tenantRead, as: "tenant.read"))
    }

    package func changeTenant(_ id: TenantID, _ change: DirectoryChangeRequest) async throws -> TenantView {
        let tenant = try await authorizedTenant(id, .tenantWrite, as: "tenant.change")
        let missing = Self.missing("tenant", id, parameter: "id")
        let wanted = try checked(change, of: tenant.name, tenant.standing, kind: "a tenant", missing: missing)
        guard let wanted else { return TenantView(tenant) }
        let entry = entry("tenant." + wanted.verb, on: id, tenant: id, wanted.details)
        let changed = try await naming("a tenant `\(wanted.change.name ?? tenant.name)`") {
            try await stores.tenants.change(id, wanted.change, audit: entry)
        }
        guard let changed else { throw missing }
        if wanted.change.standing != nil { await didRevoke() }
        return TenantView(changed)
    }

    package func deleteTenant(_ id: TenantID, graceSeconds: Int?) async throws -> TenantView {
        let tenant = try await authorizedTenant(id, .tenantWrite, as: "tenant.delete")
        guard id != parts.home.tenant else { throw belongsToInstallation("tenant") }
        if case .deleted = tenant.standing { return TenantView(tenant) }
        let change = try deletion(of: tenant.standing, graceSeconds)
        let entry = entry("tenant.delete", on: id, tenant: id, ["grace_seconds": "\(graceSeconds ?? Self.usualGrace)"])
        guard let deleted = try await stores.tenants.change(id, change, audit: entry) else {
            throw Self.missing("tenant", id, parameter: "id")
        }
        await didRevoke()
        return TenantView(deleted)
    }

    private func authorizedTenant(_ id: TenantID, _ action: Permission, as act: String) async throws -> Tenant {
        let named = try await tenant(id, parameter: "id")
        try await gate.authorize(action, on: target(named), as: act)
        return named.value
    }

    // MARK: Shared with workspaces

    struct CheckedChange {
        let change: DirectoryChange
        /// What the audit log calls it.
        let verb: String
        let details: [String: String]
    }

    /// - Returns: nil when nothing changes.
    func checked(
        _ request: DirectoryChangeRequest, of name: String, _ standing: Standing, kind: String, missing: Problem
    ) throws(Problem) -> CheckedChange? {
        var change = DirectoryChange()
        var verb = "rename"
        if let text = request.name {
            let new = try Checks.name(text, of: kind)
            if new != name { change.name = new }
        }
        if let state = request.state, state != standing.word {
            switch (state, standing) {
            case ("active", .deleted(_, let purge, _)):
                guard now < purge else { throw missing }
                verb = "restore"
                change.standing = standing.restored
            case ("active", _):
                verb = "resume"
                change.standing = .active
            case ("suspended", .deleted):
                throw Problem(
                    .conflict, "What is deleted cannot be suspended.", parameter: "state",
                    hint: "Restore it first, with the state `active`.")
            case ("suspended", _):
                verb = "suspend"
                change.standing = .suspended(since: now)
            case (let other, _): throw Checks.unknown("state", other, allowed: ["active", "suspended"])
            }
        }
        guard change.name != nil || change.standing != nil else { return nil }
        let details = change.name.map { ["name": $0, "name_before": name] } ?? [:]
        return CheckedChange(change: change, verb: verb, details: details)
    }

    func deletion(of standing: Standing, _ graceSeconds: Int?) throws(Problem) -> DirectoryChange {
        let grace = try Checks.seconds(graceSeconds, "grace_seconds", in: Self.grace, usual: Self.usualGrace)
        return DirectoryChange(standing: standing.deleted(at: now, purge: now + grace))
    }

    func belongsToInstallation(_ what: String) -> Problem {
        Problem(
            .conflict, "The default \(what) belongs to the installation and cannot be deleted.", parameter: "id",
            hint: "Suspend it when nobody shall use it.")
    }

    /// One page of what is in memory, newest first.
    func cut<Item: Sendable, Kind: IDKind>(_ items: [Item], _ page: PageRequest, id: (Item) -> ID<Kind>) -> Page<Item> {
        let after = page.after.flatMap { ID<Kind>($0) }
        let rest = items.sorted { id($0) > id($1) }.filter { item in after.map { id(item) < $0 } ?? true }
        return Page(rows: Array(rest.prefix(page.limit + 1)), limit: page.limit) { id($0).description }
    }
}
