import Billing
import Kernel
import Testing

@Suite struct PriceTableTests {
    @Test func `the closest entry counts: its own name, then the longer beginning, then every model`() throws {
        let prices = table(
            entry(.input, usd(1_000_000), of: "*"), entry(.input, usd(2_000_000), of: "gpt-*"),
            entry(.input, usd(3_000_000), of: "gpt-5*"), entry(.input, usd(4_000_000), of: "gpt-5"))
        let expected: [(String, Int64)] = [("llama", 1), ("gpt-4", 2), ("gpt-5-mini", 3), ("gpt-5", 4)]
        for (model, units) in expected {
            let rates = try #require(prices.rates(for: PricedSubject(model: model, provider: nil, operation: "chat")))
            #expect(try rates.amount(of: quantities(input: 1), in: .usd) == units, "\(model)")
        }
    }

    @Test func `of entries for one model those that name the provider, then the operation, come first`() throws {
        func named(_ provider: String?, _ operation: String?, _ units: Int64) -> PriceEntry {
            PriceEntry(
                model: "m", provider: provider, operation: operation, meter: .input, price: usd(units, per: 1))
        }
        let prices = table(
            named(nil, nil, 1), named(nil, "chat", 2), named("openrouter", nil, 3), named("openrouter", "chat", 4))
        let expected: [(String?, String, Int64)] = [
            (nil, "embeddings", 1), (nil, "chat", 2), ("openrouter", "embeddings", 3), ("openrouter", "chat", 4),
            ("other", "chat", 2),
        ]
        for (provider, operation, units) in expected {
            let subject = PricedSubject(model: "m", provider: provider, operation: operation)
            let rates = try #require(prices.rates(for: subject))
            #expect(try rates.amount(of: quantities(input: 1), in: .usd) == units)
        }
    }

    @Test func `images are priced by size, and by the fewest steps that cover them`() throws {
        func image(_ size: String?, _ steps: Int?, _ units: Int64) -> PriceEntry {
            PriceEntry(model: "*", meter: .images, size: size, steps: steps, price: usd(units, per: 1))
        }
        let prices = table(
            image(nil, nil, 9), image("512x512", nil, 5), image("512x512", 4, 1), image("512x512", 20, 2))
        let expected: [(String?, Int?, Int64)] = [
            ("512x512", 4, 1), ("512x512", 5, 2), ("512x512", 21, 5), ("512x512", nil, 5), ("1024x1024", 4, 9),
            (nil, nil, 9),
        ]
        for (size, steps, units) in expected {
            let subject = PricedSubject(model: "m", provider: nil, operation: "images", size: size, steps: steps)
            let rates = try #require(prices.rates(for: subject))
            #expect(try rates.amount(of: quantities(images: 3), in: .usd) == 3 * units)
        }
    }

