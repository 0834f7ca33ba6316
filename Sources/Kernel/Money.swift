/// A currency of the ledger, with the number of decimal digits that its integers carry.
public enum Currency: String, Sendable, Codable, CaseIterable {
    case irr = "IRR"
    case usd = "USD"
    case eur = "EUR"

    /// Nine digits hold the price of a single token; with four, 64 bits still hold 9 x 10^14 rial.
    public var ledgerScale: Int {
        switch self {
        case .irr: 4
        case .usd, .eur: 9
        }
    }

    public var unitsPerWhole: Int64 {
        switch self {
        case .irr: 10_000
        case .usd, .eur: 1_000_000_000
        }
    }
}

extension Currency {
    /// Its place among the cases: told apart and hashed by it. By default an enumeration with texts is hashed as its
    /// text, and compared behind two calls where another module does it.
    @inlinable
    public var place: Int {
        switch self {
        case .irr: 0
        case .usd: 1
        case .eur: 2
        }
    }

    @inlinable
    public static func == (left: Currency, right: Currency) -> Bool { left.place == right.place }

    @inlinable
    public func hash(into hasher: inout Hasher) { hasher.combine(place) }
}

/// An amount in the currency's ledger scale. Arithmetic is checked: what does not fit is an error, never a wrap.
public struct Money: Hashable, Sendable {
    public let units: Int64
    public let currency: Currency

    public enum Failure: Error, Equatable { case overflow, currencyMismatch, notAnAmount }

    public init(units: Int64, _ currency: Currency) {
        self.units = units
        self.currency = currency
    }

    /// Reads a decimal such as `12.50`. More digits than the ledger keeps are refused, not rounded.
    public init(_ text: String, _ currency: Currency) throws(Failure) {
        let digits = text.utf8
        let negative = digits.first == UInt8(ascii: "-")
        var units: Int64 = 0
        var fraction: Int?
        var seen = false
        for byte in negative ? digits.dropFirst() : digits[...] {
            if byte == UInt8(ascii: "."), fraction == nil, seen {
                fraction = 0
                continue
            }
            guard byte >= 0x30, byte <= 0x39 else { throw .notAnAmount }
            seen = true
            if let places = fraction {
                guard places < currency.ledgerScale else { throw .notAnAmount }
                fraction = places + 1
            }
            units = try Money.append(digit: Int64(byte - 0x30), to: units, negative: negative)
        }
        guard seen, fraction != 0 else { throw .notAnAmount }
        for _ in (fraction ?? 0)..<currency.ledgerScale {
            units = try Money.append(digit: 0, to: units, negative: negative)
        }
        self.init(units: units, currency)
    }

    private static func append(digit: Int64, to units: Int64, negative: Bool) throws(Failure) -> Int64 {
        let (product, overflow) = units.multipliedReportingOverflow(by: 10)
        let (sum, carried) = product.addingReportingOverflow(negative ? -digit : digit)
        guard !overflow, !carried else { throw .overflow }
        return sum
    }

    public func adding(_ other: Money) throws(Failure) -> Money {
        guard currency == other.currency else { throw .currencyMismatch }
        let (sum, overflow) = units.addingReportingOverflow(other.units)
        guard !overflow else { throw .overflow }
        return Money(units: sum, currency)
    }

    public func subtracting(_ other: Money) throws(Failure) -> Money {
        guard currency == other.currency else { throw .currencyMismatch }
        let (difference, overflow) = units.subtractingReportingOverflow(other.units)
        guard !overflow else { throw .overflow }
        return Money(units: difference, currency)
    }

    /// This amount x `numerator` / `denominator`, through 128 bits, rounded half to even.
    public func scaled(by numerator: Int64, over denominator: Int64) throws(Failure) -> Money {
        guard let units = multiplyRounding(units, numerator, over: denominator) else { throw .overflow }
        return Money(units: units, currency)
    }
}

/// `value * numerator / denominator` through 128 bits, rounded half to even; nil when it does not fit or divides by 0.
public func multiplyRounding(_ value: Int64, _ numerator: Int64, over denominator: Int64) -> Int64? {
    guard denominator != 0 else { return nil }
    let product = Int128(value) * Int128(numerator)
    let divisor = Int128(denominator)
    var (quotient, remainder) = product.quotientAndRemainder(dividingBy: divisor)
    let twice = remainder.magnitude * 2
    if twice > divisor.magnitude || (twice == divisor.magnitude && quotient % 2 != 0) {
        quotient += (product < 0) == (divisor < 0) ? 1 : -1
    }
    return Int64(exactly: quotient)
}

extension Money: CustomStringConvertible {
    /// The decimal amount with at least two places: `12.50`, `0.000000125`.
    public var amount: String { DecimalText.text(units, scale: currency.ledgerScale, places: 2) }

    public var description: String { amount + " " + currency.rawValue }
}

extension Money: Codable {
    private enum CodingKeys: String, CodingKey { case amount, currency }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let text = try container.decode(String.self, forKey: .amount)
        let currency = try container.decode(Currency.self, forKey: .currency)
        do {
            try self.init(text, currency)
        } catch {
            throw DecodingError.dataCorruptedError(
                forKey: .amount, in: container,
                debugDescription: "not a decimal amount with at most \(currency.ledgerScale) places")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(amount, forKey: .amount)
        try container.encode(currency, forKey: .currency)
    }
}
