package import Billing
package import Kernel

/// What a workspace or tenant has in one currency.
package struct WalletBalanceView: Sendable, Codable, Equatable {
    /// Decimal texts. What its credit has left, less what it owes.
    package let posted: String
    package let pending: String
    package let available: String
    /// What the credit of the whole tenant has available beside it.
    package let shared: String
    package let currency: Currency

    package init(_ balance: WalletBalance) {
        func text(_ units: Int64) -> String { Amount(units: units, .money(balance.currency)).text }
        posted = text(balance.posted)
        pending = text(balance.pending)
        available = text(balance.available)
        shared = text(balance.shared)
        currency = balance.currency
    }
}

/// The balance in the currency that counts, and in every one.
package struct BalanceView: Sendable, Codable, Equatable {
    package let tenant: TenantID
    @OrNull package var workspace: WorkspaceID?
    package let mode: WalletRule.Mode
    package let posted: String
    package let pending: String
    package let available: String
    package let shared: String
    package let currency: Currency
    package let balances: [WalletBalanceView]

    /// - Parameter currency: of the wallet's rule; nil for the first that there is anything in, and USD for none.
    package init(
        tenant: TenantID, workspace: WorkspaceID?, mode: WalletRule.Mode, currency: Currency?,
        balances: [WalletBalance]
    ) {
        let main =
            balances.first { currency == nil || $0.currency == currency }
            ?? WalletBalance(currency: currency ?? .usd, posted: 0, pending: 0, available: 0, shared: 0)
        let view = WalletBalanceView(main)
        self.tenant = tenant
        self.mode = mode
        posted = view.posted
        pending = view.pending
        available = view.available
        shared = view.shared
        self.currency = view.currency
        self.balances = balances.map(WalletBalanceView.init)
        self.workspace = workspace
    }

    private enum CodingKeys: String, CodingKey {
        case tenant = "tenant_id", workspace = "workspace_id", mode, posted, pending, available, shared, currency
        case balances
    }
}

package struct AccountView: Sendable, Codable, Equatable {
    package let id: AccountID
    package let kind: Account.Kind
    /// A currency, or a unit of usage.
    package let asset: String
    @OrNull package var tenant: TenantID?
    @OrNull package var workspace: WorkspaceID?
    package let subject: String
    package let debits: Amount
    package let credits: Amount
    package let pending: Amount
    /// How far debits may pass credits; null for no guard.
    @OrNull package var limit: Amount?
    @OrNull package var available: Amount?
    @OrNull package var begins: Instant?
    @OrNull package var ends: Instant?

    package init(_ account: Account, _ sums: AccountSums) {
        let asset = account.asset
        id = account.id
        kind = account.kind
        self.asset = asset.text
        subject = account.subject
        debits = Amount(units: sums.debits, asset)
        credits = Amount(units: sums.credits, asset)
        pending = Amount(units: sums.pending, asset)
        tenant = account.tenant
        workspace = account.workspace
        limit = account.limit.map { Amount(units: $0, asset) }
        available = account.limit.map { Amount(units: sums.available(limit: $0), asset) }
        begins = account.begins
        ends = account.ends
    }

    private enum CodingKeys: String, CodingKey {
        case id, kind, asset, tenant = "tenant_id", workspace = "workspace_id", subject, debits, credits, pending
        case limit, available, begins, ends
    }
}

package struct TransferView: Sendable, Codable, Equatable {
    package let id: String
    package let kind: Transfer.Kind
    package let reason: Transfer.Reason
    package let debit: AccountID
    package let credit: AccountID
    package let amount: Amount
    @OrNull package var escrow: EscrowID?
    @OrNull package var request: RequestID?
    /// How many requests it is of, where those of one batch share it; each one's part is an entry of that request.
    package let requests: Int
    package let accepted: Instant

    package init(_ transfer: Transfer) {
        id = transfer.id.text
        kind = transfer.kind
        reason = transfer.reason
        debit = transfer.debit
        credit = transfer.credit
        amount = transfer.amount
        accepted = transfer.accepted
        escrow = transfer.escrow
        request = transfer.request
        requests = transfer.bundle?.requests ?? (transfer.request == nil ? 0 : 1)
    }

    private enum CodingKeys: String, CodingKey {
        case id, kind, reason, debit = "debit_account_id", credit = "credit_account_id", amount
        case escrow = "escrow_id", request = "request_id", requests, accepted
    }
}

/// All that the ledger has of a request.
package struct RequestEntriesView: Sendable, Codable, Equatable {
    package let request: RequestID
    package let transfers: [TransferView]

    package init(request: RequestID, transfers: [Transfer]) {
        self.request = request
        self.transfers = transfers.map(TransferView.init)
    }

    private enum CodingKeys: String, CodingKey { case request = "request_id", transfers }
}

package struct StatementLineView: Sendable, Codable, Equatable {
    package let transfer: TransferView
    package let posted: Instant
    /// Positive what came in, negative what went out.
    package let change: Amount
    package let balance: Amount

    package init(_ line: StatementLine) {
        let asset = line.transfer.amount.asset
        transfer = TransferView(line.transfer)
        posted = line.posted
        change = Amount(units: line.change, asset)
        balance = Amount(units: line.balance, asset)
    }
}

/// What went in and out of an account or wallet, oldest first: a page of it.
package struct StatementView: Sendable, Codable {
    package let from: Instant
    package let until: Instant
    package let opening: Amount
    package let closing: Amount
    package let pending: Amount
    package let lines: Page<StatementLineView>

    package init(_ statement: Statement, from: Instant, until: Instant) {
        self.from = from
        self.until = until
        opening = Amount(units: statement.opening, statement.asset)
        closing = Amount(units: statement.closing, statement.asset)
        pending = Amount(units: statement.pending, statement.asset)
        lines = statement.lines.map(StatementLineView.init)
    }

    private enum CodingKeys: String, CodingKey { case from, until = "to", opening, closing, pending, lines }
}

/// Whose statement is asked for, and of which time.
package struct StatementRequest: Sendable, Equatable {
    package var account: AccountID?
    /// Without an account: of the workspace's wallet; nil for the caller's own.
    package var workspace: WorkspaceID?
    /// Nil for the wallet's own.
    package var currency: String?
    /// Nil for 30 days ago.
    package var from: Instant?
    /// Not in it; nil for now.
    package var until: Instant?

    package init(
        account: AccountID? = nil, workspace: WorkspaceID? = nil, currency: String? = nil, from: Instant? = nil,
        until: Instant? = nil
    ) {
        self.account = account
        self.workspace = workspace
        self.currency = currency
        self.from = from
        self.until = until
    }
}

/// Something that could not be booked where it belongs.
package struct SuspendedView: Sendable, Codable, Equatable {
    package let request: RequestID
    package let workspace: WorkspaceID
    package let reason: SuspendedItem.Reason
    /// Null while nobody knows how much it is.
    @OrNull package var amount: Amount?
    package let accepted: Instant

    package init(_ item: SuspendedItem) {
        request = item.request
        workspace = item.workspace
        reason = item.reason
        accepted = item.accepted
        amount = item.amount.map(Amount.init)
    }

    private enum CodingKeys: String, CodingKey {
        case request = "request_id", workspace = "workspace_id", reason, amount, accepted
    }
}

/// What an attempt to resolve everything in suspense came to.
package struct SuspenseResolution: Sendable, Codable, Equatable {
    package let resolved: Int
    package let left: Int

    package init(resolved: Int, left: Int) {
        self.resolved = resolved
        self.left = left
    }
}
