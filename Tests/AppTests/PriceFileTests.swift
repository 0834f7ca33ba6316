import App
import Billing
import Flows
import FoundationEssentials
import Kernel
import Testing

@Suite struct PriceFileTests {
    private let whole = """
        currency: USD
        prices:
          - model: gpt-5
            provider: openai
            operation: chat
            input: 1.25
            cached_input: 0.125
            output: 10
          - model: gpt-5
            above: 128000
            input: 2.5
            per: 1m
          - {model: "sdxl*", size: 1024x1024, steps: 30, image: 0.04}
          - {model: local, currency: IRR, per: 1k, input: 2000.5, gpu_second: 900, request: 0}
        umu:
          - {model: "*", per: 1k, input: 1, output: 4.000001}
        umu_price:
          - {price: 0.002}
        rates:
          - {from: USD, to: IRR, rate: 1050000.5, day: 2026-11-21}
        """

    @Test func `a file says prices, UMU and rates, and the currency and the number that prices are for once`() throws {
        let content = try PriceFile.read(whole, of: "f")
        func usd(_ units: Int64, per: Int64 = 1_000_000) -> UnitPrice {
            UnitPrice(units: units, currency: .usd, per: per)
        }
        func irr(_ units: Int64, per: Int64) -> UnitPrice { UnitPrice(units: units, currency: .irr, per: per) }
        func chat(_ meter: Meter, _ units: Int64) -> PriceEntry {
            PriceEntry(model: "gpt-5", provider: "openai", operation: "chat", meter: meter, price: usd(units))
        }
        #expect(
            content.entries == [
                chat(.input, 1_250_000_000), chat(.cachedInput, 125_000_000), chat(.output, 10_000_000_000),
                PriceEntry(model: "gpt-5", meter: .input, above: 128_000, price: usd(2_500_000_000)),
                PriceEntry(
                    model: "sdxl*", meter: .images, size: "1024x1024", steps: 30, price: usd(40_000_000, per: 1)),
                PriceEntry(model: "local", meter: .input, price: irr(20_005_000, per: 1000)),
                PriceEntry(model: "local", meter: .gpu, price: irr(9_000_000, per: 1)),
                PriceEntry(model: "local", meter: .requests, price: irr(0, per: 1)),
            ])
        #expect(
            content.conversions == [
                UMUConversion(model: "*", meter: .input, millionths: 1_000_000, per: 1000),
                UMUConversion(model: "*", meter: .output, millionths: 4_000_001, per: 1000),
            ])
        #expect(content.umuPrice == [usd(2_000_000, per: 1)])
        #expect(
            content.rates == [
                ExchangeRate(from: .usd, to: .irr, billionths: 1_050_000_500_000_000, day: "2026-11-21")
            ])
    }

    @Test func `what a version is written as is read as the same`() throws {
        let content = try PriceFile.read(whole, of: "f")
        let book = PriceBook(kind: .price, version: 7, effective: Instant(microseconds: 0), content: content)
        let text = PriceFile.text(of: PriceBookView(book))
        #expect(text.hasPrefix("# version 7 of the price book\nprices:\n"))
        let again = try PriceFile.read(text, of: "f")
        #expect(Set(again.entries) == Set(content.entries), "\(text)")
        #expect(Set(again.conversions) == Set(content.conversions))
        #expect(again.umuPrice == content.umuPrice && again.rates == content.rates)
    }

    private func complaints(_ yaml: String) -> [String] {
        do throws(Problem) {
            _ = try PriceFile.read(yaml, of: "f")
            return []
        } catch {
            #expect(error.code == .validationError)
            return (error.message).split(separator: "\n").map(String.init)
        }
    }

    @Test func `everything that is wrong is told with its line and column`() {
        let told = complaints(
            """
            currency: USD
            prices:
              - {model: a, input: cheap, ouput: 1}
              - {input: 1}
              - {model: b}
              - {model: c, input: -1}
              - {model: d, input: 0.0000000001}
              - {model: e, currency: XYZ, input: 1}
              - {model: f, input: 1, per: 10}
            rates:
              - {from: USD, to: IRR, rate: 1}
            """)
        #expect(told.count == 9, "\(told)")
        #expect(told.first?.hasPrefix("f:3:23: prices[0].input is `cheap`") == true, "\(told)")
        #expect(told.contains { $0.hasSuffix("prices[0].ouput is not known; did you mean `output`?") }, "\(told)")
        #expect(told.contains { $0.hasPrefix("f:4:5: prices[1] has no `model`") }, "\(told)")
        #expect(told.contains { $0.hasPrefix("f:11:5: rates[0] has no `day`") }, "\(told)")
    }

    @Test func `a file that is not there, and one that is no text, is told by its name`() {
        let absent = #expect(throws: Problem.self) { try PriceFile.read(at: "/nowhere/prices.yaml") }
        #expect(absent?.code == .notFound && absent?.message == "/nowhere/prices.yaml: no such file.")
        let binary = #expect(throws: Problem.self) { try PriceFile.read(Data([0xFF, 0xFE]), of: "p.yaml") }
        #expect(binary?.code == .validationError && binary?.message == "p.yaml is not UTF-8.")
    }

    @Test func `a currency or an operation that is not known is told once, where it stands`() {
        let currency = complaints("currency: GBP\nprices: [{model: a, input: 1}, {model: b, input: 1}]")
        #expect(currency == ["f:1:11: currency is `GBP`, which is not known; allowed: IRR, USD, EUR."])
        let operation = complaints("currency: USD\nprices: [{model: a, input: 1, operation: dance}]")
        #expect(operation.count == 1 && operation[0].contains("prices[0].operation is `dance`"), "\(operation)")
    }

    @Test func `a file without a currency, without prices, or with rows that say the same is refused`() {
        #expect(complaints("prices: [{model: a, input: 1}]").count == 1)
        #expect(complaints("currency: USD").count == 1)
        #expect(complaints("").count == 1)
        #expect(complaints("a: [").count == 1)
        let twice = "currency: USD\nprices: [{model: a, input: 1}, {model: a, input: 2}]"
        #expect(complaints(twice) == ["f:2:32: prices[1]: says the same as a row before it."])
        let both = "currency: USD\nprices:\n- {model: a, input: 1, output: 1}\n- {model: a, input: 2, output: 2}"
        #expect(complaints(both) == ["f:4:3: prices[1]: says the same as a row before it."], "once, not for each price")
        let rate = "rates:\n- {from: USD, to: USD, rate: 1, day: 2026-11-21}"
        #expect(complaints(rate) == ["f:2:3: rates[0]: a rate is between two currencies."])
    }
}
