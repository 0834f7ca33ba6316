package import Kernel

/// How workspaces route. Each method asks the access rules first, and throws what `Control` says.
package protocol RoutingControl: Sendable {
    /// What is in force: what was set, or else what is usual.
    func routing(of workspace: WorkspaceID) async throws -> RoutingView
    /// Replaces what was set. It is in force on this node when the call returns, and within two seconds on the others.
    func setRouting(of workspace: WorkspaceID, _ request: NewRouting) async throws -> RoutingView
    /// From then on what is usual is in force. Throws `NOT_FOUND` where nothing was set.
    /// - Returns: what was set.
    func removeRouting(of workspace: WorkspaceID) async throws -> RoutingView
    /// What was set in the workspaces of a tenant.
    /// - Parameter tenant: nil for the caller's own; an operator's is the default tenant.
    func listRouting(in tenant: TenantID?) async throws -> [RoutingView]
}

/// Deployments belong to the platform; every method is an operator's.
package protocol RegistryControl: Sendable {
    /// Adds an endpoint that serves a model. Throws `ALREADY_EXISTS` when the model service has it already.
    func registerDeployment(_ request: NewDeployment) async throws -> DeploymentView
    /// Every registered deployment, by model.
    func listDeployments() async throws -> [DeploymentView]
    func deployment(_ id: DeploymentID) async throws -> DeploymentView
    /// Throws `CONFLICT` when it has another revision than the request says.
    func changeDeployment(_ id: DeploymentID, _ request: DeploymentChangeRequest) async throws -> DeploymentView
    /// A disabled one is asked nothing any more, and goes on with what it has. Repeating it changes nothing.
    func setDeployment(_ id: DeploymentID, enabled: Bool) async throws -> DeploymentView
    /// Registers the same endpoint in a later environment; this one stays where it is.
    /// - Returns: the new deployment.
    func promoteDeployment(_ id: DeploymentID, _ request: Promotion) async throws -> DeploymentView
    func deregister(_ id: DeploymentID) async throws -> DeploymentView
}
