import Flows
import Kernel

/// Does the steps of a plan through the same methods as the API: checked, allowed and audited like any other.
struct DeclarationApplication {
    private let control: any Control
    private let keys: [String: Secret]
    private let memory: KeyMemory
    /// By name, with what earlier steps made.
    private var tenants: [String: TenantID]
    private var workspaces: [Named: WorkspaceID] = [:]
    private var accounts: [Named: UserID] = [:]

    private struct Named: Hashable {
        let tenant: String
        let name: String
    }

    /// - Parameter keys: by provider.
    init(_ state: DeclarationState, keys: [String: Secret], memory: KeyMemory, control: any Control) {
        self.control = control
        self.keys = keys
        self.memory = memory
        tenants = Dictionary(state.tenants.map { ($0.name, $0.id) }) { first, _ in first }
        for tenant in state.tenants {
            guard let contents = state.contents[tenant.id] else { continue }
            for workspace in contents.workspaces {
                workspaces[Named(tenant: tenant.name, name: workspace.name)] = workspace.id
            }
            for account in contents.accounts { accounts[Named(tenant: tenant.name, name: account.name)] = account.id }
        }
    }

    mutating func perform(_ step: DeclarationStep) async throws {
        switch step.action {
        case .createTenant: tenants[step.tenant] = try await control.createTenant(NewTenant(name: step.tenant)).id
        case .changeTenant(let change): _ = try await control.changeTenant(try tenant(step), change)
        case .deleteTenant: _ = try await control.deleteTenant(try tenant(step), graceSeconds: nil)
        case .createWorkspace, .changeWorkspace, .deleteWorkspace: try await performOnWorkspace(step)
        case .createAccount, .changeAccount, .addPerson, .addAccount, .changeMember, .removeMember:
            try await performOnMember(step)
        case .createRule(let rule): _ = try await control.createRule(try filled(rule, step))
        case .replaceRule(let id, let rule): _ = try await control.replaceRule(id, try filled(rule, step))
        case .removeRule(let id): _ = try await control.removeRule(id)
        case .addProvider, .putKey, .removeProvider: try await performOnProvider(step)
        case .register(let deployment): _ = try await control.registerDeployment(deployment)
        case .changeDeployment(let id, let change): _ = try await control.changeDeployment(id, change)
        case .replaceDeployment(let id, let deployment):
            _ = try await control.deregister(id)
            _ = try await control.registerDeployment(deployment)
        case .deregister(let id): _ = try await control.deregister(id)
        }
    }

    private mutating func performOnWorkspace(_ step: DeclarationStep) async throws {
        switch step.action {
        case .createWorkspace(let name):
            let made = try await control.createWorkspace(
                NewWorkspace(name: name, tenant: try tenant(step).description))
            workspaces[Named(tenant: step.tenant, name: name)] = made.id
        case .changeWorkspace(let name, let change):
            _ = try await control.changeWorkspace(try workspace(name, step), change)
        case .deleteWorkspace(let name):
            _ = try await control.deleteWorkspace(try workspace(name, step), graceSeconds: nil)
        default: throw Self.misled(step)
        }
    }

    private mutating func performOnMember(_ step: DeclarationStep) async throws {
        switch step.action {
        case .createAccount(let name):
            let made = try await control.createServiceAccount(
                NewServiceAccount(name: name, tenant: try tenant(step).description))
            accounts[Named(tenant: step.tenant, name: name)] = made.id
        case .changeAccount(let name, let change): _ = try await control.changeUser(try account(name, step), change)
        case .addPerson(let user, let role, let workspace):
            try await addMember(user, role: role, workspace, step)
        case .addAccount(let name, let role, let workspace):
            try await addMember(try account(name, step).description, role: role, workspace, step)
        case .changeMember(let id, let change): _ = try await control.changeMember(id, change)
        case .removeMember(let id): _ = try await control.removeMember(id)
        default: throw Self.misled(step)
        }
    }

    private func addMember(
        _ user: String, role: String, _ workspace: String?, _ step: DeclarationStep
    ) async throws {
        _ = try await control.addMember(
            NewMember(
                user: user, role: role, tenant: try tenant(step).description,
                workspace: try workspace.map { try self.workspace($0, step).description }))
    }

    private func performOnProvider(_ step: DeclarationStep) async throws {
        switch step.action {
        case .addProvider(let name, let endpoint):
            let added = try await control.addProvider(NewProvider(name: name, endpoint: endpoint, key: keys[name]))
            if let key = keys[name] { try await memory.remember(key, of: name, stored: added.keyStored) }
        case .putKey(let id, let name):
            guard let key = keys[name] else { return }
            let changed = try await control.replaceProviderKey(id, NewProviderKey(key: key))
            try await memory.remember(key, of: name, stored: changed.keyStored)
        case .removeProvider(let id): _ = try await control.removeProvider(id)
        default: throw Self.misled(step)
        }
    }

    /// A step that came to the wrong one of these: rather a failure than a step that was not done and is told as done.
    private static func misled(_ step: DeclarationStep) -> Problem {
        Problem(.internalError, "Nothing carries out the step `\(step.text)`.")
    }

    private func filled(_ rule: NewRule, _ step: DeclarationStep) throws(Problem) -> NewRule {
        var workspaceID: WorkspaceID?
        if let name = rule.workspace { workspaceID = try workspace(name, step) }
        return NewRule(
            name: rule.name, effect: rule.effect, tenant: try tenant(step).description,
            workspace: workspaceID?.description, actions: rule.actions, keys: rule.keys, models: rule.models,
            environments: rule.environments, addresses: rule.addresses, times: rule.times)
    }

    private func tenant(_ step: DeclarationStep) throws(Problem) -> TenantID {
        guard let id = tenants[step.tenant] else { throw missing("tenant", step.tenant) }
        return id
    }

    private func workspace(_ name: String, _ step: DeclarationStep) throws(Problem) -> WorkspaceID {
        guard let id = workspaces[Named(tenant: step.tenant, name: name)] else { throw missing("workspace", name) }
        return id
    }

    private func account(_ name: String, _ step: DeclarationStep) throws(Problem) -> UserID {
        guard let id = accounts[Named(tenant: step.tenant, name: name)] else {
            throw missing("service account", name)
        }
        return id
    }

    private func missing(_ what: String, _ name: String) -> Problem {
        Problem(
            .notFound, "There is no \(what) `\(name)`.", hint: "Somebody may have removed it meanwhile; apply again.")
    }
}
