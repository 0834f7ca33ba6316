import Billing
import Database
import Kernel

/// The rules of one spender as they stand in one transaction, and the accounts that they name and nobody has opened.
struct SpendingLook: Sendable {
    let rules: SpendingRules
    let missing: [Account]
    let now: Instant

    init(_ spender: Spender, _ tx: any Tx) throws {
        now = tx.now
        let budgets = try Self.budgets(of: spender, tx)
        let wallet = try Self.wallet(of: spender, tx)
        let grants = try Self.grants(of: spender, tx)
        // Charges are in one currency: the wallet's, else that of the credit that is used first.
        let currency = wallet?.currency ?? grants.first?.currency
        let paying = grants.filter { $0.currency == currency }
        let receivables = Self.receivables(of: spender, currency, wallet)
        rules = SpendingRules(
            budgets: budgets.map { $0.active }, limits: try Self.limits(of: spender, tx), currency: currency,
            funds: paying.map(\.fund),
            receivables: Dictionary(uniqueKeysWithValues: receivables.map { ($0.currency, $0.account.id) }),
            until: (budgets.compactMap(\.active.ends) + paying.compactMap(\.fund.ends)).min())
        missing = try Self.missing(budgets.map(\.account) + receivables.map(\.account), tx)
    }

    private static let opened = ListStatement("SELECT id FROM ledger_account WHERE id")

    private static func missing(_ accounts: [Account], _ tx: any Tx) throws -> [Account] {
        let rows = try opened.rows(accounts.map(\.id), tx)
        let known = Set(try rows.map { try $0.value("id", as: AccountID.self) })
        return accounts.filter { !known.contains($0.id) }
    }
}

// MARK: - Budgets and limits

extension SpendingLook {
    /// In three parts, each of which an index finds: a tenant may have a budget for each of many keys.
    private static let matching =
        """
        SELECT * FROM (
            SELECT * FROM budget WHERE tenant_id = $1 AND removed IS NULL AND key_id IS NULL AND user_id IS NULL
            UNION ALL
            SELECT * FROM budget WHERE tenant_id = $1 AND removed IS NULL AND key_id IS NULL AND user_id = $3
            UNION ALL
            SELECT * FROM budget WHERE tenant_id = $1 AND removed IS NULL AND key_id = $2
                AND (user_id IS NULL OR user_id = $3)
        ) AS matching WHERE workspace_id IS NULL OR workspace_id = $4 ORDER BY id
        """

    private static func budgets(
        of spender: Spender, _ tx: any Tx
    ) throws -> [(active: ActiveBudget, account: Account)] {
        let rows = try tx.rows(matching, [spender.tenant, spender.key, spender.user, spender.workspace])
        return try rows.map { row in
            let budget = try Budget(row: row)
            let account = budget.account(at: tx.now)
            let active = ActiveBudget(
                budget: budget, account: account.id, begins: account.begins, ends: account.ends)
            return (active, account)
        }
    }

    private static let limiting =
        """
        SELECT * FROM rate_limit WHERE subject_kind = 'key' AND subject_id = $1
        UNION ALL SELECT * FROM rate_limit WHERE subject_kind = 'user' AND subject_id = $2
        UNION ALL SELECT * FROM rate_limit WHERE subject_kind = 'workspace' AND subject_id = $3
        UNION ALL SELECT * FROM rate_limit WHERE subject_kind = 'tenant' AND subject_id = $4
        """

    private static func limits(of spender: Spender, _ tx: any Tx) throws -> [RateLimit] {
        let rows = try tx.rows(limiting, [spender.key, spender.user, spender.workspace, spender.tenant])
        // A user may have limits in several tenants.
        let own = try rows.filter { try $0.value("tenant_id", as: TenantID.self) == spender.tenant }
        return try own.map { try RateLimit(row: $0) } + planLimit(of: spender.tenant, tx)
    }

    private static func planLimit(of tenant: TenantID, _ tx: any Tx) throws -> [RateLimit] {
        let row = try tx.row("SELECT plan FROM tenant_plan WHERE tenant_id = $1", [tenant])
        guard let name: Plan.Name = try row?.value("plan"), let amount = Plan(name).requestsPerMinute else { return [] }
        // The tenant has one plan, so that its own identifier names the limit.
        return [
            RateLimit(
                id: LimitID(tenant.ulid), subject: .tenant(tenant), model: nil, quantity: .requestsPerMinute,
                amount: amount)
        ]
    }
}

// MARK: - Credit

extension SpendingLook {
    /// The workspace's own rule, else the tenant's.
    private static func wallet(of spender: Spender, _ tx: any Tx) throws -> WalletRule? {
        try tx.row(
            """
            SELECT * FROM wallet_rule WHERE tenant_id = $1 AND workspace_id IN ($2, '')
            ORDER BY workspace_id DESC LIMIT 1
            """,
            [spender.tenant, spender.workspace]
        ).map(WalletRule.init(row:))
    }

    /// Those with nothing left are passed over.
    private static let usable =
        """
        SELECT g.account_id, g.currency, g.expires, a.credits - a.debits - a.pending AS available
        FROM credit_grant g JOIN ledger_account a ON a.id = g.account_id
        WHERE g.tenant_id = $1 AND (g.workspace_id IS NULL OR g.workspace_id = $2) AND g.lapsed IS NULL
            AND (g.expires IS NULL OR g.expires > $3) AND a.debits < a.credits
        """ + " " + CreditGrant.order

    private static func grants(of spender: Spender, _ tx: any Tx) throws -> [(fund: Fund, currency: Currency)] {
        try tx.rows(usable, [spender.tenant, spender.workspace, tx.now]).map { row in
            let fund = Fund(
                account: try row.value("account_id"), ends: try row.value("expires"), left: try row.value("available"))
            return (fund, try row.value("currency"))
        }
    }

    /// Where nothing runs without credit there is none; where nobody said what charges are in, one for each currency.
    private static func receivables(
        of spender: Spender, _ currency: Currency?, _ wallet: WalletRule?
    ) -> [(currency: Currency, account: Account)] {
        if wallet?.mode == .prepaid { return [] }
        return (currency.map { [$0] } ?? Currency.allCases).map { currency in
            let asset = Asset.money(currency)
            return (
                currency,
                Account(
                    id: PlatformAccounts.receivable(of: spender.workspace, asset), kind: .receivable, asset: asset,
                    tenant: spender.tenant, workspace: spender.workspace, subject: spender.workspace.description,
                    limit: nil)
            )
        }
    }
}
