import Kernel

/// One price for each meter, whatever the prompt, and all of them in one currency: what most books say of most models.
/// Worked out once, since every request multiplies twice. Amounts are over the sheet's denominator.
final class FlatRates: Sendable {
    private struct Price: Sendable {
        let meter: Meter
        /// Of one unit; nil where there must be none of it.
        let numerator: Int128?
    }

    /// What is bounded together, by the dearer of both.
    private struct Bound: Sendable {
        let first: Meter
        let second: Meter?
        let numerator: Int128?

        func quantity(in quantities: Quantities) -> Int64 {
            second.map { saturatingSum(quantities[first], quantities[$0]) } ?? quantities[first]
        }
    }

    /// Without those that are free.
    private let prices: [Price]
    private let bounds: [Bound]

    /// - Parameter rates: of a sheet, by the meter's place.
    /// - Returns: nil where there is more to look at.
    init?(_ rates: [[Rate]]) {
        let first = rates.map(\.first)
        if first.contains(where: { $0.map { $0.above != 0 || $0.numerator == nil } ?? false }) { return nil }
        if Set(rates.joined().map(\.currency)).count != 1 { return nil }
        func price(of meter: Meter) -> Int128? { first[meter.place]?.numerator }
        let charged = Meter.allCases.filter { price(of: $0) != nil || !$0.isFreeUnlessPriced }
        prices = charged.map { meter in
            Price(meter: meter, numerator: price(of: meter) ?? meter.substitute.flatMap { price(of: $0) })
        }
        bounds = charged.filter { $0.substitute == nil }.map { meter in
            let second = Meter.allCases.first { $0.substitute == meter }
            let other = second.flatMap { price(of: $0) } ?? 0
            return Bound(first: meter, second: second, numerator: price(of: meter).map { max($0, other) })
        }
    }

    /// As `ModelRates.amount`.
    func amount(of quantities: Quantities) throws(PricingFailure) -> Int128 {
        var total: Int128 = 0
        for place in prices.indices {
            let quantity = quantities[prices[place].meter]
            guard quantity > 0 else { continue }
            guard let numerator = prices[place].numerator else { throw .unpriced(prices[place].meter) }
            total = try sum(total, product(Int128(quantity), numerator))
        }
        return total
    }

    /// As `ModelRates.ceiling`.
    func ceiling(of quantities: Quantities) throws(PricingFailure) -> Int128 {
        var total: Int128 = 0
        for place in bounds.indices {
            let quantity = bounds[place].quantity(in: quantities)
            guard quantity > 0 else { continue }
            guard let numerator = bounds[place].numerator else { throw .unpriced(bounds[place].first) }
            total = try sum(total, product(Int128(quantity), numerator))
        }
        return total
    }
}
