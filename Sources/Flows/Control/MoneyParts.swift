package import Billing
package import Inference
package import Kernel

/// What `ControlFlow` works with in matters of money.
package struct MoneyParts: Sendable {
    package let prices: any PriceStore
    package let budgets: any BudgetStore
    package let limits: any LimitStore
    package let wallets: any WalletStore
    package let spending: any SpendingStore
    package let ledger: any Ledger
    package let reports: any LedgerReports
    package let usage: any UsageReports
    package let actions: Actions

    /// What is done by flows of their own, and differs where no platform runs.
    package struct Actions: Sendable {
        /// After a change: this node has it in force when the call returns. The change stands, whatever becomes of it.
        package let didChange: @Sendable () async -> Void
        package let verify: @Sendable () async throws -> LedgerVerdict
        package let suspended: @Sendable (PageRequest) async throws -> Page<SuspendedItem>
        package let resolve: @Sendable () async throws -> SuspenseResolution

        package init(
            didChange: @escaping @Sendable () async -> Void,
            verify: @escaping @Sendable () async throws -> LedgerVerdict,
            suspended: @escaping @Sendable (PageRequest) async throws -> Page<SuspendedItem>,
            resolve: @escaping @Sendable () async throws -> SuspenseResolution
        ) {
            self.didChange = didChange
            self.verify = verify
            self.suspended = suspended
            self.resolve = resolve
        }
    }

    package init(
        prices: any PriceStore, budgets: any BudgetStore, limits: any LimitStore, wallets: any WalletStore,
        spending: any SpendingStore, ledger: any Ledger, reports: any LedgerReports, usage: any UsageReports,
        actions: Actions
    ) {
        self.prices = prices
        self.budgets = budgets
        self.limits = limits
        self.wallets = wallets
        self.spending = spending
        self.ledger = ledger
        self.reports = reports
        self.usage = usage
        self.actions = actions
    }
}
