package import Kernel

extension Plan {
    package init(_ name: Name) {
        self =
            Plan.all.first { $0.name == name }
            ?? Plan(name: name, monthly: nil, credits: nil, requestsPerMinute: nil)
    }
}

/// What a plan gives each month, as credit that ends with the month. A change of plan in the middle of a month gives
/// what the new one has more; one to a smaller plan takes nothing away.
package enum Allowance {
    /// Before credit that was bought: it ends sooner.
    package static let priority = 0

    /// Months are UTC's, so that all tenants' begin together and no zone has a say in what is given.
    package static func month(of instant: Instant) -> (begins: Instant, ends: Instant)? {
        BudgetPeriod.calendar(.month, zone: "UTC", calendar: .gregorian).interval(containing: instant)
    }

    /// `plan pro 2026-11`.
    package static func note(_ plan: Plan.Name, month begins: Instant) -> String {
        "plan \(plan.rawValue) \(begins.description.prefix(7))"
    }

    /// The same on every node, so that a month's grant is there once.
    package static func grant(of plan: Plan.Name, to tenant: TenantID, month begins: Instant) -> CreditGrantID {
        CreditGrantID(PlatformAccounts.name("allowance\0\(tenant)\0\(plan.rawValue)\0\(begins.microseconds)"))
    }

    /// So many credits, each one UMU, at the book's price of UMU.
    /// - Parameter currency: nil for the first one that UMU has a price in.
    /// - Returns: nil where the book has no price of UMU, or no rate from it to the currency, or it does not fit.
    package static func money(for credits: Int64, in currency: Currency?, by book: PriceBook.Content) -> Money? {
        let exchange = Exchange(book.rates)
        for price in [book.umuPrice.first { $0.currency == currency }].compactMap(\.self) + book.umuPrice {
            guard price.per > 0, price.units >= 0, let whole = try? product(Int128(credits), Int128(price.units)) else {
                continue
            }
            var amount = ExactAmount(whole, over: Int128(price.per))
            let target = currency ?? price.currency
            if target != price.currency {
                guard let rate = exchange.rate(from: price.currency, to: target), let there = try? amount.times(rate)
                else { continue }
                amount = there
            }
            if let units = try? amount.roundedHalfToEven() { return Money(units: units, target) }
        }
        return nil
    }
}

/// The chore that gives plans their allowances. Throws as `BudgetStore`.
package protocol AllowanceStore: Sendable {
    /// Gives what is due, each tenant's in a transaction of its own: once for a month, whoever asks how often. Where
    /// there is no price of UMU yet, nothing is given until there is.
    /// - Parameter limit: tenants that are looked for at a time.
    /// - Returns: for how many tenants the month is settled now.
    func grantAllowances(at now: Instant, limit: Int) async throws -> Int
}
