package import Kernel

/// What one model costs by one version of a book. A pure function of the version and the quantities, so that a gateway
/// and whoever settles later agree to the last unit. Cheap to copy.
package struct ModelRates: Sendable {
    private let sheets: RateSheets

    init(_ sheets: RateSheets) { self.sheets = sheets }

    /// What its prices are in. Of several the one of the first meter that has a price.
    package var currency: Currency { sheets.first.currency }

    /// Exact, and rounded once, half to even.
    package func amount(of quantities: Quantities, in currency: Currency) throws(PricingFailure) -> Int64 {
        let sheet = sheets.sheet(for: currency)
        if let flat = sheet.flat {
            let numerator = try flat.amount(of: quantities)
            return try sheets.converted(numerator, of: sheet, from: sheet.currency, to: currency).roundedHalfToEven()
        }
        let prompt = saturatingSum(quantities.input, quantities.cachedInput)
        var total = ExactAmount.zero
        for own in sheet.currencies {
            var numerator: Int128 = 0
            for meter in Meter.allCases {
                let quantity = quantities[meter]
                guard quantity > 0 else { continue }
                guard let rate = sheet.rate(of: meter, prompt: prompt) else {
                    if meter.isFreeUnlessPriced { continue }
                    throw .unpriced(meter)
                }
                guard rate.currency == own else { continue }
                numerator = try sum(numerator, rate.times(quantity))
            }
            total = try total.adding(sheets.converted(numerator, of: sheet, from: own, to: currency))
        }
        return try total.roundedHalfToEven()
    }

    /// At least `amount` of whatever is consumed within `quantities`: no more of the prompt than input and cached input
    /// together, no more of the answer than output and reasoning together, no more of the rest. Never less for more.
    package func ceiling(of quantities: Quantities, in currency: Currency) throws(PricingFailure) -> Int64 {
        let sheet = sheets.sheet(for: currency)
        if let flat = sheet.flat {
            let numerator = try flat.ceiling(of: quantities)
            return try sheets.converted(numerator, of: sheet, from: sheet.currency, to: currency).roundedUp()
        }
        let prompt = saturatingSum(quantities.input, quantities.cachedInput)
        guard sheet.currencies.count == 1 else {
            return try mixedCeiling(of: quantities, prompt, sheet, in: currency).roundedUp()
        }
        var numerator: Int128 = 0
        for group in Self.groups {
            let quantity = group.quantity(in: quantities)
            guard quantity > 0 else { continue }
            var dearest = try sheet.dearest(of: group.first, quantity, prompt: prompt)
            // Without a price of its own it has the first one's.
            if let second = group.second, !sheet.rates[second.place].isEmpty {
                dearest = max(dearest, try sheet.dearest(of: second, quantity, prompt: prompt))
            }
            numerator = try sum(numerator, dearest)
        }
        return try sheets.converted(numerator, of: sheet, from: sheet.currency, to: currency).roundedUp()
    }

    /// Where prices are in several currencies: which is the dearest shows in the one that is asked for.
    private func mixedCeiling(
        of quantities: Quantities, _ prompt: Int64, _ sheet: RateSheet, in currency: Currency
    ) throws(PricingFailure) -> ExactAmount {
        var total = ExactAmount.zero
        for group in Self.groups {
            let quantity = group.quantity(in: quantities)
            guard quantity > 0 else { continue }
            var dearest = ExactAmount.zero
            for meter in [group.first, group.second].compactMap({ $0 }) {
                for rate in try sheet.possibleRates(of: meter, prompt: prompt) {
                    let numerator = try rate.times(quantity)
                    let own = try sheets.converted(numerator, of: sheet, from: rate.currency, to: currency)
                    if try own.isAbove(dearest) { dearest = own }
                }
            }
            total = try total.adding(dearest)
        }
        return total
    }

    /// Meters of which one may turn out to be another: what was bounded as input may be cached.
    private struct Group {
        let first: Meter
        let second: Meter?

        func quantity(in quantities: Quantities) -> Int64 {
            second.map { saturatingSum(quantities[first], quantities[$0]) } ?? quantities[first]
        }
    }

    private static let groups = Meter.allCases.compactMap { meter -> Group? in
        if meter.substitute != nil { return nil }
        return Group(first: meter, second: Meter.allCases.first { $0.substitute == meter })
    }

    /// - Returns: nil where the book has no conversion for what was consumed, or the figure does not fit.
    package func umu(of quantities: Quantities) -> UMU? { sheets.conversions?.umu(of: quantities) }
}

extension Meter {
    /// What every request has some of, so that no price means that it is not charged for.
    var isFreeUnlessPriced: Bool {
        switch self {
        case .requests, .gpu: true
        case .input, .cachedInput, .output, .reasoning, .images, .audio, .characters: false
        }
    }

    /// What it is priced as where it has no price of its own.
    var substitute: Meter? {
        switch self {
        case .cachedInput: .input
        case .reasoning: .output
        case .input, .output, .images, .audio, .gpu, .characters, .requests: nil
        }
    }

    var place: Int {
        switch self {
        case .input: 0
        case .cachedInput: 1
        case .output: 2
        case .reasoning: 3
        case .images: 4
        case .audio: 5
        case .gpu: 6
        case .characters: 7
        case .requests: 8
        }
    }
}

extension ExactAmount {
    func isAbove(_ other: ExactAmount) throws(PricingFailure) -> Bool {
        if denominator == other.denominator { return numerator > other.numerator }
        let shared = greatestCommonDivisor(denominator, other.denominator)
        return try product(numerator, other.denominator / shared) > product(other.numerator, denominator / shared)
    }
}

func saturatingSum(_ left: Int64, _ right: Int64) -> Int64 {
    let (sum, overflow) = max(0, left).addingReportingOverflow(max(0, right))
    return overflow ? .max : sum
}
