package import Flows
package import Kernel
import NIOHTTP1

extension RemoteControl {
    package func registerDeployment(_ request: NewDeployment) async throws -> DeploymentView {
        try await send(.POST, "registry", body: request)
    }

    package func listDeployments() async throws -> [DeploymentView] {
        let page: Page<DeploymentView> = try await send(.GET, "registry")
        return page.data
    }

    package func deployment(_ id: DeploymentID) async throws -> DeploymentView {
        try await send(.GET, "registry/\(id)")
    }

    package func changeDeployment(
        _ id: DeploymentID, _ request: DeploymentChangeRequest
    ) async throws -> DeploymentView {
        try await send(.PATCH, "registry/\(id)", body: request)
    }

    package func setDeployment(_ id: DeploymentID, enabled: Bool) async throws -> DeploymentView {
        try await send(.POST, "registry/\(id)/\(enabled ? "enable" : "disable")")
    }

    package func promoteDeployment(_ id: DeploymentID, _ request: Promotion) async throws -> DeploymentView {
        try await send(.POST, "registry/\(id)/promote", body: request)
    }

    package func deregister(_ id: DeploymentID) async throws -> DeploymentView {
        try await send(.DELETE, "registry/\(id)")
    }
}

extension RemoteControl {
    package func routing(of workspace: WorkspaceID) async throws -> RoutingView {
        try await send(.GET, "workspaces/\(workspace)/routing")
    }

    package func setRouting(of workspace: WorkspaceID, _ request: NewRouting) async throws -> RoutingView {
        try await send(.PUT, "workspaces/\(workspace)/routing", body: request)
    }

    package func removeRouting(of workspace: WorkspaceID) async throws -> RoutingView {
        try await send(.DELETE, "workspaces/\(workspace)/routing")
    }

    package func listRouting(in tenant: TenantID?) async throws -> [RoutingView] {
        let page: Page<RoutingView> = try await send(.GET, "routing" + query(["tenant": tenant?.description]))
        return page.data
    }
}
