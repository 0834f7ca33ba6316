package import Kernel

/// What a tenant or a workspace has in one currency.
package struct WalletBalance: Sendable, Hashable {
    package let currency: Currency
    /// What its credit has left and what it paid in, less what it owes: below 0 when it owes more.
    package let posted: Int64
    /// Set aside for requests that run, and for nodes that will serve some.
    package let pending: Int64
    /// What new requests may take of it; of a workspace without credit, `posted - pending`.
    package let available: Int64
    /// Of a workspace: what the credit of its whole tenant has available beside it.
    package let shared: Int64

    package init(currency: Currency, posted: Int64, pending: Int64, available: Int64, shared: Int64) {
        self.currency = currency
        self.posted = posted
        self.pending = pending
        self.available = available
        self.shared = shared
    }
}

/// Whose statement, and of which time.
package struct StatementQuery: Sendable, Hashable {
    package enum Subject: Sendable, Hashable {
        case account(AccountID)
        /// Every wallet account of a workspace, or of a tenant: credit and what is owed, in one currency.
        case wallet(TenantID, WorkspaceID?, Currency)
    }

    package let subject: Subject
    /// By the time of posting; `until` is not in it.
    package let from: Instant
    package let until: Instant

    package init(subject: Subject, from: Instant, until: Instant) {
        self.subject = subject
        self.from = from
        self.until = until
    }
}

package struct StatementLine: Sendable, Hashable {
    package let transfer: Transfer
    package let posted: Instant
    /// What it did to the balance: positive what came in, negative what went out, 0 for what was set aside.
    package let change: Int64
    /// After it.
    package let balance: Int64

    package init(transfer: Transfer, posted: Instant, change: Int64, balance: Int64) {
        self.transfer = transfer
        self.posted = posted
        self.change = change
        self.balance = balance
    }
}

/// What went in and out, oldest first. A balance is credits less debits, both posted.
package struct Statement: Sendable {
    package let asset: Asset
    /// At the span's begin and at its end.
    package let opening: Int64
    package let closing: Int64
    /// What is set aside now, whenever that was.
    package let pending: Int64
    package let lines: Page<StatementLine>

    package init(asset: Asset, opening: Int64, closing: Int64, pending: Int64, lines: Page<StatementLine>) {
        self.asset = asset
        self.opening = opening
        self.closing = closing
        self.pending = pending
        self.lines = lines
    }
}

/// Views of the ledger that only read. Throws `Problem(.storageUnavailable)` and the like.
package protocol LedgerReports: Sendable {
    /// One for each currency that there is an account in; of a tenant with all its workspaces.
    func balances(of tenant: TenantID, workspace: WorkspaceID?) async throws -> [WalletBalance]
    /// Throws `.validationError` for a page's cursor that is none of this statement's.
    /// - Returns: nil when there is no such account.
    func statement(_ query: StatementQuery, page: PageRequest) async throws -> Statement?
    /// Runs a body over one consistent view of everything. It may run more than once, so it has no effect but its
    /// result; it runs on the database's own thread, for as long as it takes.
    func examine<Result: Sendable>(_ body: @escaping @Sendable (any LedgerView) throws -> Result) async throws -> Result
}

/// The rows of the ledger as they stand, page by page, each page after the row given. Texts are as they are stored,
/// not as they should be.
package protocol LedgerView: AnyObject {
    /// The database's time.
    var now: Instant { get }
    /// By id.
    func postings(after: PostingRow?, limit: Int) throws -> [PostingRow]
    /// In `order`, then by posting and place; without those that name no request when they are asked for by request.
    func transfers(in order: TransferRow.Order, after: TransferRow?, limit: Int) throws -> [TransferRow]
    /// By id.
    func accounts(after: AccountRow?, limit: Int) throws -> [AccountRow]
    /// By account, then id.
    func escrows(after: EscrowRow?, limit: Int) throws -> [EscrowRow]
    /// By number.
    func links(after: LinkRow?, limit: Int) throws -> [LinkRow]
    /// By request.
    func charges(after: ChargeRow?, limit: Int) throws -> [ChargeRow]
    /// What usage rows have in bundles, by posting, then request.
    func shares(after: ShareRow?, limit: Int) throws -> [ShareRow]
    /// The transfers of one bundle, in their places.
    func lines(of posting: String, bundle: Int64) throws -> [TransferRow]
    /// By request.
    func suspended(after: SuspendedRow?, limit: Int) throws -> [SuspendedRow]
    /// How many wait for their place in the chain, and those that are not there any more.
    func waiting() throws -> (count: Int, withoutPosting: [String])
}

/// The chain of postings. Throws as `LedgerReports`.
package protocol LedgerLinks: Sendable {
    /// Gives postings that wait their places at the chain's end, in the order of their identifiers. One of several who
    /// try it at once gets on.
    /// - Returns: how many.
    func link(limit: Int) async throws -> Int
    /// Oldest first.
    func links(after number: Int64, limit: Int) async throws -> [LinkRow]
    func head() async throws -> LedgerHead?
}
