package import Billing
package import Kernel
import Synchronization

extension MemoryShop: Ledger {
    package func open(_ accounts: [Account]) async throws {
        for account in accounts where state.withLock({ $0.accounts[account.id] == nil }) { put(account) }
    }

    package func post(_ groups: [TransferGroup]) async throws -> [PostingOutcome] {
        put(groups.flatMap(\.transfers))
        return groups.map { _ in .posted }
    }

    package func account(_ id: AccountID) async throws -> (account: Account, sums: AccountSums)? {
        state.withLock { state in state.accounts[id].map { ($0, state.sums[id] ?? AccountSums()) } }
    }

    package func accounts(
        of tenant: TenantID?, workspace: WorkspaceID?
    ) async throws -> [(account: Account, sums: AccountSums)] {
        state.withLock { state in
            state.accounts.values.filter { $0.tenant == tenant && (workspace == nil || $0.workspace == workspace) }
                .sorted { $0.id < $1.id }.map { ($0, state.sums[$0.id] ?? AccountSums()) }
        }
    }

    package func transfers(of account: AccountID, page: PageRequest) async throws -> Page<Transfer> {
        let found = state.withLock { $0.transfers.filter { $0.debit == account || $0.credit == account } }
        return Page(rows: found.reversed(), limit: page.limit) { $0.id.text }
    }

    package func transfers(of request: RequestID) async throws -> [Transfer] {
        state.withLock { $0.transfers.filter { $0.request == request } }
    }
}

extension MemoryShop: LedgerReports {
    /// Of credit alone.
    package func balances(of tenant: TenantID, workspace: WorkspaceID?) async throws -> [WalletBalance] {
        let credits = try await accounts(of: tenant, workspace: workspace).filter { $0.account.kind == .credit }
        let byCurrency = Dictionary(grouping: credits) { $0.account.asset.currency ?? .usd }
        return byCurrency.sorted { $0.key.rawValue < $1.key.rawValue }.map { currency, accounts in
            let posted = accounts.reduce(0) { $0 + $1.sums.credits - $1.sums.debits }
            let pending = accounts.reduce(0) { $0 + $1.sums.pending }
            return WalletBalance(
                currency: currency, posted: posted, pending: pending, available: posted - pending, shared: 0)
        }
    }

    package func statement(_ query: StatementQuery, page: PageRequest) async throws -> Statement? {
        guard case .account(let id) = query.subject else {
            return Statement(
                asset: .money(.usd), opening: 0, closing: 0, pending: 0,
                lines: Page(rows: [], limit: page.limit) { $0.transfer.id.text })
        }
        guard let found = try await account(id) else { return nil }
        let transfers = try await transfers(of: id, page: page)
        return Statement(
            asset: found.account.asset, opening: 0, closing: found.sums.credits - found.sums.debits,
            pending: found.sums.pending,
            lines: transfers.map {
                StatementLine(transfer: $0, posted: $0.accepted, change: $0.amount.units, balance: 0)
            })
    }

    package func examine<Result: Sendable>(
        _ body: @escaping @Sendable (any LedgerView) throws -> Result
    ) async throws -> Result {
        throw Problem(.internalError, "This ledger is not examined.")
    }
}
