/// What an upstream says that a call cost, as a JSON number: `0.00014`, `1.4e-4`.
enum ToldCost {
    /// Digits of a ledger unit behind the point.
    static let scale = 9
    /// A number with more digits, or of another magnitude, is no cost of one call.
    private static let mostDigits = 17
    private static let magnitudes = -64...9

    /// Rounded up, so that no cost is lost.
    /// - Returns: nil for what is negative, or no plausible cost.
    static func billionths(_ text: some Collection<UInt8>) -> Int64? {
        var value: Int64 = 0
        var (digits, places, exponent) = (0, 0, 0)
        var rest = text[...]
        var isFraction = false
        while let byte = rest.first, byte != UInt8(ascii: "e"), byte != UInt8(ascii: "E") {
            rest = rest.dropFirst()
            if byte == UInt8(ascii: "."), !isFraction {
                isFraction = true
                continue
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), digits < mostDigits else {
                // Digits beyond what is kept change nothing but the last one.
                guard isFraction, digits == mostDigits, byte != UInt8(ascii: "-") else { return nil }
                continue
            }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            if value > 0 { digits += 1 }
            if isFraction { places += 1 }
        }
        if !rest.isEmpty {
            guard let power = Int(String(decoding: rest.dropFirst(), as: UTF8.self)), magnitudes.contains(power) else {
                return nil
            }
            exponent = power
        }
        return shifted(value, by: scale - places + exponent)
    }

    /// Times a power of ten.
    private static func shifted(_ value: Int64, by power: Int) -> Int64? {
        var value = value
        for _ in 0..<max(0, power) {
            let (next, overflow) = value.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            value = next
        }
        for _ in 0..<max(0, -power) where value > 0 {
            let (whole, part) = value.quotientAndRemainder(dividingBy: 10)
            // Once up is enough: the rest of one unit is one unit.
            if whole == 0 { return 1 }
            value = whole + (part > 0 ? 1 : 0)
        }
        return value
    }
}
