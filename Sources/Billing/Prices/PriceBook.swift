package import Kernel

/// One version of a book. Versions are only added; a request is priced by the version in force when it was accepted.
package struct PriceBook: Sendable, Hashable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// What a tenant pays.
        case price
        /// What a provider or a GPU's second costs us.
        case cost
    }

    package let kind: Kind
    /// From 1, in the order in which they were written.
    package let version: Int
    /// In force from this time on, until a later version's. Of two with the same time the higher version counts.
    package let effective: Instant
    package let content: Content

    package init(kind: Kind, version: Int, effective: Instant, content: Content) {
        self.kind = kind
        self.version = version
        self.effective = effective
        self.content = content
    }

    package struct Content: Sendable, Hashable, Codable {
        package var entries: [PriceEntry]
        /// How much UMU one whole of a meter is. For what no entry prices, UMU x `umuPrice` does.
        package var conversions: [UMUConversion]
        package var umuPrice: [UnitPrice]
        package var rates: [ExchangeRate]

        package init(
            entries: [PriceEntry] = [], conversions: [UMUConversion] = [], umuPrice: [UnitPrice] = [],
            rates: [ExchangeRate] = []
        ) {
            self.entries = entries
            self.conversions = conversions
            self.umuPrice = umuPrice
            self.rates = rates
        }
    }
}

/// An amount for so many of something: 0.15 USD for 1,000,000. `units` are the currency's ledger units.
package struct UnitPrice: Sendable, Hashable, Codable {
    package let units: Int64
    package let currency: Currency
    /// 1, 1000 or 1000000 wholes of the meter.
    package let per: Int64

    package init(units: Int64, currency: Currency, per: Int64) {
        self.units = units
        self.currency = currency
        self.per = per
    }
}

/// The price of one meter for what it names. Of the entries that match, the most specific counts.
package struct PriceEntry: Sendable, Hashable, Codable {
    /// A model's name, or `*` at the end of the beginning of one; `*` for every model.
    package var model: String
    /// The provider's name; nil for all, and for our own machines.
    package let provider: String?
    /// `chat`, `embeddings`, `images` …; nil for all.
    package let operation: String?
    package let meter: Meter
    /// An image's size as `1024x1024`; nil for all.
    package let size: String?
    /// For images made with at most so many steps; nil for any number.
    package let steps: Int?
    /// For requests whose prompt has more tokens than this; 0 for all. Of several the highest that is passed counts,
    /// for all of the request.
    package let above: Int64
    package let price: UnitPrice

    package init(
        model: String, provider: String? = nil, operation: String? = nil, meter: Meter, size: String? = nil,
        steps: Int? = nil, above: Int64 = 0, price: UnitPrice
    ) {
        self.model = model
        self.provider = provider
        self.operation = operation
        self.meter = meter
        self.size = size
        self.steps = steps
        self.above = above
        self.price = price
    }
}

/// How much UMU one whole of a meter is.
package struct UMUConversion: Sendable, Hashable, Codable {
    package var model: String
    package let meter: Meter
    package let millionths: Int64
    /// 1, 1000 or 1000000 wholes of the meter.
    package let per: Int64

    package init(model: String, meter: Meter, millionths: Int64, per: Int64) {
        self.model = model
        self.meter = meter
        self.millionths = millionths
        self.per = per
    }
}

/// What one whole of `from` was worth in `to` on a day.
package struct ExchangeRate: Sendable, Hashable, Codable {
    package let from: Currency
    package let to: Currency
    /// Of `to` for one whole of `from`, in billionths.
    package let billionths: Int64
    /// `2026-11-21`: when it was taken.
    package let day: String

    package init(from: Currency, to: Currency, billionths: Int64, day: String) {
        self.from = from
        self.to = to
        self.billionths = billionths
        self.day = day
    }
}

/// What a price is looked up for.
package struct PricedSubject: Sendable, Hashable {
    package let model: String
    package let provider: String?
    package let operation: String
    package let size: String?
    package let steps: Int?

    package init(model: String, provider: String?, operation: String, size: String? = nil, steps: Int? = nil) {
        self.model = model
        self.provider = provider
        self.operation = operation
        self.size = size
        self.steps = steps
    }
}

/// Where books are kept. Throws `Problem(.storageUnavailable)` and the like.
package protocol PriceStore: Sendable {
    /// Adds a version; the store numbers it, and writes the audit event with it.
    /// - Parameter after: the version that the author saw as the last; another one since then is `CONFLICT`.
    func add(
        _ content: PriceBook.Content, to kind: PriceBook.Kind, effective: Instant, after: Int, by act: MoneyAct
    ) async throws -> PriceBook
    /// Newest first, without a version's content.
    func versions(of kind: PriceBook.Kind, page: PageRequest) async throws -> Page<PriceBookSummary>
    func book(_ kind: PriceBook.Kind, version: Int) async throws -> PriceBook?
    /// The last version of each kind; 0 before the first.
    func heads() async throws -> [PriceBook.Kind: Int]
    /// Versions that are in force at `time` or will be later.
    func current(_ kind: PriceBook.Kind, at time: Instant) async throws -> [PriceBook]
}

package struct PriceBookSummary: Sendable, Hashable {
    package let kind: PriceBook.Kind
    package let version: Int
    package let effective: Instant
    package let written: Instant
    package let entries: Int

    package init(kind: PriceBook.Kind, version: Int, effective: Instant, written: Instant, entries: Int) {
        self.kind = kind
        self.version = version
        self.effective = effective
        self.written = written
        self.entries = entries
    }
}
