package import Billing
package import Kernel

/// What an amount is for: 0.15 USD for 1,000,000.
package struct UnitPriceView: Sendable, Codable, Equatable {
    package let amount: DecimalInput
    package let currency: String
    package let per: Int

    package init(amount: DecimalInput, currency: String, per: Int) {
        self.amount = amount
        self.currency = currency
        self.per = per
    }

    package init(_ price: UnitPrice) {
        self.init(
            amount: DecimalInput(Amount(units: price.units, .money(price.currency)).text),
            currency: price.currency.rawValue, per: Int(price.per))
    }
}

package struct PriceEntryView: Sendable, Codable, Equatable {
    package var model: String
    package var provider: String?
    package var operation: String?
    package var meter: String
    package var size: String?
    package var steps: Int?
    package var above: Int?
    package var price: UnitPriceView

    package init(model: String, meter: String, price: UnitPriceView) {
        self.model = model
        self.meter = meter
        self.price = price
    }

    package init(_ entry: PriceEntry) {
        model = entry.model
        provider = entry.provider
        operation = entry.operation
        meter = entry.meter.rawValue
        size = entry.size
        steps = entry.steps
        above = entry.above == 0 ? nil : Int(entry.above)
        price = UnitPriceView(entry.price)
    }
}

package struct UMUConversionView: Sendable, Codable, Equatable {
    package let model: String
    package let meter: String
    package let umu: DecimalInput
    package let per: Int

    package init(model: String, meter: String, umu: DecimalInput, per: Int) {
        self.model = model
        self.meter = meter
        self.umu = umu
        self.per = per
    }

    package init(_ conversion: UMUConversion) {
        self.init(
            model: conversion.model, meter: conversion.meter.rawValue,
            umu: DecimalInput(Amount(units: conversion.millionths, .umu).text), per: Int(conversion.per))
    }
}

package struct ExchangeRateView: Sendable, Codable, Equatable {
    static let scale = 9

    package let from: String
    package let to: String
    package let rate: DecimalInput
    package let day: String

    package init(from: String, to: String, rate: DecimalInput, day: String) {
        self.from = from
        self.to = to
        self.rate = rate
        self.day = day
    }

    package init(_ rate: ExchangeRate) {
        self.init(
            from: rate.from.rawValue, to: rate.to.rawValue,
            rate: DecimalInput(DecimalText.text(rate.billionths, scale: Self.scale, places: 0)), day: rate.day)
    }
}

/// A version of a book, without what stands in it.
package struct PriceVersionView: Sendable, Codable, Equatable {
    package let kind: PriceBook.Kind
    package let version: Int
    package let effective: Instant
    package let entries: Int
    /// A later version that takes its place, and when; null when there is none yet.
    @OrNull package var nextVersion: Int?
    @OrNull package var nextEffective: Instant?

    package init(_ summary: PriceBookSummary) {
        kind = summary.kind
        version = summary.version
        effective = summary.effective
        entries = summary.entries
    }

    package init(_ book: PriceBook, next: PriceBook? = nil) {
        kind = book.kind
        version = book.version
        effective = book.effective
        entries = book.content.entries.count
        nextVersion = next?.version
        nextEffective = next?.effective
    }

    private enum CodingKeys: String, CodingKey {
        case kind, version, effective, entries, nextVersion = "next_version", nextEffective = "next_effective"
    }
}

package struct PriceBookView: Sendable, Codable, Equatable {
    package let kind: PriceBook.Kind
    package let version: Int
    package let effective: Instant
    package let prices: [PriceEntryView]
    package let umu: [UMUConversionView]
    package let umuPrice: [UnitPriceView]
    package let rates: [ExchangeRateView]

    package init(_ book: PriceBook) {
        kind = book.kind
        version = book.version
        effective = book.effective
        prices = book.content.entries.map(PriceEntryView.init)
        umu = book.content.conversions.map(UMUConversionView.init)
        umuPrice = book.content.umuPrice.map(UnitPriceView.init)
        rates = book.content.rates.map(ExchangeRateView.init)
    }

    private enum CodingKeys: String, CodingKey {
        case kind, version, effective, prices, umu, umuPrice = "umu_price", rates
    }
}

/// What a request would cost.
package struct QuoteView: Sendable, Codable, Equatable {
    package let model: String
    package let operation: String
    /// For exactly these quantities.
    package let price: Amount
    /// What would be set aside for it, and is never passed.
    package let bound: Amount
    @OrNull package var umu: String?
    package let priceVersion: Int
    package let inputTokens: Int
    package let outputTokens: Int
    /// Whether every hard budget and the credit that bind the caller's key have room for it now; null without a key.
    @OrNull package var admitted: Bool?
    @OrNull package var refusal: QuoteRefusal?

    private enum CodingKeys: String, CodingKey {
        case model, operation, price, bound, umu, priceVersion = "price_version", inputTokens = "input_tokens"
        case outputTokens = "output_tokens", admitted, refusal
    }
}

/// What has no room for a request.
package struct QuoteRefusal: Sendable, Codable, Equatable {
    /// `budget` or `credit`.
    package let reason: String
    @OrNull package var budget: BudgetID?
    /// Of what is needed, and what there is.
    package let needed: Amount
    package let available: Amount
    /// When the budget begins anew; null for never.
    @OrNull package var resets: Instant?

    private enum CodingKeys: String, CodingKey {
        case reason, budget = "budget_id", needed, available, resets = "resets_at"
    }
}
