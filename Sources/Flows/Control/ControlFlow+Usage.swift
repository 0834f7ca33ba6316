package import Fleet
import Inference
package import Kernel
import Tenancy

extension ControlFlow {
    package func usageRows(in workspace: WorkspaceID?, _ page: PageRequest) async throws -> Page<UsageRowView> {
        let workspace = try await authorized(.usageRead, in: workspace, as: "usage.read")
        guard let usage = parts.money?.usage else {
            return try await stores.usage.list(in: workspace.id, page: page).map { UsageRowView($0) }
        }
        let everything = UsageFilter(from: Instant(microseconds: 0), until: Instant(microseconds: .max))
        let showsCost = caller.principal.isOperator
        return try await usage.rows(in: workspace.id, matching: everything, page: page)
            .map { UsageRowView($0, showsCost: showsCost) }
    }

    package func usageSummary(in workspace: WorkspaceID?, days: Int) async throws -> [UsageSummaryView] {
        let workspace = try await authorized(.usageRead, in: workspace, as: "usage.read")
        guard (1...366).contains(days) else {
            throw Problem(
                .validationError, "days must be between 1 and 366, not \(days).", parameter: "days",
                hint: "Ask for at most a year; single rows go back further.")
        }
        return try await stores.usage.summary(in: workspace.id, days: days, until: now).map(UsageSummaryView.init)
    }

    package func runtimes() async throws -> [ModelServiceStatus] {
        try await gate.authorize(.runtimeRead, on: .platform, as: "runtime.list")
        return await parts.runtimes()
    }
}
