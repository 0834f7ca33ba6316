import Billing
import Inference
import Kernel

/// What a finished request takes from each part of its hold: the amounts that `SettlementRules` posts, without the
/// transfers. The node's memory and the ledger agree because both ask the same pure functions.
struct AdmissionCapture {
    /// For each part of the hold.
    private(set) var amounts: PartAmounts
    /// What the tenant pays; nil for what has no price.
    private(set) var price: Money?
    /// What the quantities cost, before walls and credit have their say: worked out once.
    private var counted: Money?

    /// - Parameter quantities: what is charged of the request's record, as `ChargeRules` says.
    init(of quantities: Quantities, from hold: Hold, _ pricing: AdmissionPricing) {
        amounts = PartAmounts(zeros: hold.parts.count)
        let purse = hold.parts.first(where: \.isPurse)?.asset.currency
        guard quantities != Quantities() else {
            price = hold.prices > 0 ? purse.map { Money(units: 0, $0) } : nil
            return
        }
        if hold.prices > 0, let rates = pricing.rates {
            price = try? charge(quantities, hold, rates, in: purse ?? rates.currency)
        }
        for (place, part) in hold.parts.enumerated() where part.isWall {
            guard let quantity = quantity(of: part.asset, quantities, pricing) else { continue }
            amounts[place] = Capture.count(quantity, in: part)
        }
    }

    private mutating func charge(
        _ quantities: Quantities, _ hold: Hold, _ rates: ModelRates, in currency: Currency
    ) throws(PricingFailure) -> Money {
        let price = try rates.amount(of: quantities, in: currency)
        counted = Money(units: price, currency)
        let payable = try hold.payable(price, in: currency, for: quantities, at: rates)
        let rest = Capture.pay(payable, from: hold.parts, into: &amounts)
        return Money(units: payable - rest, currency)
    }

    private func quantity(
        of asset: Asset, _ quantities: Quantities, _ pricing: AdmissionPricing
    ) -> Int64? {
        if let quantity = quantities[asset] { return quantity }
        if let counted, counted.currency == asset.currency { return counted.units }
        if let currency = asset.currency { return try? pricing.rates?.amount(of: quantities, in: currency) }
        return pricing.table?.umu(of: quantities, for: pricing.subject)?.millionths
    }
}
