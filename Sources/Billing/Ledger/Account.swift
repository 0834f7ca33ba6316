package import Kernel

/// An account of the ledger. What it has available is `credits + limit - debits - pending`.
package struct Account: Sendable, Hashable {
    /// What an account is for.
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// A credit grant's money, debited by what it pays for.
        case credit
        /// What a workspace owes that pays afterwards, or has paid in.
        case receivable
        /// What one period of a budget or quota leaves.
        case budget
        // Those of the platform; one of each for an asset. They have no guard and keep no sums.
        /// Where granted credit comes from, and unused credit goes back to.
        case issued
        /// What budgets have counted.
        case consumed
        case revenue
        /// What providers and GPUs cost us, and what we owe for it.
        case cost, payable
        /// Money whose place is not known yet.
        case suspense
        /// What the platform bears: actual above hold, escrow written off.
        case loss
        case rounding

        package var isPlatform: Bool {
            switch self {
            case .credit, .receivable, .budget: false
            case .issued, .consumed, .revenue, .cost, .payable, .suspense, .loss, .rounding: true
            }
        }
    }

    package let id: AccountID
    package let kind: Kind
    package let asset: Asset
    /// Nil for the platform's own.
    package let tenant: TenantID?
    package let workspace: WorkspaceID?
    /// What it belongs to: a budget, a credit grant, a provider.
    package let subject: String
    /// How far debits may pass credits; nil for no guard.
    package let limit: Int64?
    /// The period of a budget, the life of a grant. Acceptance time decides.
    package let begins: Instant?
    package let ends: Instant?

    /// Whether its sums are kept with it: for the guard, and for a budget's alerts. Those of all others are summed from
    /// their transfers, since they are everybody's.
    package var keepsSums: Bool { limit != nil || kind == .budget }

    package init(
        id: AccountID, kind: Kind, asset: Asset, tenant: TenantID? = nil, workspace: WorkspaceID? = nil,
        subject: String, limit: Int64?, begins: Instant? = nil, ends: Instant? = nil
    ) {
        self.id = id
        self.kind = kind
        self.asset = asset
        self.tenant = tenant
        self.workspace = workspace
        self.subject = subject
        self.limit = limit
        self.begins = begins
        self.ends = ends
    }
}

/// What an account's transfers sum to, in its asset's units.
package struct AccountSums: Sendable, Hashable {
    /// Posted.
    package var debits: Int64
    package var credits: Int64
    /// Debits that are set aside and neither posted nor released.
    package var pending: Int64

    package init(debits: Int64 = 0, credits: Int64 = 0, pending: Int64 = 0) {
        self.debits = debits
        self.credits = credits
        self.pending = pending
    }

    /// What new debits may take under `limit`; never below 0.
    package func available(limit: Int64) -> Int64 {
        let free = Int128(credits) + Int128(limit) - Int128(debits) - Int128(pending)
        return Int64(clamping: max(0, free))
    }
}
