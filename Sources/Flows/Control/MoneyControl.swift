package import Billing
package import Kernel

// What is done about money. As with everything of `Control`, each method asks the access rules first.

/// What things cost. Prices are the platform's to set, and everybody's to see who has a place somewhere; costs are
/// the platform's alone.
package protocol PriceControl: Sendable {
    /// A version of the book in force with this model's prices changed.
    func setPrice(_ request: NewPrice) async throws -> PriceVersionView
    /// A version with this content and no other. Throws `CONFLICT` when there is a later one than `after`.
    func importPrices(_ request: NewPriceBook) async throws -> PriceVersionView
    /// Newest first; `page.after` is a version.
    /// - Parameter kind: `price` or `cost`; nil for price.
    func priceVersions(of kind: String?, _ page: PageRequest) async throws -> Page<PriceVersionView>
    /// - Parameter version: nil for the one in force now.
    func priceBook(of kind: String?, version: Int?) async throws -> PriceBookView
    /// Nothing is set aside. Throws `PRICE_MISSING` where nothing prices it.
    func quote(_ request: NewQuote) async throws -> QuoteView
}

package protocol BudgetControl: Sendable {
    func setBudget(_ request: NewBudget) async throws -> BudgetView
    /// - Parameter tenant: nil for the caller's own; an operator's is the default tenant.
    func listBudgets(in tenant: TenantID?, workspace: WorkspaceID?, _ page: PageRequest) async throws -> Page<
        BudgetView
    >
    /// Those that bind a workspace: its own, and those of its whole tenant.
    func budgets(binding workspace: WorkspaceID?) async throws -> [BudgetView]
    func budget(_ id: BudgetID) async throws -> BudgetView
    /// What it has counted stays in the ledger.
    func removeBudget(_ id: BudgetID) async throws -> BudgetView
    /// Newest first.
    func budgetEvents(of id: BudgetID, _ page: PageRequest) async throws -> Page<BudgetEventView>

    /// - Returns: the subject's limits as they are then.
    func setLimits(_ request: LimitChange) async throws -> [LimitView]
    func listLimits(in tenant: TenantID?, workspace: WorkspaceID?) async throws -> [LimitView]
}

/// How tenants pay: the platform's to decide.
package protocol CreditControl: Sendable {
    func setWallet(_ request: NewWallet) async throws -> WalletView
    /// From then on the tenant's rule counts for a workspace, and none for a tenant.
    func removeWallet(of tenant: TenantID?, workspace: WorkspaceID?) async throws -> WalletView
    func wallets(of tenant: TenantID?) async throws -> [WalletView]
    func grantCredit(_ request: NewCredit) async throws -> CreditView
    /// - Parameter workspace: nil for all of the tenant's.
    func listCredits(in tenant: TenantID?, workspace: WorkspaceID?) async throws -> [CreditView]
    /// Ends it now: what is left goes back. What it has paid for stays paid.
    func revokeCredit(_ id: CreditGrantID) async throws -> CreditView
    func setPlan(_ request: NewPlan) async throws -> TenantPlanView
    /// What the plan has given stays.
    func removePlan(of tenant: TenantID?) async throws -> TenantPlanView
    func plan(of tenant: TenantID?) async throws -> TenantPlanView
    func listPlans() async throws -> [PlanView]
}

package protocol LedgerControl: Sendable {
    /// Of a workspace; of a whole tenant where one is named and no workspace.
    func balance(of tenant: TenantID?, workspace: WorkspaceID?) async throws -> BalanceView
    /// A tenant's or a workspace's accounts; with `isPlatform` those of the platform.
    func accounts(of tenant: TenantID?, workspace: WorkspaceID?, isPlatform: Bool) async throws -> [AccountView]
    func account(_ id: AccountID) async throws -> AccountView
    func statement(_ request: StatementRequest, _ page: PageRequest) async throws -> StatementView
    func entries(of request: RequestID) async throws -> RequestEntriesView
    /// Recomputes all of it.
    func verifyLedger() async throws -> LedgerVerdict
    /// What could not be booked where it belongs, oldest first.
    func suspended(_ page: PageRequest) async throws -> Page<SuspendedView>
    /// Books what has found its place by now.
    func resolveSuspense() async throws -> SuspenseResolution
}

package protocol UsageControl: Sendable {
    func usageReport(_ question: UsageQuestion) async throws -> UsageReportView
    /// The rows that pass, newest first. Its groups mean nothing.
    func usageRows(matching question: UsageQuestion, _ page: PageRequest) async throws -> Page<UsageRowView>
}

package protocol MoneyControl: PriceControl, BudgetControl, CreditControl, LedgerControl, UsageControl {}
