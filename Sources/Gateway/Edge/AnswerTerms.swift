import Billing
import Kernel

/// The header fields that say what a request cost, what is left, and how its limits stand: ours, and OpenAI's
/// `x-ratelimit-*`.
enum AnswerTerms {
    static let cost = "volery-cost"
    static let remaining = "volery-budget-remaining"

    /// Of one quantity's limit.
    private struct RateNames {
        let limit: String
        let remaining: String
        let reset: String

        init(_ quantity: String) {
            limit = "x-ratelimit-limit-" + quantity
            remaining = "x-ratelimit-remaining-" + quantity
            reset = "x-ratelimit-reset-" + quantity
        }

        var all: [String] { [limit, remaining, reset] }
    }

    private static let requests = RateNames("requests")
    private static let tokens = RateNames("tokens")

    static let names = [cost, remaining] + requests.all + tokens.all

    static func fields(price: Money?, remaining: Amount?, rates: [RateState]) -> [(String, String)] {
        var fields: [(String, String)] = []
        fields.reserveCapacity(names.count)
        if let price { fields.append((cost, price.description)) }
        if let remaining { fields.append((Self.remaining, remaining.description)) }
        add(.requestsPerMinute, as: requests, of: rates, to: &fields)
        add(.tokensPerMinute, as: tokens, of: rates, to: &fields)
        return fields
    }

    /// Of several limits the one that has least left.
    private static func add(
        _ quantity: RateLimit.Quantity, as names: RateNames, of rates: [RateState],
        to fields: inout [(String, String)]
    ) {
        var least: RateState?
        for state in rates where state.limit.quantity == quantity {
            if let least, least.remaining <= state.remaining { continue }
            least = state
        }
        guard let state = least else { return }
        fields.append((names.limit, String(state.limit.amount)))
        fields.append((names.remaining, String(max(0, state.remaining))))
        fields.append((names.reset, text(of: state.reset)))
    }

    /// As OpenAI writes it, rounded up: `120ms`, `1s`, `6m0s`.
    static func text(of time: Duration) -> String {
        let milliseconds = max(0, (time.microseconds + 999) / 1000)
        // Joined and not interpolated: every answer has two of them.
        if milliseconds < 1000, milliseconds > 0 { return String(milliseconds) + "ms" }
        let seconds = (milliseconds + 999) / 1000
        if seconds < 60 { return String(seconds) + "s" }
        if seconds < 3600 { return "\(seconds / 60)m\(seconds % 60)s" }
        return "\(seconds / 3600)h\(seconds / 60 % 60)m\(seconds % 60)s"
    }
}
