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
        guard let amount = Amount(text, asset), amount.units >= 0 else {
            throw Problem(
                .validationError,
                "`\(parameter)` is no amount of \(asset.text) with at most \(asset.scale) digits after the point.",
                parameter: parameter, hint: "Write it as a string such as \"12.50\", without a sign or separators.")
        }
        return amount.units
    }

    func positiveUnits(_ asset: Asset, parameter: String) throws(Problem) -> Int64 {
        let units = try units(asset, parameter: parameter)
        guard units > 0 else {
            throw Problem(.validationError, "`\(parameter)` must be above 0.", parameter: parameter)
        }
        return units
    }
}
