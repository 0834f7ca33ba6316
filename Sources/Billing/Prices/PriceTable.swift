package import Kernel
import Synchronization

/// One version of a book, ready to be asked for every request: what a model costs is worked out once.
/// One reference, since a request hands it on a few times.
package struct PriceTable: Sendable {
    private let compiled: Compiled

    package var book: PriceBook { compiled.book }
    package var version: Int { compiled.book.version }
    package var effective: Instant { compiled.book.effective }

    package init(_ book: PriceBook) { compiled = Compiled(book) }

    /// Whether it is the very same.
    package func isIdentical(to other: PriceTable) -> Bool { compiled === other.compiled }

    /// - Returns: nil where nothing in the book prices it, also not by its UMU.
    package func rates(for subject: PricedSubject) -> ModelRates? { compiled.answer(for: subject).rates }

    /// How much UMU the quantities are, also of a model that has no price.
    package func umu(of quantities: Quantities, for subject: PricedSubject) -> UMU? {
        compiled.answer(for: subject).conversions?.umu(of: quantities)
    }
}

/// The content, and what has been worked out from it so far.
private final class Compiled: Sendable {
    /// A class: it is handed out for every request, as one reference.
    final class Answer: Sendable {
        let subject: PricedSubject
        let rates: ModelRates?
        let conversions: UMURates?

        init(_ subject: PricedSubject, _ rates: ModelRates?, _ conversions: UMURates?) {
            self.subject = subject
            self.rates = rates
            self.conversions = conversions
        }
    }

    /// Subjects are made of names that operators chose and of sizes that callers choose.
    private static let mostAnswers = 10_000

    let book: PriceBook
    private let exchange: Exchange
    private let known = Mutex(Known())

    private var content: PriceBook.Content { book.content }

    private struct Known {
        var answers: [PricedSubject: Answer] = [:]
        /// Asked for last, and so likely next: a comparison costs less than a look-up.
        var last: Answer?

        mutating func answer(for subject: PricedSubject) -> Answer? {
            if let last, last.subject == subject { return last }
            guard let answer = answers[subject] else { return nil }
            last = answer
            return answer
        }
    }

    init(_ book: PriceBook) {
        self.book = book
        exchange = Exchange(book.content.rates)
    }

    func answer(for subject: PricedSubject) -> Answer {
        if let answer = known.withLock({ $0.answer(for: subject) }) { return answer }
        let answer = work(out: subject)
        known.withLock {
            if $0.answers.count >= Self.mostAnswers { $0.answers.removeAll(keepingCapacity: true) }
            $0.answers[subject] = answer
        }
        return answer
    }

    private func work(out subject: PricedSubject) -> Answer {
        let conversions = conversions(for: subject)
        let sheets: [RateSheet] =
            if let own = ownSheet(for: subject) {
                [own]
            } else if let conversions {
                content.umuPrice.compactMap { sheet(of: conversions, at: $0) }
            } else {
                []
            }
        guard let first = sheets.first else { return Answer(subject, nil, conversions) }
        let rates = RateSheets(
            first: first, others: Array(sheets.dropFirst()), conversions: conversions, exchange: exchange)
        return Answer(subject, ModelRates(rates), conversions)
    }

    private func ownSheet(for subject: PricedSubject) -> RateSheet? {
        var rates: [[(entry: PriceEntry, rank: EntryRank)]] = Array(repeating: [], count: Meter.allCases.count)
        for entry in content.entries {
            if let rank = EntryRank(of: entry, for: subject) { rates[entry.meter.place].append((entry, rank)) }
        }
        // A pattern's price of cached tokens does not stand in for those of a model with an input price of its own.
        for meter in Meter.allCases {
            guard let substitute = meter.substitute, let best = rates[substitute.place].map(\.rank.model).max() else {
                continue
            }
            rates[meter.place].removeAll { $0.rank.model < best }
        }
        let sorted = rates.map { entries in
            entries.sorted { $1.rank < $0.rank }.compactMap(\.entry.rate)
        }
        return RateSheet(rates: sorted, denominator: Int128(RateSheet.priceDenominator))
    }

    private func conversions(for subject: PricedSubject) -> UMURates? {
        var best: [(rank: ModelRank, numerator: Int128)?] = Array(repeating: nil, count: Meter.allCases.count)
        for conversion in content.conversions {
            guard let rank = ModelRank(of: conversion.model, for: subject.model),
                let numerator = numerator(conversion.millionths, per: conversion.per, of: conversion.meter)
            else { continue }
            if let known = best[conversion.meter.place], !(known.rank < rank) { continue }
            best[conversion.meter.place] = (rank, numerator)
        }
        let numerators = best.map { $0?.numerator }
        return numerators.contains { $0 != nil } ? UMURates(numerators: numerators) : nil
    }

    private func sheet(of conversions: UMURates, at price: UnitPrice) -> RateSheet? {
        guard price.units >= 0, price.per > 0 else { return nil }
        let rates = conversions.numerators.map { numerator -> [Rate] in
            guard let numerator else { return [] }
            let whole = try? product(numerator, Int128(price.units))
            return [Rate(above: 0, currency: price.currency, numerator: whole)]
        }
        // Of millionths of UMU, for `per` whole ones.
        return RateSheet(
            rates: rates, denominator: Int128(RateSheet.priceDenominator) * 1_000_000 * Int128(price.per))
    }
}

extension PriceEntry {
    fileprivate var rate: Rate? {
        numerator(price.units, per: price.per, of: meter).map {
            Rate(above: above, currency: price.currency, numerator: $0)
        }
    }
}

/// So much for `per` wholes, for one unit of the meter, over `RateSheet.priceDenominator`. Nil for what the validation
/// of books lets nobody write.
private func numerator(_ value: Int64, per: Int64, of meter: Meter) -> Int128? {
    guard value >= 0, [1, 1000, 1_000_000].contains(per) else { return nil }
    return Int128(value) * Int128(RateSheet.priceDenominator / (per * meter.unitsPerWhole))
}
