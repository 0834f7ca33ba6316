package import Billing
package import Inference
package import Kernel
package import Logging

/// What waits in suspense, with everything that is needed to book it.
package struct SuspendedUsage: Sendable {
    package let item: SuspendedItem
    package let tenant: TenantID
    package let record: UsageRecord

    package init(item: SuspendedItem, tenant: TenantID, record: UsageRecord) {
        self.item = item
        self.tenant = tenant
        self.record = record
    }
}

package enum SuspenseOutcome: Sendable, Hashable {
    case resolved
    /// Somebody else was first.
    case repeated
    /// Nothing was changed.
    case refused(PostingOutcome)
}

/// Items in suspense. Throws as `SettlementStore`.
package protocol SuspenseStore: Sendable {
    /// Those that wait, oldest first. Throws `.validationError` for a cursor that is none.
    func suspended(page: PageRequest) async throws -> Page<SuspendedUsage>
    /// Posts the transfers and marks the item as resolved, with what it came to, in one transaction.
    func resolve(_ request: RequestID, with transfers: [Transfer], as amount: Money) async throws -> SuspenseOutcome
}

/// Finds places for what could not be booked where it belongs. Usage without a price is charged once a book has one
/// for it; a charge that came too late is charged again. Each is taken from the first credit that has all of it, else
/// it is owed; where nothing may be owed it waits on.
package struct SuspenseFlow: Sendable {
    private let store: any SuspenseStore
    private let ledger: any Ledger
    private let spending: any SpendingStore
    private let books: PriceBooks
    private let logger: Logger

    package init(
        store: any SuspenseStore, ledger: any Ledger, spending: any SpendingStore, books: PriceBooks,
        logger: Logger
    ) {
        self.store = store
        self.ledger = ledger
        self.spending = spending
        self.books = books
        self.logger = logger
    }

    /// Oldest first.
    package func list(_ page: PageRequest) async throws -> Page<SuspendedItem> {
        try await store.suspended(page: page).map(\.item)
    }

    /// Tries everything that waits. Any node may do it at any time: an item is resolved once.
    /// - Throws: as `SuspenseStore`, `Ledger` and `SpendingStore`; what was resolved stays.
    package func resolve() async throws -> SuspenseResolution {
        var page: Page<SuspendedUsage>
        var after: String?
        var (resolved, left) = (0, 0)
        var rules: [Spender: SpendingRules] = [:]
        var isLoaded = false
        repeat {
            page = try await store.suspended(page: PageRequest(limit: 200, after: after))
            if !page.data.isEmpty, !isLoaded {
                try await books.refresh()
                isLoaded = true
            }
            for usage in page.data {
                if try await resolve(usage, &rules) { resolved += 1 } else { left += 1 }
            }
            after = page.lastID
            // What a page of spenders has is of no use to the next.
            rules = [:]
        } while page.hasMore
        if resolved > 0 {
            logger.notice(
                "what waited in suspense was booked", metadata: ["requests": "\(resolved)", "left": "\(left)"])
        }
        return SuspenseResolution(resolved: resolved, left: left)
    }

    /// - Returns: false while it has to wait.
    private func resolve(_ usage: SuspendedUsage, _ known: inout [Spender: SpendingRules]) async throws -> Bool {
        let record = usage.record
        let spender = Spender(
            tenant: usage.tenant, workspace: record.workspace, key: record.key, user: record.billing.user)
        let rates = rates(for: usage)
        // Most that waits without a price still has none: nobody's rules are read for it.
        guard usage.item.amount != nil || rates != nil else { return false }
        let rules: SpendingRules
        if let read = known[spender] {
            rules = read
        } else {
            rules = try await spending.rules(for: spender).0
            known[spender] = rules
        }
        guard let amount = amount(of: usage, at: rates, in: rules.currency) else { return false }
        var transfers: [Transfer] = []
        if amount.units > 0 {
            guard let payer = try await payer(of: amount, rules, accepted: usage.item.accepted) else { return false }
            transfers = [transfer(of: amount, for: usage, from: payer)]
        }
        let outcome = try await store.resolve(record.request, with: transfers, as: amount)
        switch outcome {
        case .resolved, .repeated: return true
        // Spent by others since the look.
        case .refused(.insufficient): return false
        case .refused(let refusal):
            logger.error(
                "what waits in suspense cannot be booked",
                metadata: ["request": "\(record.request)", "refusal": "\(refusal)"])
            return false
        }
    }

    private func rates(for usage: SuspendedUsage) -> ModelRates? {
        guard usage.item.amount == nil, let table = books.table(.price, at: books.now) else { return nil }
        let record = usage.record
        return table.rates(
            for: books.subject(
                model: record.model, provider: record.billing.provider, operation: record.operation))
    }

    /// What was suspended; where nobody knew, the price in the book that is in force now.
    private func amount(of usage: SuspendedUsage, at rates: ModelRates?, in currency: Currency?) -> Money? {
        if let amount = usage.item.amount { return amount }
        guard let rates else { return nil }
        let currency = currency ?? rates.currency
        guard let units = try? rates.amount(of: ChargeRules.charged(usage.record), in: currency) else { return nil }
        return Money(units: units, currency)
    }

    private func payer(of amount: Money, _ rules: SpendingRules, accepted: Instant) async throws -> AccountID? {
        for fund in rules.funds where fund.ends.map({ accepted < $0 }) ?? true {
            guard let (account, sums) = try await ledger.account(fund.account),
                account.asset == .money(amount.currency), let limit = account.limit,
                sums.available(limit: limit) >= amount.units
            else { continue }
            return fund.account
        }
        return rules.receivables[amount.currency]
    }

    /// The charge of a request has one identifier, whenever it is made; so has the resolution of one that came late.
    private func transfer(of amount: Money, for usage: SuspendedUsage, from payer: AccountID) -> Transfer {
        let isLate = usage.item.reason == .late
        let asset = Asset.money(amount.currency)
        return Transfer(
            id: TransferID("\(usage.item.request)/\(isLate ? "resolution" : "charge")/0"),
            reason: isLate ? .resolution : .charge, debit: payer,
            credit: PlatformAccounts.id(isLate ? .suspense : .revenue, asset), amount: Amount(amount),
            request: usage.item.request, accepted: usage.item.accepted)
    }
}
