import Billing
import Inference
import Kernel

/// The plan's prices: as books for the platform, and, worked out once more in the plainest way, for whoever checks it.
struct PlanPrices {
    /// Of USD for one EUR, in billionths.
    private static let rate: Int64 = 1_087_654_321
    private static let per: Int64 = 1000

    let plan: MoneyPlan

    private func price(_ version: Int) -> (input: Int64, cached: Int64, output: Int64) {
        let (input, output) = version == 1 ? (plan.prices[0], plan.prices[1]) : (plan.prices[2], plan.prices[3])
        return (input, input / 2, output)
    }

    /// The second book may be in another currency.
    private func currency(_ version: Int) -> Currency { version == 2 && plan.prices[2] % 2 == 1 ? .eur : .usd }

    private func models(_ version: Int) -> [MoneyPlan.Model] {
        version == 1 ? [.first, .second] : [.first, .second, .absent]
    }

    func content(_ version: Int) -> PriceBook.Content {
        let (input, cached, output) = price(version)
        let currency = currency(version)
        let meters: [(Meter, Int64)] = [(.input, input), (.cachedInput, cached), (.output, output)]
        return PriceBook.Content(
            entries: models(version).flatMap { model in
                meters.map { meter, units in
                    PriceEntry(
                        model: model.rawValue, meter: meter,
                        price: UnitPrice(units: units, currency: currency, per: Self.per))
                }
            },
            rates: [ExchangeRate(from: .eur, to: .usd, billionths: Self.rate, day: "2026-11-21")])
    }

    // MARK: What it must come to

    /// - Returns: nil for what the version has no price of.
    func amount(
        version: Int, model: MoneyPlan.Model, _ usage: Usage, in target: Currency, roundingUp: Bool = false
    ) -> Int64? {
        guard version > 0, models(version).contains(model) else { return nil }
        let (input, cached, output) = price(version)
        var above = Int128(usage.inputTokens - usage.cachedTokens) * Int128(input)
        above += Int128(usage.cachedTokens) * Int128(cached)
        above += Int128(usage.outputTokens) * Int128(output)
        var below = Int128(Self.per)
        let own = currency(version)
        if own != target {
            guard own == .eur, target == .usd else { return nil }
            above *= Int128(Self.rate)
            below *= 1_000_000_000
        }
        let whole = above / below
        let twice = (above - whole * below) * 2
        if roundingUp { return Int64(twice > 0 ? whole + 1 : whole) }
        let isUp = twice > below || twice == below && whole % 2 == 1
        return Int64(isUp ? whole + 1 : whole)
    }

    /// What it is charged in where nobody said.
    func ownCurrency(version: Int) -> Currency { currency(version) }
}
