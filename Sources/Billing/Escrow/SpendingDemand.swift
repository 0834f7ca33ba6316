package import Kernel

/// What one request may take, before it is known where from.
package struct SpendingDemand: Sendable, Hashable {
    /// First the walls, then what only counts; without a slice yet.
    package var budgets: [Hold.Part]
    /// How many of them are walls: all of each must be set aside.
    package var walls: Int
    /// Until when each wall's account can be used.
    package var ends: [Instant?]
    /// What each wall's account holds at most, by the rules; empty where nobody says.
    package var limits: [Int64]
    /// Pay in this order.
    package var funds: [Fund]
    /// What the request costs at most.
    package var price: Int64
    package var asset: Asset?
    /// Bears what no fund does; nil where the funds must cover all of it.
    package var receivable: AccountID?

    package init() {
        budgets = []
        walls = 0
        ends = []
        limits = []
        funds = []
        price = 0
        asset = nil
        receivable = nil
    }

    /// Whether anything must be set aside, and a node's right to spend is needed.
    package var isGuarded: Bool { walls > 0 || (price > 0 && !funds.isEmpty) || mustBeCovered }

    var mustBeCovered: Bool { price > 0 && asset != nil && receivable == nil }

    /// All that something is set aside of.
    package var accounts: [AccountID] {
        var accounts = budgets.prefix(walls).map(\.account)
        if price > 0 { accounts += funds.map(\.account) }
        return accounts
    }

    func limit(at place: Int) -> Int64? { place < limits.count ? limits[place] : nil }
}

/// Whether a demand could be met from memory.
package enum SpendingVerdict: Sendable, Hashable {
    case held(SpendingHold)
    /// Nothing that can still come back to this wall would be enough.
    case spent(AccountID, EscrowShortage)
    /// Somebody else waits for this account, and came first.
    case behind(AccountID)
    /// The slice is too small. More must be asked for, when `mayAsk` says so.
    case lacking(SpendingLack)
    /// Its funds hold less than it needs, and the ledger has no more of any.
    case uncovered(missing: Int64, unspent: Int64)
    /// The account's period is over: the rules must be read anew.
    case over(AccountID)
    /// The node has no right to spend now.
    case stopped
}

/// Where a slice is too small.
package struct SpendingLack: Sendable, Hashable {
    package let account: AccountID
    package let ends: Instant?
    /// What the account holds at most, by the rules.
    package let limit: Int64?
    /// What the request needs of it in all; for credit what is still to be paid.
    package let amount: Int64
    /// How much of that the slice lacks.
    package let missing: Int64
    /// Less will do as well, since another fund pays the rest.
    package let isCredit: Bool

    package init(
        account: AccountID, ends: Instant?, limit: Int64? = nil, amount: Int64, missing: Int64, isCredit: Bool
    ) {
        self.account = account
        self.ends = ends
        self.limit = limit
        self.amount = amount
        self.missing = missing
        self.isCredit = isCredit
    }
}
