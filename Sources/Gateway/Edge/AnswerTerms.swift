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

    /// Bytes of one of the lines, at most.
    private static let longestLine = 96

    static func add(price: Money?, remaining: Amount?, rates: [RateState], to lines: inout FieldLines) {
        let (requests, tokens) = (least(of: .requestsPerMinute, rates), least(of: .tokensPerMinute, rates))
        let amounts = (price == nil ? 0 : 1) + (remaining == nil ? 0 : 1)
        let count = amounts + (requests == nil ? 0 : 3) + (tokens == nil ? 0 : 3)
        guard count > 0 else { return }
        lines.add(most: count * longestLine) { cursor in
            if let price { cursor.line(cost, price) }
            if let remaining { cursor.line(Self.remaining, remaining) }
            if let requests { put(rates[requests], as: Self.requests, to: &cursor) }
            if let tokens { put(rates[tokens], as: Self.tokens, to: &cursor) }
        }
    }

    /// Of several limits the one that has least left.
    private static func least(of quantity: RateLimit.Quantity, _ rates: [RateState]) -> Int? {
        var least: Int?
        for place in rates.indices where rates[place].limit.quantity == quantity {
            if let least, rates[least].remaining <= rates[place].remaining { continue }
            least = place
        }
        return least
    }

    private static func put(_ state: RateState, as names: RateNames, to cursor: inout TextCursor) {
        cursor.line(names.limit, Int(clamping: state.limit.amount))
        cursor.line(names.remaining, Int(clamping: max(0, state.remaining)))
        let milliseconds = milliseconds(of: state.reset)
        // As a rule, and without a text in between: every answer has two of them.
        if (1..<1000).contains(milliseconds) {
            cursor.line(names.reset, milliseconds, unit: "ms")
        } else {
            var text = text(milliseconds: milliseconds)
            cursor.put(names.reset)
            cursor.put(": ")
            text.withUTF8 { cursor.put($0) }
            cursor.put("\r\n")
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
