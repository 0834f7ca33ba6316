/// An integer of `scale` decimal digits as people write it: `12.50`, `0.000000125`, `1000000`.
public enum DecimalText {
    /// - Parameter places: so many digits after the point at least; with 0 a whole number has no point.
    public static func text(_ units: Int64, scale: Int, places: Int) -> String {
        String(unsafeUninitializedCapacity: longest(scale: scale)) {
            write(units, scale: scale, places: places, to: $0)
        }
    }

    /// 19 digits, a zero before the point, the point and the sign.
    public static func longest(scale: Int) -> Int { 24 + scale }

    /// Writes what `text` returns; the buffer has room for `longest`.
    /// - Returns: how many bytes it takes.
    public static func write(
        _ units: Int64, scale: Int, places: Int, to buffer: UnsafeMutableBufferPointer<UInt8>
    ) -> Int {
        var start = buffer.count
        let end = start
        var rest = units.magnitude
        func put(_ byte: UInt8) {
            start -= 1
            buffer[start] = byte
        }
        func nextDigit() -> UInt8 {
            let (digits, last) = rest.quotientAndRemainder(dividingBy: 10)
            rest = digits
            return UInt8(truncatingIfNeeded: last)
        }
        // From the last digit to the first; zeros at the end are left out as far as `places`.
        var place = scale
        while place > 0 {
            let digit = nextDigit()
            if start < end || place <= places || digit > 0 { put(UInt8(ascii: "0") + digit) }
            place -= 1
        }
        if start < end { put(UInt8(ascii: ".")) }
        repeat { put(UInt8(ascii: "0") + nextDigit()) } while rest > 0
        if units < 0 { put(UInt8(ascii: "-")) }
        for place in 0..<end - start { buffer[place] = buffer[start + place] }
        return end - start
    }

    /// - Returns: nil for what is no decimal, has more digits than `scale`, or does not fit.
    public static func units(_ text: some StringProtocol, scale: Int) -> Int64? {
        let digits = text.utf8
        let isNegative = digits.first == UInt8(ascii: "-")
        var units: Int64 = 0
        var fraction: Int?
        var isSeen = false
        for byte in isNegative ? digits.dropFirst() : digits[...] {
            if byte == UInt8(ascii: "."), fraction == nil, isSeen {
                fraction = 0
                continue
            }
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            isSeen = true
            if let places = fraction {
                guard places < scale else { return nil }
                fraction = places + 1
            }
            guard let next = append(Int64(byte - UInt8(ascii: "0")), to: units, isNegative) else { return nil }
            units = next
        }
        guard isSeen, fraction != 0 else { return nil }
        for _ in (fraction ?? 0)..<scale {
            guard let next = append(0, to: units, isNegative) else { return nil }
            units = next
        }
        return units
    }

    private static func append(_ digit: Int64, to units: Int64, _ isNegative: Bool) -> Int64? {
        let (product, overflow) = units.multipliedReportingOverflow(by: 10)
        let (sum, carried) = product.addingReportingOverflow(isNegative ? -digit : digit)
        return overflow || carried ? nil : sum
    }
}

extension Amount {
    /// `12.50` of money, `1000000` tokens, `1.5` seconds.
    public var text: String { DecimalText.text(units, scale: asset.scale, places: places) }

    /// Digits after the point at least.
    var places: Int { asset.currency == nil ? 0 : 2 }

    /// - Returns: nil for what is no decimal of this asset.
    public init?(_ text: some StringProtocol, _ asset: Asset) {
        guard let units = DecimalText.units(text, scale: asset.scale) else { return nil }
        self.init(units: units, asset)
    }
}

extension Amount: CustomStringConvertible {
    /// `12.50 USD`, `1000000 tokens`.
    public var description: String { text + " " + asset.text }
}

/// Money as `{"amount": "12.50", "currency": "USD"}`, all else as `{"amount": "1000000", "unit": "tokens"}`.
extension Amount: Codable {
    private enum CodingKeys: String, CodingKey { case amount, currency, unit }

    public init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        let name =
            try members.decodeIfPresent(String.self, forKey: .currency)
            ?? members.decode(String.self, forKey: .unit)
        guard let asset = Asset(name) else {
            throw DecodingError.dataCorruptedError(
                forKey: .unit, in: members, debugDescription: "no currency and no unit of usage")
        }
        guard let amount = Amount(try members.decode(String.self, forKey: .amount), asset) else {
            throw DecodingError.dataCorruptedError(
                forKey: .amount, in: members, debugDescription: "no decimal with at most \(asset.scale) places")
        }
        self = amount
    }

    public func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(text, forKey: .amount)
        try members.encode(asset.text, forKey: asset.currency == nil ? .unit : .currency)
    }
}
