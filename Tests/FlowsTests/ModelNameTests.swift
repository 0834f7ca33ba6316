import Billing
import Flows
import Inference
import Kernel
import TestKit
import Testing

/// A model has several names; walls bind it by each, and prices are kept by its own.
@Suite("Names of models")
struct ModelNameTests {
    private static let patterns = ["tiny", "default", "def*", "*"]

    private func aliased(_ harness: SpendingHarness) -> Deployment {
        harness.samples.deployment(
            ModelName(known: "tiny"), at: harness.deployment.endpoint, aliases: [ModelName(known: "default")])
    }

    // MARK: What binds

    @Test("a budget binds a model by each of its names, and no other model", arguments: Self.patterns)
    func budget(pattern: String) async throws {
        let harness = try SpendingHarness()
        harness.set(budgets: [
            harness.budget(1, 100, model: pattern), harness.budget(2, 0, isHard: false, model: pattern),
            harness.budget(3, 0, model: "fast"),
        ])
        try await harness.keeper.begin()
        let ticket = try await harness.ask(harness.request(60, of: aliased(harness))).ticket
        #expect(ticket.hold.parts.map(\.account) == [harness.account(1), harness.account(2)])
        let second = try await harness.ask(harness.request(101, of: aliased(harness)))
        #expect(second.problem?.code == .quotaExceeded)
    }

    @Test("a limit binds a model by each of its names", arguments: Self.patterns)
    func limit(pattern: String) async throws {
        let harness = try SpendingHarness()
        let limits = [pattern, "fast"].map { model in
            RateLimit(
                id: harness.samples.ids.next(), subject: .key(harness.spender.key), model: model,
                quantity: .requestsPerMinute, amount: 1)
        }
        harness.set(limits: limits)
        try await harness.keeper.begin()
        let ticket = try await harness.ask(harness.request(1, of: aliased(harness))).ticket
        #expect(ticket.rates.count == 1)
        let second = try await harness.ask(harness.request(1, of: aliased(harness)))
        #expect(second.problem?.code == .rateLimited)
    }

    @Test("under a wall in another currency the refusal says which rate is missing", arguments: [false, true])
    func noRate(isPrepaid: Bool) async throws {
        let content = PriceBook.Content(entries: [
            PriceEntry(model: "tiny", meter: .output, price: UnitPrice(units: 1, currency: .eur, per: 1))
        ])
        let book = PriceBook(kind: .price, version: 1, effective: Instant(microseconds: 0), content: content)
        let harness = try SpendingHarness(books: [book])
        try await harness.keeper.begin()
        harness.set(budgets: isPrepaid ? [] : [harness.budget(1, 1000, .money(.usd))], isPrepaid: isPrepaid)
        let problem = try #require(try await harness.ask(harness.request(10)).problem)
        #expect(problem.code == .priceMissing)
        #expect(problem.message.contains("a price in EUR") && problem.message.contains("no rate from EUR to USD"))
        #expect(problem.hint.contains("`rates:`"))
    }

    // MARK: What is kept by the own name

    private func priced(_ house: ControlHarness) async throws -> Set<String> {
        Set(try await house.flow.priceBook(of: nil, version: nil).prices.map(\.model))
    }

    private func price(_ model: String) -> NewPrice {
        var price = NewPrice(model: model, currency: "USD")
        price.input = DecimalInput("1")
        price.output = DecimalInput("2")
        return price
    }

    @Test("a price set by another name is the model's, also while the model does not run")
    func price() async throws {
        let house = try await ControlHarness(
            runtimes: [ControlHarness.service("tiny", state: "stopped", aliases: ["default"])])
        _ = try await house.flow.registerDeployment(
            NewDeployment(model: "big", endpoint: "http://127.0.0.1:1/v1", environment: "staging", aliases: ["fast"]))
        for name in ["default", "fast", "yet-to-come", "gpt-*"] { _ = try await house.flow.setPrice(price(name)) }
        #expect(try await priced(house) == ["tiny", "big", "yet-to-come", "gpt-*"])
        let quote = try await house.flow.quote(NewQuote(model: "default", inputTokens: 1, outputTokens: 1))
        #expect(quote.model == "tiny")
    }

    @Test("an imported book has models by their own names, and is not another version the second time")
    func imported() async throws {
        let house = try await ControlHarness(
            runtimes: [ControlHarness.service("tiny", state: "ready", aliases: ["default"])])
        let unit = UnitPriceView(amount: DecimalInput("1"), currency: "USD", per: 1000)
        func book(_ model: String) -> NewPriceBook {
            NewPriceBook(
                prices: [PriceEntryView(model: model, meter: "output_tokens", price: unit)],
                umu: [UMUConversionView(model: model, meter: "output_tokens", umu: DecimalInput("1"), per: 1)])
        }
        let first = try await house.flow.importPrices(book("default"))
        #expect(try await priced(house) == ["tiny"])
        for name in ["default", "tiny"] {
            #expect(try await house.flow.importPrices(book(name)).version == first.version)
        }
    }

    @Test("a name that several models share has no price of its own")
    func shared() async throws {
        let house = try await ControlHarness()
        for model in ["one", "two"] {
            _ = try await house.flow.registerDeployment(
                NewDeployment(model: model, endpoint: "http://127.0.0.1:1/v1", aliases: ["both"]))
        }
        let refused = await problem { try await house.flow.setPrice(price("both")) }
        #expect(refused?.code == .validationError && refused?.message.contains("`one`, `two`") == true)
    }
}
