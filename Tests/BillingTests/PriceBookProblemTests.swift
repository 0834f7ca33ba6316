import Billing
import Kernel
import Testing

@Suite struct PriceBookProblemTests {
    private func problems(_ content: PriceBook.Content) -> [String] { content.problems }

    private func problems(_ entries: PriceEntry...) -> [String] { PriceBook.Content(entries: entries).problems }

    @Test func `a good book has no problems, and neither has an empty one`() {
        #expect(problems(PriceBook.Content()) == [])
        let content = PriceBook.Content(
            entries: [
                entry(.input, usd(0)), entry(.input, usd(5), above: 1), entry(.output, usd(5), of: "*"),
                PriceEntry(model: "img-*", meter: .images, size: "1024x1024", steps: 4, price: usd(1, per: 1)),
            ],
            conversions: [UMUConversion(model: "*", meter: .input, millionths: 0, per: 1000)], umuPrice: [usd(1)],
            rates: [ExchangeRate(from: .usd, to: .irr, billionths: 1, day: "2026-02-28")])
        #expect(problems(content) == [])
    }

    @Test func `every row that cannot be meant is named`() {
        #expect(problems(entry(.input, usd(-1))) == ["prices, row 1: a price is not below zero"])
        #expect(problems(entry(.input, usd(1, per: 100))) == ["prices, row 1: `per` is 1, 1000 or 1000000"])
        #expect(
            problems(entry(.input, usd(1)), entry(.input, usd(2))) == [
                "prices, row 2: says the same as a row before it"
            ])
        #expect(
            problems(entry(.input, usd(1), of: "a*b")) == [
                "prices, row 1: `*` stands only at the end of a model's name"
            ])
        #expect(problems(entry(.input, usd(1), of: "a**")).count == 1)
        #expect(problems(entry(.input, usd(1), of: "")).count == 1)
        #expect(problems(entry(.input, usd(1), of: "two words")).count == 1)
        #expect(problems(entry(.input, usd(1), above: -1)).count == 1)
        #expect(problems(PriceEntry(model: "m", provider: "", meter: .input, price: usd(1))).count == 1)
        #expect(problems(PriceEntry(model: "m", operation: "", meter: .input, price: usd(1))).count == 1)
        #expect(problems(PriceEntry(model: "m", meter: .images, size: "big", price: usd(1))).count == 1)
        #expect(problems(PriceEntry(model: "m", meter: .images, steps: 0, price: usd(1))).count == 1)
        #expect(problems(PriceEntry(model: "m", meter: .input, size: "1x1", price: usd(1))).count == 1)
    }

    @Test func `conversions, prices of UMU and rates are looked at as well`() {
        let conversion = UMUConversion(model: "*", meter: .input, millionths: -1, per: 7)
        #expect(problems(PriceBook.Content(conversions: [conversion, conversion])).count == 5)
        #expect(problems(PriceBook.Content(umuPrice: [usd(1), usd(2)])).count == 1)
        let rates = [
            ExchangeRate(from: .usd, to: .usd, billionths: 1, day: "2026-11-21"),
            ExchangeRate(from: .usd, to: .irr, billionths: 0, day: "2026-11-21"),
            ExchangeRate(from: .usd, to: .irr, billionths: 5, day: "2026-11-21"),
            ExchangeRate(from: .usd, to: .irr, billionths: 5, day: "2026-13-21"),
            ExchangeRate(from: .usd, to: .irr, billionths: 5, day: "tomorrow"),
        ]
        #expect(problems(PriceBook.Content(rates: rates)).count == 5)
    }

    @Test func `a model with prices in two currencies needs a rate between them`() {
        let entries = [entry(.input, usd(1)), entry(.output, UnitPrice(units: 1, currency: .irr, per: 1))]
        #expect(
            problems(PriceBook.Content(entries: entries)) == [
                "tiny has prices in USD and IRR, and there is no rate between them"
            ])
        let rate = ExchangeRate(from: .irr, to: .usd, billionths: 1000, day: "2026-11-21")
        #expect(problems(PriceBook.Content(entries: entries, rates: [rate])) == [])
    }

    @Test func `a book is bounded`() {
        let entries = (0...PriceBook.Content.mostRows).map { entry(.input, usd(1), of: "m\($0)") }
        #expect(problems(PriceBook.Content(entries: entries)).count == 1)
    }
}
