import Billing
import Kernel

/// The header fields that say what a request cost, what is left, and how its limits stand: ours, and OpenAI's
/// `x-ratelimit-*`.
enum AnswerTerms {
    static let cost = "volery-cost"
    static let remaining = "volery-budget-remaining"

    static let names =
        [cost, remaining]
        + ["limit", "remaining", "reset"].flatMap { ["x-ratelimit-\($0)-requests", "x-ratelimit-\($0)-tokens"] }

    static func fields(price: Money?, remaining: Amount?, rates: [RateState]) -> [(String, String)] {
        var fields: [(String, String)] = []
        if let price { fields.append((cost, price.description)) }
        if let remaining { fields.append((Self.remaining, text(of: remaining))) }
        add(.requestsPerMinute, as: "requests", of: rates, to: &fields)
        add(.tokensPerMinute, as: "tokens", of: rates, to: &fields)
        return fields
    }

    /// Of several limits the one that has least left.
    private static func add(
        _ quantity: RateLimit.Quantity, as name: String, of rates: [RateState], to fields: inout [(String, String)]
    ) {
        var least: RateState?
        for state in rates where state.limit.quantity == quantity {
            if let least, least.remaining <= state.remaining { continue }
            least = state
        }
        guard let state = least else { return }
        fields.append(("x-ratelimit-limit-\(name)", String(state.limit.amount)))
        fields.append(("x-ratelimit-remaining-\(name)", String(max(0, state.remaining))))
        fields.append(("x-ratelimit-reset-\(name)", text(of: state.reset)))
    }

    /// `1.25 USD`, `1200 tokens`.
    static func text(of amount: Amount) -> String {
        if let currency = amount.asset.currency { return Money(units: amount.units, currency).description }
        let digits = String(amount.units.magnitude)
        let scale = amount.asset.scale
        let padded = String(repeating: "0", count: max(0, scale + 1 - digits.count)) + digits
        let fraction = scale == 0 ? "" : "." + padded.suffix(scale)
        return (amount.units < 0 ? "-" : "") + padded.dropLast(scale) + fraction + " " + amount.asset.text
    }

    /// As OpenAI writes it, rounded up: `120ms`, `1s`, `6m0s`.
    static func text(of time: Duration) -> String {
        let milliseconds = max(0, (time.microseconds + 999) / 1000)
        if milliseconds < 1000, milliseconds > 0 { return "\(milliseconds)ms" }
        let seconds = (milliseconds + 999) / 1000
        if seconds < 60 { return "\(seconds)s" }
        if seconds < 3600 { return "\(seconds / 60)m\(seconds % 60)s" }
        return "\(seconds / 3600)h\(seconds / 60 % 60)m\(seconds % 60)s"
    }
}
