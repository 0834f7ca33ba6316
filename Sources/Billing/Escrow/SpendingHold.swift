package import Kernel

/// What was set aside for one request.
package struct SpendingHold: Sendable, Hashable {
    package let parts: [Hold.Part]
    /// In which the slices were taken; nil where none was needed.
    package let life: Int64?
    /// By the monotonic clock.
    package let taken: Duration
    private let sight: RemainingSight

    init(parts: [Hold.Part], life: Int64?, taken: Duration, sight: RemainingSight) {
        self.parts = parts
        self.life = life
        self.taken = taken
        self.sight = sight
    }

    /// Of a demand that no account guards: what counts, and who owes.
    package init(unguarded demand: SpendingDemand) {
        var parts = demand.walls.map { $0.part(in: nil) } + demand.counted
        if let asset = demand.asset, let receivable = demand.receivable {
            parts.append(
                Hold.Part(role: .purse, account: receivable, escrow: nil, amount: demand.price, asset: asset))
        }
        self.init(parts: parts, life: nil, taken: .zero, sight: RemainingSight())
    }

    /// What the narrowest of the walls and the credit leaves beside what runs, as far as the node knows.
    package var remaining: Amount? { sight.smallest }

    /// The same once this has ended: what was not captured is left again.
    /// - Parameter captured: an amount for each part.
    package func remaining(after captured: PartAmounts) -> Amount? {
        guard let smallest = sight.smallest else { return nil }
        var units = smallest.units
        for place in parts.indices where parts[place].escrow != nil {
            let isSeen = if let wall = sight.wall { wall == parts[place].account } else { parts[place].isPurse }
            if isSeen { units = saturating(units, parts[place].amount - captured[place]) }
        }
        return Amount(units: units, smallest.asset)
    }
}

/// Looks for the amount that is the least: of money, where there is any.
struct RemainingSight: Sendable, Hashable {
    private(set) var smallest: Amount?
    /// Whose it is; nil for all credit together.
    private(set) var wall: AccountID?

    mutating func see(_ units: Int64, _ asset: Asset, of wall: AccountID?) {
        let isNearer =
            smallest.map { known in
                known.asset == asset ? units < known.units : known.asset.currency == nil && asset.currency != nil
            } ?? true
        guard isNearer else { return }
        smallest = Amount(units: units, asset)
        self.wall = wall
    }
}
