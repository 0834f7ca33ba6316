package import Kernel

/// Where registered deployments are kept. Methods throw `Problem(.storageUnavailable)` or `.storageFull`, and are
/// cancelled with their task.
package protocol RegistryStore: Sendable {
    /// Adds a deployment.
    /// - Throws: `Problem(.alreadyExists)` when the service has its twin already.
    func insert(_ deployment: Deployment) async throws
    /// Changes what the change names, and nothing else, whatever others change at the same time.
    /// - Parameter revision: what the deployment must have now; nil for any.
    /// - Returns: what it is then; nil when there is none.
    /// - Throws: `Problem(.conflict)` when it has another revision, `Problem(.alreadyExists)` when it would become
    ///   another one's twin.
    func update(_ id: DeploymentID, _ change: DeploymentChange, revision: Int64?) async throws -> Deployment?
    /// Every registered deployment, by model and id.
    func all() async throws -> [Deployment]
    /// - Returns: what was removed; nil when there was none.
    func remove(_ id: DeploymentID) async throws -> Deployment?
}

extension RegistryStore {
    /// - Returns: what it is then; nil when there is none.
    package func setEnabled(_ id: DeploymentID, _ isEnabled: Bool) async throws -> Deployment? {
        var change = DeploymentChange()
        change.isEnabled = isEnabled
        return try await update(id, change, revision: nil)
    }
}

extension Deployment {
    /// Why it cannot be kept.
    package var hasTwin: Problem {
        Problem(
            .alreadyExists,
            "\(model) (\(environment.rawValue)) has a deployment of `\(upstreamModel)` at \(endpoint) already.",
            parameter: "endpoint",
            hint: "Change that one with `volery registry update`, deregister it first, or register another endpoint.")
    }

    /// Why a change of it is refused that was meant for an older one.
    package func isNewer(than revision: Int64) -> Problem {
        Problem(
            .conflict, "The deployment was changed meanwhile: it has revision \(self.revision), not \(revision).",
            parameter: "revision", hint: "Look at it again, and repeat the change with the revision that it has then.")
    }
}
