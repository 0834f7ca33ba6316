package import Kernel

/// Where registered deployments are kept. Methods throw `Problem(.storageUnavailable)` or `.storageFull`, and are
/// cancelled with their task.
package protocol RegistryStore: Sendable {
    /// Adds a deployment.
    /// - Throws: `Problem(.alreadyExists)` when the service has a deployment at this endpoint already.
    func insert(_ deployment: Deployment) async throws
    /// Every registered deployment, by model and id.
    func all() async throws -> [Deployment]
    /// - Returns: what was removed; nil when there was none.
    func remove(_ id: DeploymentID) async throws -> Deployment?
}
