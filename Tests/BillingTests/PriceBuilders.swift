import Billing
import Kernel

/// A model that most tests price.
let tiny = PricedSubject(model: "tiny", provider: nil, operation: "chat")

func table(_ content: PriceBook.Content) -> PriceTable {
    PriceTable(PriceBook(kind: .price, version: 1, effective: Instant(microseconds: 0), content: content))
}

func table(_ entries: PriceEntry...) -> PriceTable { table(PriceBook.Content(entries: entries)) }

/// `units` of USD for a million.
func usd(_ units: Int64, per: Int64 = 1_000_000) -> UnitPrice { UnitPrice(units: units, currency: .usd, per: per) }

func entry(_ meter: Meter, _ price: UnitPrice, of model: String = "tiny", above: Int64 = 0) -> PriceEntry {
    PriceEntry(model: model, meter: meter, above: above, price: price)
}

func quantities(
    input: Int64 = 0, cached: Int64 = 0, output: Int64 = 0, reasoning: Int64 = 0, images: Int64 = 0,
    requests: Int64 = 0
) -> Quantities {
    var quantities = Quantities()
    quantities.input = input
    quantities.cachedInput = cached
    quantities.output = output
    quantities.reasoning = reasoning
    quantities.images = images
    quantities.requests = requests
    return quantities
}
