package import Kernel

/// Why something has no amount.
package enum PricingFailure: Error, Hashable, Sendable {
    /// The amount, or a step on the way to it, does not fit.
    case overflow
    /// The book has no rate between these two.
    case noRate(Currency, Currency)
    /// This was consumed, and the book prices other meters of the model alone.
    case unpriced(Meter)
}

extension PricingFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .overflow: "the amount does not fit"
        case .noRate(let from, let to): "it has no rate from \(from.rawValue) to \(to.rawValue)"
        case .unpriced(let meter): "it has no price for `\(meter.rawValue)`"
        }
    }
}

/// An amount of a currency's units before it is rounded: a fraction that is not below zero, through 128 bits.
struct ExactAmount: Sendable, Equatable {
    let numerator: Int128
    /// Above zero.
    let denominator: Int128

    static let zero = ExactAmount(0, over: 1)

    init(_ numerator: Int128, over denominator: Int128) {
        self.numerator = numerator
        self.denominator = denominator
    }

    func adding(_ other: ExactAmount) throws(PricingFailure) -> ExactAmount {
        if numerator == 0 { return other }
        if denominator == other.denominator {
            return ExactAmount(try sum(numerator, other.numerator), over: denominator)
        }
        let shared = greatestCommonDivisor(denominator, other.denominator)
        let own = try product(numerator, other.denominator / shared)
        let others = try product(other.numerator, denominator / shared)
        return ExactAmount(try sum(own, others), over: try product(denominator / shared, other.denominator))
    }

    func times(_ other: ExactAmount) throws(PricingFailure) -> ExactAmount {
        let (above, isAboveTooLong) = numerator.multipliedReportingOverflow(by: other.numerator)
        let (below, isBelowTooLong) = denominator.multipliedReportingOverflow(by: other.denominator)
        if !isAboveTooLong, !isBelowTooLong { return ExactAmount(above, over: below) }
        // Crosswise, so that what cancels out does not have to fit.
        let first = greatestCommonDivisor(numerator, other.denominator)
        let second = greatestCommonDivisor(other.numerator, denominator)
        return ExactAmount(
            try product(numerator / first, other.numerator / second),
            over: try product(denominator / second, other.denominator / first))
    }

    func roundedHalfToEven() throws(PricingFailure) -> Int64 {
        var (quotient, remainder) = numerator.quotientAndRemainder(dividingBy: denominator)
        let rest = denominator - remainder
        if remainder > rest || (remainder == rest && quotient % 2 != 0) { quotient += 1 }
        guard let units = Int64(exactly: quotient) else { throw .overflow }
        return units
    }

    func roundedUp() throws(PricingFailure) -> Int64 {
        let (quotient, remainder) = numerator.quotientAndRemainder(dividingBy: denominator)
        guard let units = Int64(exactly: remainder == 0 ? quotient : quotient + 1) else { throw .overflow }
        return units
    }
}

func sum(_ left: Int128, _ right: Int128) throws(PricingFailure) -> Int128 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    guard !overflow else { throw .overflow }
    return sum
}

func product(_ left: Int128, _ right: Int128) throws(PricingFailure) -> Int128 {
    let (product, overflow) = left.multipliedReportingOverflow(by: right)
    guard !overflow else { throw .overflow }
    return product
}

func greatestCommonDivisor(_ left: Int128, _ right: Int128) -> Int128 {
    var (left, right) = (left, right)
    while right != 0 { (left, right) = (right, left % right) }
    return left
}
