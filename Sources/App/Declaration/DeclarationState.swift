import Flows
import Kernel

/// What is on the platform of the kinds that a declaration speaks of.
struct DeclarationState: Sendable {
    /// What a tenant that is declared has.
    struct Contents: Sendable {
        var workspaces: [WorkspaceView] = []
        var members: [MemberView] = []
        var accounts: [UserView] = []
        var rules: [RuleView] = []
    }

    private(set) var tenants: [TenantView] = []
    private(set) var contents: [TenantID: Contents] = [:]
    private(set) var providers: [ProviderView] = []
    private(set) var deployments: [DeploymentView] = []

    /// Reads what bears on the declaration, and no more.
    init(for declaration: Declaration, from control: any Control) async throws {
        if let declared = declaration.tenants {
            tenants = try await Self.all { try await control.listTenants($0) }
            for tenant in declared {
                guard let id = tenants.first(where: { $0.name == tenant.name })?.id else { continue }
                contents[id] = try await Self.contents(of: id, declared: tenant, control)
            }
        }
        if declaration.providers != nil || declaration.deployments != nil {
            providers = try await control.listProviders()
        }
        if declaration.deployments != nil { deployments = try await control.listDeployments() }
    }

    private static func contents(
        of id: TenantID, declared: TenantDeclaration, _ control: any Control
    ) async throws -> Contents {
        var contents = Contents()
        contents.workspaces = try await all { try await control.listWorkspaces(in: id, $0) }
        if declared.members != nil || declared.serviceAccounts != nil {
            contents.members = try await all { try await control.listMembers(in: id, workspace: nil, $0) }
        }
        if declared.serviceAccounts != nil {
            contents.accounts = try await all { try await control.listServiceAccounts(in: id, $0) }
        }
        if declared.rules != nil { contents.rules = try await control.listRules(in: id) }
        return contents
    }

    /// Follows a listing's pages to the end.
    private static func all<Item: Sendable>(
        _ page: (PageRequest) async throws -> Page<Item>
    ) async throws -> [Item] {
        var items: [Item] = []
        var after: String?
        while true {
            let next = try await page(PageRequest(limit: PageRequest.allowed.upperBound, after: after))
            items += next.data
            guard next.hasMore, let last = next.lastID else { return items }
            after = last
        }
    }
}