    @Test func `a long prompt makes the whole request dearer, by the highest threshold that it passes`() throws {
        let rates = try #require(
            table(
                entry(.input, usd(1, per: 1)), entry(.input, usd(2, per: 1), above: 100),
                entry(.input, usd(3, per: 1), above: 200), entry(.output, usd(10, per: 1)),
                entry(.output, usd(20, per: 1), above: 100)
            ).rates(for: tiny))
        let expected: [(Int64, Int64, Int64)] = [
            (100, 0, 110), (101, 0, 222), (200, 0, 420), (201, 0, 623), (50, 51, 222),
        ]
        for (input, cached, amount) in expected {
            #expect(
                try rates.amount(of: quantities(input: input, cached: cached, output: 1), in: .usd) == amount,
                "\(input) + \(cached)")
        }
    }

    @Test func `cached input costs as input and reasoning as output where they have no price of their own`() throws {
        let plain = try #require(
            table(entry(.input, usd(10, per: 1)), entry(.output, usd(20, per: 1))).rates(for: tiny))
        let all = quantities(input: 1, cached: 1, output: 1, reasoning: 1)
        #expect(try plain.amount(of: all, in: .usd) == 60)
        let fine = try #require(
            table(
                entry(.input, usd(10, per: 1)), entry(.cachedInput, usd(1, per: 1)), entry(.output, usd(20, per: 1)),
                entry(.reasoning, usd(5, per: 1))
            ).rates(for: tiny))
        #expect(try fine.amount(of: all, in: .usd) == 36)
        // What every model pays for cached tokens is no price of a model that has an input price of its own.
        let own = try #require(
            table(entry(.input, usd(10, per: 1)), entry(.cachedInput, usd(1, per: 1), of: "*")).rates(for: tiny))
        #expect(try own.amount(of: quantities(cached: 1), in: .usd) == 10)
    }

    @Test func `what was consumed without a price is named, and requests and GPU time are free unless priced`() throws {
        let rates = try #require(table(entry(.input, usd(10, per: 1))).rates(for: tiny))
        #expect(throws: PricingFailure.unpriced(.output)) { try rates.amount(of: quantities(output: 1), in: .usd) }
        #expect(throws: PricingFailure.unpriced(.output)) { try rates.ceiling(of: quantities(output: 1), in: .usd) }
        #expect(throws: PricingFailure.unpriced(.images)) { try rates.amount(of: quantities(images: 1), in: .usd) }
        var free = quantities(input: 1, requests: 1)
        free.gpuMilliseconds = 500
        #expect(try rates.amount(of: free, in: .usd) == 10)
        let priced = try #require(
            table(entry(.input, usd(10, per: 1)), entry(.requests, usd(5, per: 1)), entry(.gpu, usd(2000, per: 1)))
                .rates(for: tiny))
        #expect(try priced.amount(of: free, in: .usd) == 10 + 5 + 1000)
        #expect(table(entry(.input, usd(1), of: "other")).rates(for: tiny) == nil)
    }

    @Test func `a model without entries is priced by its UMU, and one with entries by them alone`() throws {
        let content = PriceBook.Content(
            entries: [entry(.input, usd(7, per: 1), of: "own")],
            conversions: [
                UMUConversion(model: "*", meter: .input, millionths: 1_000_000, per: 1000),
                UMUConversion(model: "big-*", meter: .input, millionths: 5_000_000, per: 1000),
                UMUConversion(model: "*", meter: .output, millionths: 4_000_000, per: 1000),
            ],
            umuPrice: [usd(2_000_000, per: 1), UnitPrice(units: 30_000, currency: .irr, per: 1)])
        let prices = table(content)
        func rates(_ model: String) throws -> ModelRates {
            try #require(prices.rates(for: PricedSubject(model: model, provider: nil, operation: "chat")))
        }
        let asked = quantities(input: 500, output: 250)
        // 0.5 + 1 UMU.
        #expect(try rates("tiny").umu(of: asked) == UMU(millionths: 1_500_000))
        #expect(try rates("tiny").amount(of: asked, in: .usd) == 3_000_000)
        #expect(try rates("tiny").amount(of: asked, in: .irr) == 45_000)
        #expect(try rates("big-1").umu(of: asked) == UMU(millionths: 3_500_000))
        #expect(try rates("own").amount(of: quantities(input: 2), in: .usd) == 14)
        #expect(try rates("own").umu(of: quantities(input: 500)) == UMU(millionths: 500_000))
        #expect(throws: PricingFailure.noRate(.usd, .eur)) { try rates("tiny").amount(of: asked, in: .eur) }
    }

    @Test func `UMU is counted also where nothing has a price`() {
        let content = PriceBook.Content(
            conversions: [UMUConversion(model: "*", meter: .input, millionths: 1, per: 1)])
        #expect(table(content).rates(for: tiny) == nil)
        #expect(table(content).umu(of: quantities(input: 5), for: tiny) == UMU(millionths: 5))
        #expect(table(content).umu(of: quantities(output: 5), for: tiny) == nil)
    }

    @Test func `amounts are converted by the last day's rate, direct or turned round, with one rounding`() throws {
        let content = PriceBook.Content(
            entries: [
                entry(.input, usd(1_000_000_000, per: 1_000_000)),
                entry(
                    .output,
                    UnitPrice(
                        units: 10_000, currency: .irr, per: 1)),
            ],
            rates: [
                ExchangeRate(from: .usd, to: .irr, billionths: 900_000_000_000_000, day: "2026-11-20"),
                ExchangeRate(from: .usd, to: .irr, billionths: 1_000_000_000_000_000, day: "2026-11-21"),
                ExchangeRate(from: .eur, to: .usd, billionths: 1_250_000_000, day: "2026-11-21"),
            ])
        let rates = try #require(table(content).rates(for: tiny))
        #expect(rates.currency == .usd)
        // A million input tokens are 1 USD, which is 1,000,000 rial of 10,000 units; an output token is one rial.
        #expect(try rates.amount(of: quantities(input: 1_000_000), in: .irr) == 10_000_000_000)
        #expect(try rates.amount(of: quantities(input: 1_000_000, output: 1), in: .irr) == 10_000_010_000)
        #expect(try rates.amount(of: quantities(input: 1_000_000, output: 1), in: .usd) == 1_000_001_000)
        #expect(try rates.amount(of: quantities(input: 1_000_000), in: .eur) == 800_000_000)
        #expect(throws: PricingFailure.noRate(.irr, .eur)) {
            try rates.amount(of: quantities(output: 1), in: .eur)
        }
    }

    @Test func `what does not fit is an error and never another number`() throws {
        let rates = try #require(table(entry(.input, usd(.max, per: 1))).rates(for: tiny))
        #expect(try rates.amount(of: quantities(input: 1), in: .usd) == .max)
        #expect(throws: PricingFailure.overflow) { try rates.amount(of: quantities(input: 2), in: .usd) }
        #expect(throws: PricingFailure.overflow) { try rates.amount(of: quantities(input: .max), in: .usd) }
        #expect(throws: PricingFailure.overflow) { try rates.ceiling(of: quantities(input: .max), in: .usd) }
        let content = PriceBook.Content(
            conversions: [UMUConversion(model: "*", meter: .input, millionths: .max, per: 1)], umuPrice: [usd(.max)])
        let byUMU = try #require(table(content).rates(for: tiny))
        #expect(throws: PricingFailure.overflow) { try byUMU.amount(of: quantities(input: .max), in: .usd) }
        #expect(byUMU.umu(of: quantities(input: 2)) == nil)
    }
}
