import Billing
import Kernel

/// What a refused caller is told: which bound, how much, until when.
extension Problem {
    static func priceMissing(_ model: String, budget: Budget?, _ failure: PricingFailure? = nil) -> Problem {
        let wall = budget.map { "\($0.name) is a hard limit" } ?? "this workspace pays in advance"
        var members = ["model": model]
        members["budget_id"] = budget.map { "\($0.id)" }
        if case .noRate(let from, let to) = failure {
            let (own, wanted) = (from.rawValue, to.rawValue)
            return Problem(
                .priceMissing,
                "The model `\(model)` has a price in \(own), the book has no rate from \(own) to \(wanted), "
                    + "and \(wall).",
                hint: "Ask an operator for the rate: a row `from: \(own)`, `to: \(wanted)` in `rates:` of the "
                    + "price file (`volery prices export`, then `import`).",
                members: members)
        }
        let currency = budget.map { " in \($0.asset.text)" } ?? ""
        return Problem(.priceMissing, "The model `\(model)` has no price\(currency), and \(wall).", members: members)
    }

    /// Really spent: another try makes no sense before the period ends.
    static func spent(_ active: ActiveBudget, _ shortage: EscrowShortage, needed: Int64) -> Problem {
        let budget = active.budget
        let spent = max(0, shortage.spent)
        // The amount may have been lowered below what is spent.
        let left = max(0, budget.amount - spent)
        let whole = "\(words(budget.amount, budget.asset)) \(unit(budget.asset))"
        let until = active.ends.map { ", until \($0)" } ?? ""
        let name = budget.name
        return Problem(
            .quotaExceeded,
            left == 0
                ? "\(name.capitalizedFirst) is used up: nothing is left of \(whole)\(until)."
                : "\(name.capitalizedFirst) cannot pay for this request: it may need \(words(needed, budget.asset)), "
                    + "and \(words(left, budget.asset)) of \(whole) are left\(until).",
            hint: hint(after: budget.period, isUsedUp: left == 0),
            members: members(of: active, spent: spent, needed: needed))
    }

    private static func hint(after period: BudgetPeriod, isUsedUp: Bool) -> String {
        let wait: String? =
            switch period {
            case .total: nil
            case .rolling: "wait until what was spent first is out of the window"
            case .calendar: "wait until it begins anew"
            }
        let less = isUsedUp ? nil : "send a request that needs less: a shorter prompt, a smaller `max_tokens`"
        var ways = [wait, "ask an owner to raise it", less].compactMap(\.self)
        let last = ways.removeLast()
        return (ways.isEmpty ? last : ways.joined(separator: ", ") + ", or " + last).capitalizedFirst + "."
    }

    /// Enough is left, and running requests have it.
    static func heldByOthers(_ active: ActiveBudget, needed: Int64) -> Problem {
        let budget = active.budget
        return Problem(
            .quotaExceeded,
            "What is left of \(budget.name) is set aside for requests that run now; this one may need "
                + "\(words(needed, budget.asset)) \(unit(budget.asset)).",
            hint: "Try again in a moment: what running requests do not use comes back.", retryAfter: 1,
            members: members(of: active, spent: nil, needed: needed))
    }

    static func creditSpent(_ asset: Asset, left: Int64, needed: Int64) -> Problem {
        Problem(
            .quotaExceeded,
            left <= 0
                ? "This workspace has no credit left, and pays in advance."
                : "The credit of this workspace cannot pay for this request: it may cost \(words(needed, asset)), and "
                    + "\(words(left, asset)) \(unit(asset)) are left.",
            hint: left <= 0
                ? "Ask the operator to add credit."
                : "Ask the operator to add credit, or send a request that needs less: a shorter prompt, a smaller "
                    + "`max_tokens`.",
            members: creditMembers(asset, left: left, needed: needed))
    }

    static func creditHeld(_ asset: Asset, needed: Int64) -> Problem {
        Problem(
            .quotaExceeded,
            "What is left of this workspace's credit is set aside for requests that run now; this one may cost "
                + "\(words(needed, asset)) \(unit(asset)).",
            hint: "Try again in a moment: what running requests do not use comes back.", retryAfter: 1,
            members: creditMembers(asset, left: nil, needed: needed))
    }

