import Billing
import Kernel
import Testing

@Suite struct AllowanceTests {
    private func book(_ prices: [UnitPrice], rates: [ExchangeRate] = []) -> PriceBook.Content {
        PriceBook.Content(umuPrice: prices, rates: rates)
    }

    /// 0.02 for 1,000 credits.
    private let dollars = UnitPrice(units: 20_000_000, currency: .usd, per: 1000)

    @Test func `credits are worth the book's price of UMU`() {
        let money = Allowance.money(for: 100_000, in: .usd, by: book([dollars]))
        #expect(money == Money(units: 2_000_000_000, .usd))
        #expect(Allowance.money(for: 100_000, in: nil, by: book([dollars])) == money)
        #expect(Allowance.money(for: 100_000, in: .usd, by: book([])) == nil)
    }

    @Test func `a wallet's own currency goes before another, and a rate leads to it`() {
        let rials = UnitPrice(units: 10_000_000, currency: .irr, per: 1)
        #expect(
            Allowance.money(for: 3, in: .irr, by: book([dollars, rials])) == Money(units: 30_000_000, .irr))
        let rate = ExchangeRate(from: .usd, to: .eur, billionths: 900_000_000, day: "2026-11-21")
        #expect(
            Allowance.money(for: 100_000, in: .eur, by: book([dollars], rates: [rate]))
                == Money(units: 1_800_000_000, .eur))
        #expect(Allowance.money(for: 100_000, in: .eur, by: book([dollars])) == nil)
    }

    @Test func `what does not fit is no amount`() {
        let dear = UnitPrice(units: .max, currency: .usd, per: 1)
        #expect(Allowance.money(for: .max, in: .usd, by: book([dear])) == nil)
    }

    @Test func `a month's grant has one name for tenant, plan and month`() throws {
        let (one, other) = (TenantID(ULID(high: 1, low: 1)), TenantID(ULID(high: 1, low: 2)))
        let month = try #require(Allowance.month(of: Instant(microseconds: 1_795_248_000_000_000)))
        var names: Set<CreditGrantID> = []
        for tenant in [one, other] {
            for plan in Plan.Name.allCases {
                for begins in [month.begins, month.ends] {
                    names.insert(Allowance.grant(of: plan, to: tenant, month: begins))
                }
            }
        }
        #expect(names.count == 12)
        #expect(Allowance.note(.pro, month: month.begins) == "plan pro 2026-11")
    }
}
