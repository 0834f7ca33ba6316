package import Fleet
package import Kernel

/// What an operator can do: the command line and the admin API speak to this, whether the platform runs or not.
///
/// Every method throws `Problem`: `VALIDATION_ERROR` for input, `NOT_FOUND` for an unknown id, `POLICY_DENIED` or
/// `INVALID_API_KEY` where the credential is not good, `STORAGE_UNAVAILABLE` when the database does not answer.
/// Every method is cancelled with its task; a change that was cancelled may have happened.
package protocol Control: Sendable {
    /// Makes a key. The token is in the answer and nowhere else.
    func createKey(_ request: NewKey) async throws -> CreatedKey
    /// The workspace's keys, newest first.
    func listKeys(_ page: PageRequest) async throws -> Page<KeyView>
    /// Ends a key at once. Repeating it changes nothing and answers the same.
    func revokeKey(_ id: KeyID) async throws -> KeyView

    /// Adds an endpoint that serves a model. Throws `ALREADY_EXISTS` when the model service has it already.
    func registerDeployment(_ request: NewDeployment) async throws -> DeploymentView
    /// Every registered deployment, by model.
    func listDeployments() async throws -> [DeploymentView]
    func deregister(_ id: DeploymentID) async throws -> DeploymentView

    /// The workspace's usage rows, newest first.
    func usageRows(_ page: PageRequest) async throws -> Page<UsageRowView>
    /// Sums by UTC day, model and key over the last `days` days (1 to 366), newest day first.
    func usageSummary(days: Int) async throws -> [UsageSummaryView]

    /// The model services of this machine.
    func runtimes() async throws -> [ModelServiceStatus]
    /// Every model that callers may name, and those that are not ready yet.
    func models() async throws -> [ModelView]
}
