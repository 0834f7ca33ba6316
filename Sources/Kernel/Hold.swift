/// What was set aside for one request before it ran: an upper bound of what it can cost, from every account that it
/// draws on. It stands in the journal, so that whoever settles the request knows where to take it from.
public struct Hold: Hashable, Sendable {
    /// What the part of an account is for.
    public enum Role: UInt8, Sendable, CaseIterable {
        /// Pays for the request. The parts pay in their order; the last one may be without a bound.
        case purse = 1
        /// Counts against a budget or quota, beside what is paid.
        case budget = 2

        @inlinable
        public static func == (left: Role, right: Role) -> Bool {
            switch (left, right) {
            case (.purse, .purse), (.budget, .budget): true
            case (.purse, .budget), (.budget, .purse): false
            }
        }
    }

    public struct Part: Hashable, Sendable {
        public let role: Role
        public let account: AccountID
        /// The slice that the amount is set aside in; nil for an account without a guard, where nothing is.
        public let escrow: EscrowID?
        /// At most this is captured where there is a slice. In units of `asset`.
        public let amount: Int64
        public let asset: Asset

        public init(role: Role, account: AccountID, escrow: EscrowID?, amount: Int64, asset: Asset) {
            self.role = role
            self.account = account
            self.escrow = escrow
            self.amount = amount
            self.asset = asset
        }

        /// Open to the optimizer, as `==` is not: every part of every request is asked.
        @inlinable
        public var isPurse: Bool {
            switch role {
            case .purse: true
            case .budget: false
            }
        }

        /// Counts against a budget, of which the amount was set aside.
        @inlinable
        public var isWall: Bool { !isPurse && escrow != nil }
    }

    /// The versions of the two books in force when the request was accepted; 0 where there was none.
    public let prices: Int
    public let costs: Int
    public let parts: [Part]

    public init(prices: Int, costs: Int, parts: [Part]) {
        self.prices = prices
        self.costs = costs
        self.parts = parts
    }

    /// More do not fit into a record of the journal: a request that would draw on more cannot run.
    public static let maximumParts = 256

    /// Of a request for which nothing is charged and nothing counted.
    public static let none = Hold(prices: 0, costs: 0, parts: [])
}
