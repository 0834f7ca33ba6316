import Billing
import Kernel
import TestKit
import Testing

@Suite struct PricePropertyTests {
    /// Whether `amount` is the nearest to the fraction, and the even one of two that are as near. Says so by
    /// multiplying alone, so that it shares nothing with what divides and rounds.
    private func isHalfToEven(_ amount: Int64, _ numerator: Int128, over denominator: Int128) -> Bool {
        let twice = 2 * (Int128(amount) * denominator - numerator)
        return twice.magnitude < denominator || (twice.magnitude == denominator && amount % 2 == 0)
    }

    private func small(_ random: SeededRandom, _ bound: UInt64) -> Int64 { Int64(random.next(below: bound)) }

    private func per(_ random: SeededRandom) -> Int64 { [1, 1000, 1_000_000][Int(random.next(below: 3))] }

    @Test("the judge of roundings lets no other rounding through")
    func judge() {
        // 2.5, 3.5 and 2.51 over 100.
        #expect(isHalfToEven(2, 250, over: 100) && !isHalfToEven(3, 250, over: 100))
        #expect(isHalfToEven(4, 350, over: 100) && !isHalfToEven(3, 350, over: 100))
        #expect(isHalfToEven(3, 251, over: 100) && !isHalfToEven(2, 251, over: 100))
        #expect(!isHalfToEven(4, 251, over: 100))
    }

    @Test("an amount is exact and rounded once, half to even", arguments: [1, 2, 3] as [UInt64])
    func rounding(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        var ties = 0
        for _ in 0..<2000 {
            let meters = Meter.allCases.filter { $0 != .cachedInput && $0 != .reasoning }
            let entries = meters.map { meter in
                // Small prices for many wholes make halves likely.
                entry(
                    meter,
                    usd([0, 1, 3, 500, 499_999, small(random, 1 << 40)][Int(random.next(below: 6))], per: per(random)))
            }
            let rates = try #require(table(PriceBook.Content(entries: entries)).rates(for: tiny))
            var asked = Quantities()
            asked.input = small(random, 2_000_000)
            asked.output = [0, 500, 1000, small(random, 100_000)][Int(random.next(below: 4))]
            asked.images = small(random, 5)
            asked.audioMilliseconds = small(random, 100_000)
            asked.gpuMilliseconds = small(random, 100_000)
            asked.characters = small(random, 10_000)
            asked.requests = 1
            var numerator: Int128 = 0
            for entry in entries {
                let scale = Int128(entry.price.per) * Int128(entry.meter.unitsPerWhole)
                numerator += Int128(asked[entry.meter]) * Int128(entry.price.units) * (1_000_000_000 / scale)
            }
            let amount = try rates.amount(of: asked, in: .usd)
            #expect(isHalfToEven(amount, numerator, over: 1_000_000_000), "seed \(seed), \(entries), \(asked)")
            if (2 * numerator) % 1_000_000_000 == 0, numerator % 1_000_000_000 != 0 { ties += 1 }
        }
        #expect(ties > 0, "seed \(seed): no half was met")
    }