    static let tooManyWait = Problem(
        .quotaExceeded, "Too many requests wait for what is left of a budget or credit.",
        hint: "Try again in a moment: what running requests do not use comes back.", retryAfter: 1)

    static let mayNotSpend = Problem(
        .storageUnavailable, "This node cannot reach the ledger, and may not spend without it.", retryAfter: 1)

    /// - Parameter tokens: what the request may take.
    static func overRate(_ state: RateState, tokens: Int64, retryAfter: Duration?) -> Problem {
        let limit = state.limit
        let what =
            switch limit.quantity {
            case .requestsPerMinute: "\(limit.amount) requests per minute"
            case .tokensPerMinute: "\(limit.amount) tokens per minute"
            case .concurrency: "\(limit.amount) requests at once"
            }
        let model = limit.model.map { " for `\($0)`" } ?? ""
        let members = ["limit_id": "\(limit.id)", "limit": limit.quantity.rawValue]
        let name = "limit of \(what)\(model) on this \(limit.subject.word)"
        let needed = limit.need(tokens: tokens)
        if limit.quantity != .concurrency, needed > limit.amount {
            // Waiting does not help.
            return Problem(
                .rateLimited, "The request may take \(needed), and the \(name) never has so many.",
                hint: limit.quantity == .tokensPerMinute
                    ? "Send a shorter prompt or a smaller `max_tokens`, or ask an owner to raise the limit."
                    : "Ask an owner to raise the limit.",
                members: members)
        }
        let seconds = retryAfter.map { Int(max(1, ($0.microseconds + 999_999) / 1_000_000)) } ?? 1
        return Problem(.rateLimited, "The \(name) is reached.", retryAfter: seconds, members: members)
    }

    private static func members(of active: ActiveBudget, spent: Int64?, needed: Int64) -> [String: String] {
        let budget = active.budget
        var members = [
            "budget_id": "\(budget.id)", "amount": words(budget.amount, budget.asset),
            "needed": words(needed, budget.asset),
            budget.asset.currency == nil ? "unit" : "currency": budget.asset.text,
        ]
        if let spent { members["spent"] = words(spent, budget.asset) }
        if let ends = active.ends { members["resets_at"] = "\(ends)" }
        return members
    }

    private static func creditMembers(_ asset: Asset, left: Int64?, needed: Int64) -> [String: String] {
        var members = ["needed": words(needed, asset), "currency": asset.text]
        if let left { members["available"] = words(left, asset) }
        return members
    }
}

/// A decimal text: `12.50` of money, `1.5` seconds, `1000` tokens.
private func words(_ units: Int64, _ asset: Asset) -> String {
    if let currency = asset.currency { return Money(units: units, currency).amount }
    guard asset.scale > 0 else { return "\(units)" }
    let digits = String(units.magnitude)
    let padded = String(repeating: "0", count: max(0, asset.scale + 1 - digits.count)) + digits
    var fraction = padded.suffix(asset.scale)
    while fraction.last == "0" { fraction.removeLast() }
    return (units < 0 ? "-" : "") + padded.dropLast(asset.scale) + (fraction.isEmpty ? "" : "." + fraction)
}

private func unit(_ asset: Asset) -> String {
    switch asset {
    case .money(let currency): currency.rawValue
    case .umu: "UMU"
    case .tokens: "tokens"
    case .audio: "seconds of audio"
    case .gpu: "GPU seconds"
    case .requests: "requests"
    }
}

extension Budget {
    /// `the budget bud_… of this key for llama-*`.
    fileprivate var name: String {
        let place =
            if scope.key != nil {
                "this key"
            } else if scope.user != nil {
                "this user"
            } else if scope.workspace != nil {
                "this workspace"
            } else {
                "this tenant"
            }
        let model = scope.model.map { " for `\($0)`" } ?? ""
        let tag = scope.tag.map { " with the tag `\($0)`" } ?? ""
        return "the \(asset.currency == nil ? "quota" : "budget") \(id) of \(place)\(model)\(tag)"
    }
}

extension String {
    fileprivate var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}

extension RateLimit.Subject {
    fileprivate var word: String {
        switch self {
        case .key: "key"
        case .user: "user"
        case .workspace: "workspace"
        case .tenant: "tenant"
        }
    }
}
