package import Kernel

/// What one request may take, before it is known where from.
package struct SpendingDemand: Sendable, Hashable {
    /// All of each must be set aside.
    package var walls: SpendingWalls
    /// Budgets that only count.
    package var counted: [Hold.Part]
    /// Pay in this order.
    package var funds: [Fund]
    /// What the request costs at most.
    package var price: Int64
    package var asset: Asset?
    /// Bears what no fund does; nil where the funds must cover all of it.
    package var receivable: AccountID?

    /// A hard budget's account.
    package struct Wall: Sendable, Hashable {
        package let account: AccountID
        package let asset: Asset
        package let amount: Int64
        /// Until when the account can be used.
        package let ends: Instant?
        /// What the account holds at most, by the rules; nil where nobody says.
        package let limit: Int64?

        package init(account: AccountID, asset: Asset, amount: Int64, ends: Instant?, limit: Int64? = nil) {
            self.account = account
            self.asset = asset
            self.amount = amount
            self.ends = ends
            self.limit = limit
        }

        /// - Parameter escrow: the slice that it is set aside in.
        func part(in escrow: EscrowID?) -> Hold.Part {
            Hold.Part(role: .budget, account: account, escrow: escrow, amount: amount, asset: asset)
        }
    }

    package init() {
        walls = SpendingWalls()
        counted = []
        funds = []
        price = 0
        asset = nil
        receivable = nil
    }

    /// Whether anything must be set aside, and a node's right to spend is needed.
    package var isGuarded: Bool { !walls.isEmpty || (price > 0 && !funds.isEmpty) || mustBeCovered }

    var mustBeCovered: Bool { price > 0 && asset != nil && receivable == nil }

    /// All that something is set aside of.
    package var accounts: [AccountID] {
        var accounts = walls.map(\.account)
        if price > 0 { accounts += funds.map(\.account) }
        return accounts
    }
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
