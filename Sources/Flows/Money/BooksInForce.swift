import Billing
import Kernel

/// A span of time, its end not in it. Plain numbers: every request is compared with one.
struct BookSpan: Sendable {
    /// Microseconds, as `Instant`.
    fileprivate(set) var from = Int64.min
    fileprivate(set) var until = Int64.max

    func contains(_ time: Instant) -> Bool { from <= time.microseconds && time.microseconds < until }
}

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

    /// While the same prices and costs are in force as at this time. Nil where there are books of a kind, and none is
    /// in force yet.
    func span(at time: Instant) -> BookSpan? {
        var span = BookSpan()
        for tables in [price, cost] where !tables.isEmpty {
            guard let place = tables.lastIndex(where: { $0.effective <= time }) else { return nil }
            span.from = max(span.from, tables[place].effective.microseconds)
            guard place + 1 < tables.count else { continue }
            span.until = min(span.until, tables[place + 1].effective.microseconds)
        }
        return span
    }

    func table(_ kind: PriceBook.Kind, version: Int) -> PriceTable? { tables(kind).first { $0.version == version } }
}
