import Kernel

/// A decimal as people write it into requests: text, or a whole number. A fraction as a JSON number is refused, since
/// it would have been a binary number before we see it.
package struct DecimalInput: Sendable, Codable, Equatable {
    package static let hint = #"Write it as a string: "12.50"."#

    package let text: String

    package init(_ text: String) { self.text = text }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self.text = text
        } else if let whole = try? container.decode(Int64.self) {
            text = String(whole)
        } else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "neither a decimal in a string nor a whole number")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    /// So many units of the asset, not below 0.
    func units(_ asset: Asset, parameter: String) throws(Problem) -> Int64 {
        if let amount = Amount(text, asset), amount.units >= 0 { return amount.units }
        throw Problem(
            .validationError, "`\(parameter)` \(fault(asset)).", parameter: parameter,
            hint: "Write it as 12.50, without separators or an exponent; in JSON as a string.")
    }

    private func fault(_ asset: Asset) -> String {
        let digits = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : Substring(text)
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        let isDecimal =
            (1...2).contains(parts.count)
            && parts.allSatisfy {
                !$0.isEmpty && $0.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            }
        guard isDecimal else { return "is no decimal number" }
        if text.hasPrefix("-") { return "must not be below 0" }
        if parts.count == 2, parts[1].utf8.count > asset.scale {
            return asset.scale == 0
                ? "must be a whole number of \(asset.text)"
                : "has more than the \(asset.scale) digits after the point that are kept of \(asset.text)"
        }
        return "must be at most \(Amount(units: .max, asset))"
    }

    func positiveUnits(_ asset: Asset, parameter: String) throws(Problem) -> Int64 {
        let units = try units(asset, parameter: parameter)
        guard units > 0 else {
            throw Problem(.validationError, "`\(parameter)` must be above 0.", parameter: parameter)
        }
        return units
    }
}
