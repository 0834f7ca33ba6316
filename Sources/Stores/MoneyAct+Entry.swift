import Billing
import Database
import Kernel
import Tenancy

extension MoneyAct {
    /// The audit event of this act.
    /// - Parameters:
    ///   - action: what was done, as `budget.set`.
    ///   - tenant: whose it was done to; nil for what belongs to the platform.
    ///   - subject: the identifier of what it was done to.
    ///   - facts: what changed, beside what the act itself says.
    func entry(
        _ action: String, tenant: TenantID?, workspace: WorkspaceID? = nil, subject: String,
        facts: [String: String] = [:]
    ) -> AuditEntry {
        AuditEntry(
            id: id, tenant: tenant, workspace: workspace, at: at, actor: actor, action: action, subject: subject,
            address: address, request: request, details: details.merging(facts) { _, fact in fact })
    }
}

extension Tx {
    /// Tells the nodes that what they keep of budgets, limits, wallets, grants, plans or books is old, as part of the
    /// change.
    func spendingChanged() throws(DatabaseFailure) {
        guard try row(dialect.draw(from: "spending")) != nil else {
            throw .corrupt("the counter of changes to spending is gone")
        }
    }
}
