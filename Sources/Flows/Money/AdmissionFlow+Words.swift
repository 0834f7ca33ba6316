import Billing
import Kernel

/// What a refused caller is told: which bound, how much, until when.
extension Problem {
    static func priceMissing(_ model: String, budget: Budget?) -> Problem {
        guard let budget else {
            return Problem(
                .priceMissing, "The model `\(model)` has no price, and this workspace pays in advance.",
                members: ["model": model])
        }
        return Problem(
            .priceMissing,
            "The model `\(model)` has no price in \(budget.asset.text), and \(budget.name) is a hard limit.",
            members: ["model": model, "budget_id": "\(budget.id)"])
    }

    /// Really spent: another try makes no sense before the period ends.
    static func spent(_ active: ActiveBudget, _ shortage: EscrowShortage, needed: Int64) -> Problem {
        let budget = active.budget
        let until = active.ends.map { " It begins anew at \($0)." } ?? ""
        let spent = max(0, shortage.spent)
        return Problem(
            .quotaExceeded,
            "\(budget.name.capitalizedFirst) is used up: \(words(spent, budget.asset)) of "
                + "\(words(budget.amount, budget.asset)) \(unit(budget.asset)) are spent, and the request may need "
                + "\(words(needed, budget.asset)).\(until)",
            hint: active.ends == nil
                ? "Ask an owner to raise it, or send a request that needs less: a shorter prompt, a smaller `max_tokens`."
                : "Wait until it begins anew, ask an owner to raise it, or send a request that needs less.",
            members: members(of: active, spent: spent, needed: needed))
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
            "The credit of this workspace does not cover the request: \(words(left, asset)) \(unit(asset)) are left, and "
                + "it may cost \(words(needed, asset)).",
            hint: "Ask an owner to add credit, or send a request that needs less.",
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

    static func overRate(_ state: RateState, retryAfter: Duration?) -> Problem {
        let limit = state.limit
        let what =
            switch limit.quantity {
            case .requestsPerMinute: "\(limit.amount) requests per minute"
            case .tokensPerMinute: "\(limit.amount) tokens per minute"
            case .concurrency: "\(limit.amount) requests at once"
            }
        let model = limit.model.map { " for `\($0)`" } ?? ""
        let seconds = retryAfter.map { Int(max(1, ($0.microseconds + 999_999) / 1_000_000)) } ?? 1
        return Problem(
            .rateLimited, "The limit of \(what)\(model) on this \(limit.subject.word) is reached.",
            retryAfter: seconds, members: ["limit_id": "\(limit.id)", "limit": limit.quantity.rawValue])
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
