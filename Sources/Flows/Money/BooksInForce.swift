import Billing
import Kernel

/// The books that a node goes by, with the names that they use: those in force and those that are coming. Never
/// changed, so that what was worked out from them is right for as long as these are the ones.
final class BooksInForce: Sendable {
    /// By the time from which they are in force; of equals the higher version last.
    private let price: [PriceTable]
    private let cost: [PriceTable]
    let providers: [ProviderID: String]

    convenience init() { self.init([:], [:]) }

    init(_ tables: [PriceBook.Kind: [PriceTable]], _ providers: [ProviderID: String]) {
        price = tables[.price] ?? []
        cost = tables[.cost] ?? []
        self.providers = providers
    }

    /// The same with these names; itself where it has them already, as mostly.
    func naming(_ named: [(id: ProviderID, name: String)]) -> BooksInForce {
        if named.allSatisfy({ providers[$0.id] == $0.name }) { return self }
        return BooksInForce(
            [.price: price, .cost: cost], providers.merging(named.map { ($0.id, $0.name) }) { $1 })
    }

    func tables(_ kind: PriceBook.Kind) -> [PriceTable] {
        switch kind {
        case .price: price
        case .cost: cost
        }
    }

    func isEmpty(_ kind: PriceBook.Kind) -> Bool { tables(kind).isEmpty }

    func table(_ kind: PriceBook.Kind, at time: Instant) -> PriceTable? {
        tables(kind).last { $0.effective <= time }
    }

    func table(_ kind: PriceBook.Kind, version: Int) -> PriceTable? { tables(kind).first { $0.version == version } }
}