    @Test("a conversion is exact, and rounded once with the price", arguments: [4, 5, 6] as [UInt64])
    func conversion(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            let price = usd(1 + small(random, 1 << 34), per: per(random))
            let billionths = 1 + small(random, 1 << 50)
            let isDirect = random.next(below: 2) == 0
            let rate = ExchangeRate(
                from: isDirect ? .usd : .irr, to: isDirect ? .irr : .usd, billionths: billionths, day: "2026-11-21")
            let content = PriceBook.Content(entries: [entry(.input, price)], rates: [rate])
            let rates = try #require(table(content).rates(for: tiny))
            let tokens = 1 + small(random, 10_000)
            let units = Int128(tokens) * Int128(price.units)
            // Units of USD are billionths, those of IRR ten-thousandths.
            let (numerator, denominator): (Int128, Int128) =
                isDirect
                ? (units * Int128(billionths), Int128(price.per) * 1_000_000_000 * 100_000)
                : (units * 10_000, Int128(price.per) * Int128(billionths))
            guard numerator / denominator < Int128(Int64.max) / 4 else { continue }
            let amount = try rates.amount(of: quantities(input: tokens), in: .irr)
            #expect(isHalfToEven(amount, numerator, over: denominator), "seed \(seed), \(price), \(rate), \(tokens)")
        }
    }

    @Test("no actual within a bound costs more than the bound", arguments: [7, 8, 9, 10] as [UInt64])
    func ceiling(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        for _ in 0..<300 {
            let content = randomBook(random)
            #expect(content.problems.isEmpty, "seed \(seed)")
            let rates = try #require(table(content).rates(for: tiny))
            let currency = Currency.allCases[Int(random.next(below: 3))]
            for _ in 0..<20 {
                let bound = randomQuantities(random)
                let most = try rates.ceiling(of: bound, in: currency)
                let actual = within(bound, random)
                let amount = try rates.amount(of: actual, in: currency)
                #expect(amount <= most, "seed \(seed), \(content), \(bound), \(actual)")
                // Monotone: less is never dearer.
                #expect(try rates.ceiling(of: actual, in: currency) <= most, "seed \(seed), \(bound), \(actual)")
            }
        }
    }

    @Test("a price that is said twice, for short prompts and for long ones, is one price", arguments: [11, 12, 13])
    func saidTwice(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        for _ in 0..<300 {
            let meters = Meter.allCases.filter { _ in random.next(below: 3) > 0 }
            let once = meters.map { entry($0, usd(small(random, 1 << 40), per: per(random))) }
            let twice = once.flatMap { [$0, entry($0.meter, $0.price, above: 1 + small(random, 1000))] }
            guard let flat = table(PriceBook.Content(entries: once)).rates(for: tiny) else { continue }
            let looked = try #require(table(PriceBook.Content(entries: twice)).rates(for: tiny))
            for _ in 0..<20 {
                let asked = randomQuantities(random)
                let amounts = [flat, looked].map { rates in
                    Result { () throws(PricingFailure) in try rates.amount(of: asked, in: .usd) }
                }
                #expect(amounts[0] == amounts[1], "seed \(seed), \(once), \(asked)")
                let bounds = [flat, looked].map { rates in
                    Result { () throws(PricingFailure) in try rates.ceiling(of: asked, in: .usd) }
                }
                #expect(bounds[0] == bounds[1], "seed \(seed), \(once), \(asked)")
            }
        }
    }

    @Test("ten million requests sum to the exact price, in any order")
    func tenMillion() throws {
        // 0.15 USD for a million: 1.05 millionths of a dollar for seven tokens.
        let rates = try #require(table(entry(.input, usd(150_000_000))).rates(for: tiny))
        let each = try rates.amount(of: quantities(input: 7), in: .usd)
        #expect(each == 1050)
        var sum = Money(units: 0, .usd)
        var thousand = Money(units: 0, .usd)
        for _ in 0..<1000 { thousand = try thousand.adding(Money(units: each, .usd)) }
        for _ in 0..<10_000 { sum = try sum.adding(thousand) }
        #expect(sum.description == "10.50 USD")
        #expect(try rates.amount(of: quantities(input: 70_000_000), in: .usd) == sum.units)
    }

    @Test("a price that is no whole number of units is off by at most half a unit for each request")
    func halves() throws {
        let rates = try #require(table(entry(.input, usd(500, per: 1000))).rates(for: tiny))
        // 0.5, 1.0, 1.5, 2.0, 2.5 …
        let amounts = try (1...8).map { try rates.amount(of: quantities(input: $0), in: .usd) }
        #expect(amounts == [0, 1, 2, 2, 2, 3, 4, 4])
        #expect(try rates.ceiling(of: quantities(input: 1), in: .usd) == 1)
    }

    // MARK: What is made up

    private func randomBook(_ random: SeededRandom) -> PriceBook.Content {
        var seen: Set<String> = []
        var entries: [PriceEntry] = []
        let isMixed = random.next(below: 2) == 0
        for meter in Meter.allCases {
            let isFine = meter == .cachedInput || meter == .reasoning
            if isFine, random.next(below: 2) == 0 { continue }
            for model in ["*", "ti*", "tiny"] {
                for above in [0, small(random, 50_000), small(random, 50_000)] {
                    // Every meter has a price that counts for all prompts.
                    if !(model == "*" && above == 0), random.next(below: 2) == 0 { continue }
                    guard seen.insert("\(meter) \(model) \(above)").inserted else { continue }
                    let currency: Currency = isMixed && random.next(below: 4) == 0 ? .eur : .usd
                    let price = UnitPrice(units: small(random, 1 << 36), currency: currency, per: 1_000_000)
                    entries.append(PriceEntry(model: model, meter: meter, above: above, price: price))
                }
            }
        }
        let rates = [
            ExchangeRate(from: .eur, to: .usd, billionths: 1_000_000_007, day: "2026-11-21"),
            ExchangeRate(from: .usd, to: .irr, billionths: 1_123_456_789_012_345, day: "2026-11-21"),
            ExchangeRate(from: .eur, to: .irr, billionths: 1_301_020_304_050_607, day: "2026-11-21"),
        ]
        return PriceBook.Content(entries: entries, rates: rates)
    }

    private func randomQuantities(_ random: SeededRandom) -> Quantities {
        var quantities = quantities(
            input: small(random, 60_000), output: small(random, 8000), images: small(random, 3),
            requests: 1)
        if random.next(below: 3) == 0 { quantities.cachedInput = small(random, 60_000) }
        if random.next(below: 3) == 0 { quantities.reasoning = small(random, 8000) }
        quantities.audioMilliseconds = small(random, 60_000)
        quantities.characters = small(random, 1000)
        return quantities
    }

    /// Anything that the bound allows: input may turn out to be cached, output to be reasoning.
    private func within(_ bound: Quantities, _ random: SeededRandom) -> Quantities {
        func some(_ most: Int64) -> Int64 {
            [most, small(random, UInt64(most) + 1)][Int(random.next(below: 2))]
        }
        var actual = Quantities()
        let prompt = some(bound.input + bound.cachedInput)
        actual.cachedInput = some(prompt)
        actual.input = prompt - actual.cachedInput
        let answer = some(bound.output + bound.reasoning)
        actual.reasoning = some(answer)
        actual.output = answer - actual.reasoning
        actual.images = some(bound.images)
        actual.audioMilliseconds = some(bound.audioMilliseconds)
        actual.characters = some(bound.characters)
        actual.requests = some(bound.requests)
        return actual
    }
}
