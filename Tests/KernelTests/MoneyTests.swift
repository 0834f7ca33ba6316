import Foundation
import Kernel
import TestKit
import Testing

@Suite struct MoneyTests {
    @Test("a currency and a part's role are equal to themselves alone, and are found again")
    func tellingApart() {
        for (place, currency) in Currency.allCases.enumerated() {
            #expect(currency.place == place)
            #expect(Currency.allCases.filter { $0 == currency }.count == 1)
        }
        let table = Dictionary(uniqueKeysWithValues: Currency.allCases.map { ($0, $0.rawValue) })
        #expect(Currency.allCases.allSatisfy { table[$0] == $0.rawValue })
        #expect(Hold.Role.allCases.allSatisfy { role in Hold.Role.allCases.filter { $0 == role } == [role] })
    }

    @Test(
        "decimals are read exactly",
        arguments: [
            ("12.50", Currency.usd, 12_500_000_000), ("0", .usd, 0), ("-0.000000001", .usd, -1),
            ("9223372036.854775807", .usd, Int64.max), ("-9223372036.854775808", .usd, Int64.min), ("7", .irr, 70_000),
            ("7.1234", .irr, 71_234),
        ])
    func reads(text: String, currency: Currency, units: Int64) throws {
        #expect(try Money(text, currency).units == units)
    }

    @Test(
        "decimals are written with the digits that they need, and two places at least",
        arguments: [
            (12_500_000_000, Currency.usd, "12.50"), (0, .usd, "0.00"), (-1, .usd, "-0.000000001"),
            (1_000_000_000, .usd, "1.00"), (120_000_000, .usd, "0.12"), (123_000_000, .usd, "0.123"),
            (Int64.max, .usd, "9223372036.854775807"), (Int64.min, .usd, "-9223372036.854775808"),
            (70_000, .irr, "7.00"), (71_230, .irr, "7.123"), (-5, .irr, "-0.0005"),
        ])
    func writes(units: Int64, currency: Currency, text: String) {
        #expect(Money(units: units, currency).amount == text)
    }

    @Test(
        "a whole number of what has no fraction has no point",
        arguments: [(1_000_000, "1000000"), (0, "0"), (-7, "-7")])
    func writesWhole(units: Int64, text: String) {
        #expect(DecimalText.text(units, scale: 0, places: 2) == text)
        #expect(DecimalText.text(units * 1000, scale: 3, places: 0) == text)
    }

    @Test(
        "what is no amount is refused",
        arguments: ["", "-", ".", "1.", ".5", "1.2.3", "+1", "1e3", " 1", "1,5", "٣", "0.0000000001"])
    func refuses(text: String) {
        #expect(throws: Money.Failure.notAnAmount) { try Money(text, .usd) }
    }

    @Test("what does not fit is refused, never wrapped", arguments: ["9223372036.854775808", "99999999999"])
    func overflows(text: String) {
        #expect(throws: Money.Failure.overflow) { try Money(text, .usd) }
    }

    @Test("sums are checked for size and for currency")
    func sums() throws {
        let most = Money(units: .max, .usd)
        #expect(throws: Money.Failure.overflow) { try most.adding(Money(units: 1, .usd)) }
        #expect(throws: Money.Failure.overflow) { try Money(units: .min, .usd).subtracting(Money(units: 1, .usd)) }
        #expect(throws: Money.Failure.currencyMismatch) { try most.adding(Money(units: 1, .eur)) }
        #expect(try Money("1.25", .eur).adding(Money("2.50", .eur)) == Money("3.75", .eur))
    }

    @Test(
        "scaling rounds half to even, on both sides of zero",
        arguments: [
            (5, 1, 2, 2), (15, 1, 2, 8), (7, 1, 2, 4), (-5, 1, 2, -2), (-7, 1, 2, -4), (5, 1, -2, -2), (1, 1, 3, 0),
            (2, 1, 3, 1), (-2, 1, 3, -1), (0, 7, 3, 0),
        ] as [(Int64, Int64, Int64, Int64)])
    func rounds(value: Int64, numerator: Int64, denominator: Int64, expected: Int64) {
        #expect(multiplyRounding(value, numerator, over: denominator) == expected)
    }

    @Test("scaling goes through 128 bits, and says when the result does not fit")
    func wide() throws {
        let much = Money(units: .max, .usd)
        #expect(try much.scaled(by: 1_000_000, over: 1_000_000) == much)
        #expect(throws: Money.Failure.overflow) { try much.scaled(by: 2, over: 1) }
        #expect(throws: Money.Failure.overflow) { try much.scaled(by: 1, over: 0) }
        #expect(try UMU(millionths: 3).times(5, per: 2) == UMU(millionths: 8))
        #expect(throws: UMU.Failure.overflow) { try UMU(millionths: .max).adding(UMU(millionths: 1)) }
    }

    @Test("an amount survives JSON, as text", arguments: [1, 2] as [UInt64])
    func json(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        for currency in Currency.allCases {
            for _ in 0..<100 {
                let money = Money(units: Int64(bitPattern: random.next()), currency)
                let decoded = try JSONDecoder().decode(Money.self, from: JSONEncoder().encode(money))
                #expect(decoded == money, "seed \(seed)")
            }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(Money("12.5", .usd)), as: UTF8.self)
        #expect(text == #"{"amount":"12.50","currency":"USD"}"#)
        let wrong = Data(#"{"amount":"12.5x","currency":"USD"}"#.utf8)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(Money.self, from: wrong) }
    }
}
