import Kernel

/// A price that counts for prompts of more than `above` tokens.
struct Rate: Sendable, Equatable {
    let above: Int64
    let currency: Currency
    /// Of the currency's units for one unit of the meter, over the sheet's denominator. Nil where it does not fit.
    let numerator: Int128?

    func times(_ quantity: Int64) throws(PricingFailure) -> Int128 {
        guard let numerator else { throw .overflow }
        return try product(Int128(quantity), numerator)
    }
}

/// The prices of one model, ready to multiply. One reference, since every request asks for it a few times.
final class RateSheet: Sendable {
    /// 1000 for milliseconds times 1,000,000: every price's denominator divides it.
    static let priceDenominator: Int64 = 1_000_000_000

    let denominator: Int128
    /// By the meter's place. The first whose `above` is passed counts.
    let rates: [[Rate]]
    /// What the prices are in, in the order of meters.
    let currencies: [Currency]
    /// Where a price is all that there is to look at.
    let flat: FlatRates?

    /// nil where no meter has a price.
    init?(rates: [[Rate]], denominator: Int128) {
        var currencies: [Currency] = []
        for rate in rates.joined() where !currencies.contains(rate.currency) { currencies.append(rate.currency) }
        if currencies.isEmpty { return nil }
        self.currencies = currencies
        // In lowest terms, so that products have room.
        let shared = rates.joined().compactMap(\.numerator).reduce(denominator, greatestCommonDivisor)
        self.denominator = denominator / shared
        self.rates = rates.map { rates in
            rates.map { rate in
                Rate(above: rate.above, currency: rate.currency, numerator: rate.numerator.map { $0 / shared })
            }
        }
        flat = FlatRates(self.rates)
    }

    var currency: Currency { currencies.first ?? .usd }

    func rate(of meter: Meter, prompt: Int64) -> Rate? {
        for rate in rates[meter.place] where rate.above == 0 || rate.above < prompt { return rate }
        return meter.substitute.flatMap { rate(of: $0, prompt: prompt) }
    }

    /// What the quantity costs at most, whatever the prompt's length up to `prompt`; over the denominator.
    func dearest(of meter: Meter, _ quantity: Int64, prompt: Int64) throws(PricingFailure) -> Int128 {
        var dearest: Int128 = 0
        for rate in rates[meter.place] where rate.above == 0 || rate.above < prompt {
            dearest = max(dearest, try rate.times(quantity))
            if rate.above == 0 { return dearest }
        }
        if let substitute = meter.substitute {
            return max(dearest, try self.dearest(of: substitute, quantity, prompt: prompt))
        }
        if meter.isFreeUnlessPriced { return dearest }
        throw .unpriced(meter)
    }

    /// Those of which one counts, whatever the prompt's length up to `prompt`.
    func possibleRates(of meter: Meter, prompt: Int64) throws(PricingFailure) -> [Rate] {
        var possible: [Rate] = []
        for rate in rates[meter.place] where rate.above == 0 || rate.above < prompt {
            possible.append(rate)
            if rate.above == 0 { return possible }
        }
        if let substitute = meter.substitute {
            return possible + (try possibleRates(of: substitute, prompt: prompt))
        }
        if meter.isFreeUnlessPriced { return possible }
        throw .unpriced(meter)
    }
}

/// How much UMU a unit of each meter is, in millionths over `RateSheet.priceDenominator`, by the meter's place.
struct UMURates: Sendable {
    let numerators: [Int128?]

    func numerator(of meter: Meter) -> Int128? {
        numerators[meter.place] ?? meter.substitute.flatMap { numerators[$0.place] }
    }

    /// Exact, and rounded once, half to even.
    func umu(of quantities: Quantities) -> UMU? {
        var total: Int128 = 0
        for meter in Meter.allCases {
            let quantity = quantities[meter]
            guard quantity > 0 else { continue }
            guard let numerator = numerator(of: meter) else {
                if meter.isFreeUnlessPriced { continue }
                return nil
            }
            guard let part = try? product(Int128(quantity), numerator), let sum = try? sum(total, part) else {
                return nil
            }
            total = sum
        }
        let exact = ExactAmount(total, over: Int128(RateSheet.priceDenominator))
        return (try? exact.roundedHalfToEven()).map(UMU.init(millionths:))
    }
}

/// All that a book says of one model. Where it has no entries there is a sheet for each currency that UMU has a price
/// in; else there is one.
final class RateSheets: Sendable {
    let first: RateSheet
    let conversions: UMURates?
    private let others: [RateSheet]
    private let exchange: Exchange

    init(first: RateSheet, others: [RateSheet], conversions: UMURates?, exchange: Exchange) {
        self.first = first
        self.others = others
        self.conversions = conversions
        self.exchange = exchange
    }

    /// The one in that currency; else the first that there is a rate for.
    func sheet(for currency: Currency) -> RateSheet {
        if others.isEmpty || first.currency == currency { return first }
        return others.first { $0.currency == currency }
            ?? others.first {
                exchange.rate(from: first.currency, to: currency) == nil
                    && exchange.rate(from: $0.currency, to: currency) != nil
            } ?? first
    }

    func converted(
        _ numerator: Int128, of sheet: RateSheet, from: Currency, to: Currency
    ) throws(PricingFailure) -> ExactAmount {
        let amount = ExactAmount(numerator, over: sheet.denominator)
        if from == to || numerator == 0 { return amount }
        guard let rate = exchange.rate(from: from, to: to) else { throw .noRate(from, to) }
        return try amount.times(rate)
    }
}

/// The rates between currencies, from units of the one to units of the other.
struct Exchange: Sendable {
    private let rates: [Pair: ExactAmount]

    private struct Pair: Hashable {
        let from, to: Currency
    }

    /// Of several for one pair the last day's counts. Where a pair has none, the other direction's is turned round.
    init(_ written: [ExchangeRate]) {
        var latest: [Pair: ExchangeRate] = [:]
        for rate in written where rate.billionths > 0 && rate.from != rate.to {
            let pair = Pair(from: rate.from, to: rate.to)
            if let known = latest[pair], known.day >= rate.day { continue }
            latest[pair] = rate
        }
        var rates: [Pair: ExactAmount] = [:]
        for (pair, rate) in latest {
            let numerator = Int128(rate.billionths) * Int128(rate.to.unitsPerWhole)
            let denominator = 1_000_000_000 * Int128(rate.from.unitsPerWhole)
            let shared = greatestCommonDivisor(numerator, denominator)
            rates[pair] = ExactAmount(numerator / shared, over: denominator / shared)
        }
        for (pair, rate) in rates {
            let back = Pair(from: pair.to, to: pair.from)
            if latest[back] == nil { rates[back] = ExactAmount(rate.denominator, over: rate.numerator) }
        }
        self.rates = rates
    }

    func rate(from: Currency, to: Currency) -> ExactAmount? { rates[Pair(from: from, to: to)] }
}
