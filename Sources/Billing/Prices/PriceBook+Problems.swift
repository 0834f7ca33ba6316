import Kernel

extension PriceBook.Content {
    /// The most entries, conversions, prices and rates of a version together.
    package static let mostRows = 10_000

    /// What is wrong with a row of it, or with all of it.
    package struct Fault: Sendable {
        /// As files and requests call it.
        package enum Section: String, Sendable { case prices, umu, umuPrice = "umu_price", rates }

        package let words: String
        /// Where it is, from 0.
        package let row: (section: Section, index: Int)?

        init(_ words: String, _ section: Section, _ index: Int) {
            self.words = words
            row = (section, index)
        }

        init(_ words: String) {
            self.words = words
            row = nil
        }
    }

    /// What is wrong with it, in words for whoever wrote it; empty when it can be used. Each names its row, from 1.
    package var problems: [String] {
        faults.map { fault in
            fault.row.map { "\($0.section.rawValue), row \($0.index + 1): \(fault.words)" } ?? fault.words
        }
    }

    package var faults: [Fault] {
        let rows = entries.count + conversions.count + umuPrice.count + rates.count
        guard rows <= Self.mostRows else {
            return [Fault("a book has at most \(Self.mostRows) rows, and this one \(rows)")]
        }
        return problemsOfEntries + problemsOfConversions + problemsOfUMUPrice + problemsOfRates
            + problemsOfCurrencies
    }

    private var problemsOfEntries: [Fault] {
        var seen: Set<PriceEntry> = []
        return entries.enumerated().flatMap { index, entry in
            var found = entry.problems
            if !seen.insert(entry.withoutPrice).inserted { found.append("says the same as a row before it") }
            return found.map { Fault($0, .prices, index) }
        }
    }

    private var problemsOfConversions: [Fault] {
        var seen: Set<String> = []
        return conversions.enumerated().flatMap { index, conversion in
            var found = problemsOf(pattern: conversion.model)
            if conversion.millionths < 0 { found.append("UMU is below zero") }
            if !isMultiple(conversion.per) { found.append("`per` is 1, 1000 or 1000000") }
            if !seen.insert("\(conversion.meter.rawValue) \(conversion.model)").inserted {
                found.append("says the same as a row before it")
            }
            return found.map { Fault($0, .umu, index) }
        }
    }

    private var problemsOfUMUPrice: [Fault] {
        var seen: Set<Currency> = []
        return umuPrice.enumerated().flatMap { index, price in
            var found = price.problems
            if !seen.insert(price.currency).inserted { found.append("there is one for \(price.currency.rawValue)") }
            return found.map { Fault($0, .umuPrice, index) }
        }
    }

    private var problemsOfRates: [Fault] {
        var seen: Set<String> = []
        return rates.enumerated().flatMap { index, rate in
            var found: [String] = []
            if rate.billionths < 1 { found.append("a rate is above zero") }
            if rate.from == rate.to { found.append("a rate is between two currencies") }
            if !isDay(rate.day) { found.append("`day` is a date as 2026-11-21") }
            if !seen.insert("\(rate.from.rawValue) \(rate.to.rawValue) \(rate.day)").inserted {
                found.append("says the same as a row before it")
            }
            return found.map { Fault($0, .rates, index) }
        }
    }

    /// A model with prices in two currencies needs a rate between them, or no request of it could be added up.
    private var problemsOfCurrencies: [Fault] {
        let exchange = Exchange(rates)
        var first: [String: Currency] = [:]
        var told: Set<String> = []
        return entries.compactMap { entry in
            let known = first[entry.model] ?? entry.price.currency
            first[entry.model] = known
            guard known != entry.price.currency, exchange.rate(from: entry.price.currency, to: known) == nil,
                told.insert(entry.model).inserted
            else { return nil }
            return Fault(
                "\(entry.model) has prices in \(known.rawValue) and \(entry.price.currency.rawValue), "
                    + "and there is no rate between them")
        }
    }
}

extension PriceEntry {
    fileprivate var problems: [String] {
        var found = problemsOf(pattern: model) + price.problems
        if let provider, !isName(provider) { found.append("`provider` is a name, or left out") }
        if let operation, !isName(operation) { found.append("`operation` is a name, or left out") }
        if let size, !isSize(size) { found.append("`size` is as 1024x1024") }
        if let steps, steps < 1 { found.append("`steps` is 1 or more") }
        if meter != .images, size != nil || steps != nil { found.append("size and steps are for images") }
        if above < 0 { found.append("`above` is 0 or more") }
        return found
    }

    /// To tell whether two rows are about the same.
    fileprivate var withoutPrice: PriceEntry {
        PriceEntry(
            model: model, provider: provider, operation: operation, meter: meter, size: size, steps: steps,
            above: above, price: UnitPrice(units: 0, currency: .usd, per: 1))
    }
}

extension UnitPrice {
    fileprivate var problems: [String] {
        (units < 0 ? ["a price is not below zero"] : []) + (isMultiple(per) ? [] : ["`per` is 1, 1000 or 1000000"])
    }
}

private func isMultiple(_ per: Int64) -> Bool { [1, 1000, 1_000_000].contains(per) }

private func problemsOf(pattern: String) -> [String] {
    if pattern.contains("*"), pattern.dropLast().contains("*") || pattern.last != "*" {
        return ["`*` stands only at the end of a model's name"]
    }
    return isName(pattern) ? [] : ["a model has a name of 1 to 200 characters, without spaces"]
}

private func isName(_ text: String) -> Bool {
    (1...200).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f }
}

private func isSize(_ text: String) -> Bool {
    let sides = text.split(separator: "x", omittingEmptySubsequences: false)
    return sides.count == 2 && sides.allSatisfy { (1...6).contains($0.utf8.count) && $0.utf8.allSatisfy(isDigit) }
}

private func isDay(_ text: String) -> Bool {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.map(\.utf8.count) == [4, 2, 2], parts.allSatisfy({ $0.utf8.allSatisfy(isDigit) }),
        let month = Int(parts[1]), let day = Int(parts[2])
    else { return false }
    return (1...12).contains(month) && (1...31).contains(day)
}

private func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
