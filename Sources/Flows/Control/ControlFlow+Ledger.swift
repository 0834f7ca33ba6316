package import Billing
package import Kernel
import Tenancy

extension ControlFlow {
    package func balance(of tenant: TenantID?, workspace: WorkspaceID?) async throws -> BalanceView {
        let place: MoneyPlace
        if tenant != nil || workspace != nil {
            place = try await authorizedPlace(.billingRead, tenant: tenant, workspace: workspace, as: "ledger.balance")
        } else {
            let own = try await authorized(.billingRead, in: WorkspaceID?.none, as: "ledger.balance")
            place = try await moneyPlace(tenant: nil, workspace: own.id.description)
        }
        let money = try money
        let rule = try await wallet(of: place, money)
        return BalanceView(
            tenant: place.tenant.id, workspace: place.workspace?.id, mode: rule?.mode ?? .postpaid,
            currency: rule?.currency,
            balances: try await money.reports.balances(of: place.tenant.id, workspace: place.workspace?.id))
    }

    package func accounts(
        of tenant: TenantID?, workspace: WorkspaceID?, isPlatform: Bool
    ) async throws -> [AccountView] {
        if isPlatform {
            try await gate.authorize(.ledgerVerify, on: .platform, as: "ledger.accounts")
            return try await money.ledger.accounts(of: nil, workspace: nil).map(AccountView.init)
        }
        let place = try await authorizedPlace(
            .billingRead, tenant: tenant, workspace: workspace, as: "ledger.accounts")
        return try await money.ledger.accounts(of: place.tenant.id, workspace: place.workspace?.id)
            .map(AccountView.init)
    }

    package func account(_ id: AccountID) async throws -> AccountView {
        let found = try await authorizedAccount(id, as: "ledger.account")
        return AccountView(found.account, found.sums)
    }

    package func statement(_ request: StatementRequest, _ page: PageRequest) async throws -> StatementView {
        let until = request.until ?? now
        let from = request.from ?? until - .seconds(30 * 86_400)
        guard from < until else {
            throw Problem(
                .validationError, "`from` is not before `to`.", parameter: "from",
                hint: "The statement holds what was posted from the one up to before the other.")
        }
        let subject: StatementQuery.Subject
        if let id = request.account {
            subject = .account(try await authorizedAccount(id, as: "ledger.statement").account.id)
        } else {
            let workspace = try await authorized(.billingRead, in: request.workspace, as: "ledger.statement")
            let place = try await moneyPlace(tenant: nil, workspace: workspace.id.description)
            let currency =
                if let text = request.currency { try self.currency(text) } else {
                    try await mainCurrency(of: place, money)
                }
            subject = .wallet(workspace.tenant, workspace.id, currency)
        }
        let query = StatementQuery(subject: subject, from: from, until: until)
        guard let statement = try await money.reports.statement(query, page: page) else {
            throw Problem(.notFound, "There is no such account.", parameter: "account")
        }
        return StatementView(statement, from: from, until: until)
    }

    package func entries(of request: RequestID) async throws -> RequestEntriesView {
        let money = try money
        let missing = Self.missing("request", request, parameter: "id")
        let transfers = try await money.ledger.transfers(of: request)
        var resource: Resource?
        for id in Set(transfers.flatMap { [$0.debit, $0.credit] }).sorted() {
            guard let account = try await money.ledger.account(id)?.account, let tenant = account.tenant else {
                continue
            }
            // The workspace's own account says most; a budget's may be the whole tenant's.
            if resource?.workspace == nil { resource = Resource(tenant: tenant, workspace: account.workspace) }
        }
        guard !transfers.isEmpty, resource != nil || gate.allows(.ledgerVerify, on: .platform) else { throw missing }
        try await gate.authorize(
            resource == nil ? .ledgerVerify : .billingRead,
            on: Target(resource ?? .platform, subject: request.description, missing: missing), as: "ledger.request")
        return RequestEntriesView(request: request, transfers: transfers)
    }

    package func verifyLedger() async throws -> LedgerVerdict {
        try await gate.authorize(.ledgerVerify, on: .platform, as: "ledger.verify")
        return try await money.actions.verify()
    }

    package func suspended(_ page: PageRequest) async throws -> Page<SuspendedView> {
        try await gate.authorize(.ledgerVerify, on: .platform, as: "suspense.list")
        return try await money.actions.suspended(page).map(SuspendedView.init)
    }

    package func resolveSuspense() async throws -> SuspenseResolution {
        try await gate.authorize(.creditWrite, on: .platform, as: "suspense.resolve")
        return try await recorded("suspense.resolve", on: "ledger") { try await money.actions.resolve() }
    }

    // MARK: Parts

    private func authorizedAccount(
        _ id: AccountID, as act: String
    ) async throws -> (account: Account, sums: AccountSums) {
        let missing = Self.missing("account", id, parameter: "id")
        let found = try await money.ledger.account(id)
        let account = found?.account
        let resource = account?.tenant.map { Resource(tenant: $0, workspace: account?.workspace) }
        // Nobody but the platform learns which of its accounts there are.
        let mayKnow = resource != nil || gate.allows(.ledgerVerify, on: .platform)
        guard let found, mayKnow else { throw missing }
        try await gate.authorize(
            resource == nil ? .ledgerVerify : .billingRead,
            on: Target(resource ?? .platform, subject: id.description, missing: missing), as: act)
        return found
    }

    /// The workspace's own rule goes before the tenant's.
    private func wallet(of place: MoneyPlace, _ money: MoneyParts) async throws -> WalletRule? {
        let rules = try await money.wallets.rules(of: place.tenant.id)
        let own = place.workspace.flatMap { workspace in rules.first { $0.workspace == workspace.id } }
        return own ?? rules.first { $0.workspace == nil }
    }

    private func mainCurrency(of place: MoneyPlace, _ money: MoneyParts) async throws -> Currency {
        if let rule = try await wallet(of: place, money) { return rule.currency }
        let balances = try await money.reports.balances(of: place.tenant.id, workspace: place.workspace?.id)
        return balances.first?.currency ?? .usd
    }
}
