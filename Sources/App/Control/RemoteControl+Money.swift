package import Billing
package import Flows
package import Kernel
import NIOHTTP1

extension RemoteControl {
    package func setPrice(_ request: NewPrice) async throws -> PriceVersionView {
        try await send(.POST, "prices", body: request)
    }

    package func importPrices(_ request: NewPriceBook) async throws -> PriceVersionView {
        try await send(.POST, "prices/import", body: request)
    }

    package func priceVersions(of kind: String?, _ page: PageRequest) async throws -> Page<PriceVersionView> {
        try await send(.GET, "prices" + query(["kind": kind.map(escaped)], page))
    }

    package func priceBook(of kind: String?, version: Int?) async throws -> PriceBookView {
        try await send(
            .GET, "prices/\(version.map(String.init) ?? "current")" + query(["kind": kind.map(escaped)]))
    }

    package func quote(_ request: NewQuote) async throws -> QuoteView {
        try await send(.POST, "/v1/quotes", body: request)
    }
}

extension RemoteControl {
    package func setBudget(_ request: NewBudget) async throws -> BudgetView {
        try await send(.PUT, "budgets", body: request)
    }

    package func listBudgets(
        in tenant: TenantID?, workspace: WorkspaceID?, _ page: PageRequest
    ) async throws -> Page<BudgetView> {
        try await send(.GET, "budgets" + query(place(tenant, workspace), page))
    }

    package func budgets(binding workspace: WorkspaceID?) async throws -> [BudgetView] {
        let page: Page<BudgetView> = try await send(
            .GET, "/v1/budgets" + query(["workspace": workspace?.description]))
        return page.data
    }

    package func budget(_ id: BudgetID) async throws -> BudgetView { try await send(.GET, "budgets/\(id)") }

    package func removeBudget(_ id: BudgetID) async throws -> BudgetView { try await send(.DELETE, "budgets/\(id)") }

    package func budgetEvents(of id: BudgetID, _ page: PageRequest) async throws -> Page<BudgetEventView> {
        try await send(.GET, "budgets/\(id)/events" + query([:], page))
    }

    package func setLimits(_ request: LimitChange) async throws -> [LimitView] {
        let page: Page<LimitView> = try await send(.PUT, "limits", body: request)
        return page.data
    }

    package func listLimits(in tenant: TenantID?, workspace: WorkspaceID?) async throws -> [LimitView] {
        let page: Page<LimitView> = try await send(.GET, "limits" + query(place(tenant, workspace)))
        return page.data
    }

    private func place(_ tenant: TenantID?, _ workspace: WorkspaceID?) -> KeyValuePairs<String, String?> {
        ["tenant": tenant?.description, "workspace": workspace?.description]
    }
}

extension RemoteControl {
    package func setWallet(_ request: NewWallet) async throws -> WalletView {
        try await send(.PUT, "wallets", body: request)
    }

    package func removeWallet(of tenant: TenantID?, workspace: WorkspaceID?) async throws -> WalletView {
        try await send(.DELETE, "wallets" + query(place(tenant, workspace)))
    }

    package func wallets(of tenant: TenantID?) async throws -> [WalletView] {
        let page: Page<WalletView> = try await send(.GET, "wallets" + query(["tenant": tenant?.description]))
        return page.data
    }

    package func grantCredit(_ request: NewCredit) async throws -> CreditView {
        try await send(.POST, "credits", body: request)
    }

    package func revokeCredit(_ id: CreditGrantID) async throws -> CreditView {
        try await send(.DELETE, "credits/\(id)")
    }

    package func listCredits(in tenant: TenantID?, workspace: WorkspaceID?) async throws -> [CreditView] {
        let page: Page<CreditView> = try await send(
            .GET,
            "credits" + query(["tenant": tenant?.description, "workspace": workspace?.description]))
        return page.data
    }

    package func setPlan(_ request: NewPlan) async throws -> TenantPlanView {
        try await send(.PUT, "plans/current", body: request)
    }

    package func removePlan(of tenant: TenantID?) async throws -> TenantPlanView {
        try await send(.DELETE, "plans/current" + query(["tenant": tenant?.description]))
    }

    package func plan(of tenant: TenantID?) async throws -> TenantPlanView {
        try await send(.GET, "plans/current" + query(["tenant": tenant?.description]))
    }

    package func listPlans() async throws -> [PlanView] {
        let page: Page<PlanView> = try await send(.GET, "plans")
        return page.data
    }
}

extension RemoteControl {
    package func balance(of tenant: TenantID?, workspace: WorkspaceID?) async throws -> BalanceView {
        try await send(
            .GET,
            "ledger/balance" + query(["tenant": tenant?.description, "workspace": workspace?.description]))
    }

    package func accounts(
        of tenant: TenantID?, workspace: WorkspaceID?, isPlatform: Bool
    ) async throws -> [AccountView] {
        let page: Page<AccountView> = try await send(
            .GET,
            "ledger/accounts"
                + query([
                    "tenant": tenant?.description, "workspace": workspace?.description,
                    "platform": isPlatform ? "true" : nil,
                ]))
        return page.data
    }

    package func account(_ id: AccountID) async throws -> AccountView {
        try await send(.GET, "ledger/accounts/\(id)")
    }

    package func statement(_ request: StatementRequest, _ page: PageRequest) async throws -> StatementView {
        try await send(
            .GET,
            "ledger/statement"
                + query(
                    [
                        "account": request.account?.description, "workspace": request.workspace?.description,
                        "currency": request.currency.map(escaped), "from": request.from?.description,
                        "to": request.until?.description,
                    ], page))
    }

    package func entries(of request: RequestID) async throws -> RequestEntriesView {
        try await send(.GET, "ledger/requests/\(request)")
    }

    package func verifyLedger() async throws -> LedgerVerdict {
        try await send(.GET, "ledger/verify", patience: Self.longPatience)
    }

    package func suspended(_ page: PageRequest) async throws -> Page<SuspendedView> {
        try await send(.GET, "suspense" + query([:], page))
    }

    package func resolveSuspense() async throws -> SuspenseResolution {
        try await send(.POST, "suspense/resolve", patience: Self.longPatience)
    }
}

extension RemoteControl {
    package func usageReport(_ question: UsageQuestion) async throws -> UsageReportView {
        let groups = question.groups.joined(separator: ",")
        return try await send(
            .GET,
            "/v1/usage" + query(members(question) + [("group_by", groups.isEmpty ? nil : escaped(groups))]),
            patience: Self.longPatience)
    }

    package func usageRows(matching question: UsageQuestion, _ page: PageRequest) async throws -> Page<UsageRowView> {
        try await send(.GET, "/v1/usage/rows" + query(members(question), page))
    }

    private func members(_ question: UsageQuestion) -> [(String, String?)] {
        [
            ("workspace", question.workspace?.description), ("zone", question.zone.map(escaped)),
            ("from", question.from.map(escaped)), ("to", question.until.map(escaped)),
            ("model", question.model.map(escaped)), ("key", question.key?.description),
            ("user", question.user.map(escaped)), ("tag", question.tag.map(escaped)),
        ]
    }
}

/// For a query: what somebody typed may have characters that mean something there.
private func escaped(_ text: String) -> String { PercentText.encoded(text) }
