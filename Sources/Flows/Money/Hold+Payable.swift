import Billing
import Kernel

extension Hold {
    /// What walls in money leave of a price. More than they hold is our mistake, and not the tenant's, who therefore
    /// owes no more either where nothing else bounds it.
    /// - Parameter own: what the price is in, where that is known: a wall in the same currency counts as much.
    func payable(
        _ price: Int64, in own: Currency? = nil, for quantities: Quantities, at rates: ModelRates
    ) throws(PricingFailure) -> Int64 {
        var payable = price
        for part in parts where part.isWall {
            guard let currency = part.asset.currency else { continue }
            let counted = currency == own ? price : try rates.amount(of: quantities, in: currency)
            let held = max(0, part.amount)
            guard counted > held else { continue }
            payable = min(payable, Int64(clamping: Int128(price) * Int128(held) / Int128(counted)))
        }
        return payable
    }
}
