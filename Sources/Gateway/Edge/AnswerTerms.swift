import Billing
import Kernel

/// The header fields that say what a request cost, what is left, and how its limits stand: ours, and OpenAI's
/// `x-ratelimit-*`.
enum AnswerTerms {
    static let cost: StaticString = "volery-cost"
    static let remaining: StaticString = "volery-budget-remaining"

    /// Of one quantity's limit.
    private struct RateNames {
        let limit: StaticString
        let remaining: StaticString
        let reset: StaticString

        var all: [StaticString] { [limit, remaining, reset] }
    }

    private static let requests = RateNames(
        limit: "x-ratelimit-limit-requests", remaining: "x-ratelimit-remaining-requests",
        reset: "x-ratelimit-reset-requests")
    private static let tokens = RateNames(
        limit: "x-ratelimit-limit-tokens", remaining: "x-ratelimit-remaining-tokens",
        reset: "x-ratelimit-reset-tokens")

    static let names = ([cost, remaining] + requests.all + tokens.all).map { "\($0)" }

    static func add(price: Money?, remaining: Amount?, rates: [RateState], to lines: inout FieldLines) {
        if let price { lines.add(cost, price) }
        if let remaining { lines.add(Self.remaining, remaining) }
        add(.requestsPerMinute, as: requests, of: rates, to: &lines)
        add(.tokensPerMinute, as: tokens, of: rates, to: &lines)
    }

    /// Of several limits the one that has least left.
    private static func add(
        _ quantity: RateLimit.Quantity, as names: RateNames, of rates: [RateState],
        to lines: inout FieldLines
    ) {
        var least: Int?
        for (place, state) in rates.enumerated() where state.limit.quantity == quantity {
            if let least, rates[least].remaining <= state.remaining { continue }
            least = place
        }
        guard let least else { return }
        lines.add(names.limit, Int(clamping: rates[least].limit.amount))
        lines.add(names.remaining, Int(clamping: max(0, rates[least].remaining)))
        let milliseconds = milliseconds(of: rates[least].reset)
        // As a rule, and without a text in between: every answer has two of them.
        if (1..<1000).contains(milliseconds) {
            lines.add(names.reset, milliseconds, unit: "ms")
        } else {
            lines.add(names.reset, text(milliseconds: milliseconds))
        }
    }

    /// As OpenAI writes it, rounded up: `120ms`, `1s`, `6m0s`.
    static func text(of time: Duration) -> String { text(milliseconds: milliseconds(of: time)) }

    private static func milliseconds(of time: Duration) -> Int {
        Int(clamping: max(0, (time.microseconds + 999) / 1000))
    }

    private static func text(milliseconds: Int) -> String {
        if milliseconds < 1000, milliseconds > 0 { return "\(milliseconds)ms" }
        let seconds = (milliseconds + 999) / 1000
        if seconds < 60 { return String(seconds) + "s" }
        if seconds < 3600 { return "\(seconds / 60)m\(seconds % 60)s" }
        return "\(seconds / 3600)h\(seconds / 60 % 60)m\(seconds % 60)s"
    }
}
