package import Fleet
package import Kernel

/// What an operator can do: the command line and the admin API speak to this, whether the platform runs or not.
///
/// Every method throws `Problem`: `VALIDATION_ERROR` for input, `NOT_FOUND` for what is not there or is another's,
/// `POLICY_DENIED` where the caller may not, `INVALID_API_KEY` where the credential is not good, `CONFLICT` where the
/// state of the thing does not allow it, `STORAGE_UNAVAILABLE` when the database does not answer.
/// Every method is cancelled with its task; a change that was cancelled may have happened.
package protocol Control: TenantControl, MemberControl, KeyControl, RuleControl, AuditControl, ProviderControl,
    MoneyControl, RegistryControl, RoutingControl, RouteControl
{
    /// A workspace's usage rows, newest first.
    /// - Parameter workspace: nil for the caller's own; an operator's is the default workspace.
    func usageRows(in workspace: WorkspaceID?, _ page: PageRequest) async throws -> Page<UsageRowView>
    /// Sums by UTC day, model and key over the last `days` days (1 to 366), newest day first.
    func usageSummary(in workspace: WorkspaceID?, days: Int) async throws -> [UsageSummaryView]

    /// The model services of this machine.
    func runtimes() async throws -> [ModelServiceStatus]
    /// Every model that callers may name, and those that are not ready yet.
    func models() async throws -> [ModelView]
}

/// For the caller's own workspace.
extension Control {
    package func listKeys(_ page: PageRequest) async throws -> Page<KeyView> { try await listKeys(in: nil, page) }

    package func usageRows(_ page: PageRequest) async throws -> Page<UsageRowView> {
        try await usageRows(in: nil, page)
    }

    package func usageSummary(days: Int) async throws -> [UsageSummaryView] {
        try await usageSummary(in: nil, days: days)
    }
}
