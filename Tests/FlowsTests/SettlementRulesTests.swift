import Billing
import Flows
import Inference
import Kernel
import TestKit
import Testing

/// The table of `ChargeRules`, row by row. Seven tokens of the prompt and two of the answer cost the tenant 270.
@Suite struct SettlementRulesTests {
    @Test(
        "what the tenant pays goes by how the request ended",
        arguments: [
            (RequestStatus.succeeded, 270), (.clientClosed, 270), (.truncated, 270), (.timedOut, 270),
            (.interrupted, 270), (.rejected, 0), (.failed, 0),
        ] as [(RequestStatus, Int64)])
    func byStatus(status: RequestStatus, price: Int64) async throws {
        let house = SettlementHarness()
        let settled = try await house.settle(
            house.record(status, parts: [house.owes(), house.soft(.requests)], cost: .none))
        #expect(settled.bill.state == .charged)
        #expect(settled.bill.price == Money(units: price, .usd))
        #expect(settled.lines == (price == 0 ? [] : ["charge/0 posted 270 USD", "count/1 posted 1 requests"]))
        #expect(settled.suspended == nil)
    }

    @Test(
        "what ended before anything was produced costs nothing and counts as no request",
        arguments: [RequestStatus.clientClosed, .truncated, .timedOut, .interrupted])
    func nothingProduced(status: RequestStatus) async throws {
        let house = SettlementHarness()
        let settled = try await house.settle(
            house.record(status, input: 0, output: 0, parts: [house.owes(), house.soft(.requests)], cost: .unknown))
        #expect(settled.bill.price == Money(units: 0, .usd))
        #expect(settled.lines == [])
    }

    @Test("a request that succeeded counts as one, whatever its answer says of tokens")
    func succeededWithoutTokens() async throws {
        let house = SettlementHarness()
        let settled = try await house.settle(
            house.record(input: 0, output: 0, parts: [house.owes(), house.soft(.requests)]))
        #expect(settled.lines == ["count/1 posted 1 requests"])
    }

    @Test("a charge goes from its account to revenue, with the request and when it was accepted")
    func wholeTransfer() async throws {
        let house = SettlementHarness()
        let record = house.record(parts: [house.credit(300)], cost: .none)
        let settled = try await house.settle(record)
        #expect(
            settled.transfers == [
                Transfer(
                    id: TransferID("\(record.request)/charge/0"), kind: .post, reason: .charge, debit: house.grant,
                    credit: PlatformAccounts.id(.revenue, .money(.usd)), amount: Amount(units: 270, .money(.usd)),
                    escrow: house.escrow, request: record.request, accepted: record.started)
            ])
        #expect(settled.bill.priceVersion == 3 && settled.bill.costVersion == 4)
        #expect(settled.bill.umu == UMU(millionths: 13))
    }

    @Test("credit pays in its order, and what is owed takes the rest")
    func purses() async throws {
        let house = SettlementHarness()
        let settled = try await house.settle(
            house.record(parts: [house.credit(100), house.credit(50), house.owes()], cost: .none))
        #expect(
            settled.lines == ["charge/0 post 100 USD", "charge/1 post 50 USD", "charge/2 posted 120 USD"])
        #expect(settled.bill.price == Money(units: 270, .usd))
    }

    @Test("what was not held is the platform's loss, and not the tenant's")
    func excess() async throws {
        let house = SettlementHarness()
        let record = house.record(parts: [house.credit(100)], cost: .none)
        let settled = try await house.settle(record)
        #expect(settled.lines == ["charge/0 post 100 USD", "excess posted 170 USD"])
        #expect(settled.bill.price == Money(units: 100, .usd))
        let loss = try #require(settled.transfers.last)
        #expect(loss.debit == PlatformAccounts.id(.loss, .money(.usd)) && loss.reason == .excess)
        #expect(loss.credit == PlatformAccounts.id(.revenue, .money(.usd)))
    }

    @Test("a wall in money bounds what is paid, also by who pays afterwards")
    func wallBoundsPayment() async throws {
        let house = SettlementHarness()
        let settled = try await house.settle(house.record(parts: [house.hard(200), house.owes()], cost: .none))
        #expect(settled.lines == ["charge/1 posted 200 USD", "excess posted 70 USD", "count/0 post 200 USD"])
        #expect(settled.bill.price == Money(units: 200, .usd))
    }

    @Test("a wall in another currency counts by the book's rate, beside one in the purse's own")
    func otherCurrency() async throws {
        var prices = SettlementHarness.content(10, 100)
        prices.rates = [ExchangeRate(from: .usd, to: .eur, billionths: 500_000_000, day: "2026-11-21")]
        let house = SettlementHarness(prices: prices)
        let settled = try await house.settle(
            house.record(parts: [house.owes(), house.hard(1000, .money(.eur)), house.hard(1000)], cost: .none))
        #expect(settled.lines == ["charge/0 posted 270 USD", "count/1 post 135 EUR", "count/2 post 270 USD"])
    }

    @Test("budgets count what they are kept in: walls at most what was held, all others everything")
    func budgets() async throws {
        let house = SettlementHarness()
        let settled = try await house.settle(
            house.record(
                cached: 3,
                parts: [
                    house.owes(), house.hard(1000), house.soft(), house.hard(5, .tokens), house.soft(.tokens),
                    house.soft(.umu), house.soft(.requests), house.soft(.gpu),
                ], cost: .none))
        #expect(
            settled.lines == [
                "charge/0 posted 270 USD", "count/1 post 270 USD", "count/2 posted 270 USD", "count/3 post 5 tokens",
                "count/4 posted 9 tokens", "count/5 posted 13 umu", "count/6 posted 1 requests",
            ])
        let count = try #require(settled.transfers.dropFirst().first)
        #expect(count.debit == house.budget && count.credit == PlatformAccounts.id(.consumed, .money(.usd)))
    }

    @Test("usage without a price waits in suspense; quotas count it all the same")
    func unpriced() async throws {
        let house = SettlementHarness()
        let record = house.record(model: "other", parts: [house.owes(), house.soft(.tokens), house.soft()])
        let settled = try await house.settle(record)
        #expect(settled.bill.state == .suspended && settled.bill.price == nil)
        #expect(settled.lines == ["count/1 posted 9 tokens"])
        #expect(
            settled.suspended
                == SuspendedItem(
                    request: record.request, workspace: record.workspace, reason: .unpriced, amount: nil,
                    accepted: record.started))
        let failed = try await house.settle(house.record(.failed, model: "other", parts: [house.owes()]))
        #expect(failed.suspended == nil && failed.bill.price == Money(units: 0, .usd))
    }

    @Test("a version that is not there any more is no price, and a price that does not fit says so")
    func missingAndOverflow() async throws {
        let house = SettlementHarness(prices: SettlementHarness.content(.max, .max))
        #expect(try await house.settle(house.record(parts: [house.owes()], prices: 9)).suspended?.reason == .unpriced)
        #expect(try await house.settle(house.record(parts: [house.owes()])).suspended?.reason == .overflow)
    }

    @Test("before there is a book nothing is charged and nothing suspended, and quotas count")
    func free() async throws {
        let house = SettlementHarness()
        let settled = try await house.settle(
            house.record(model: "other", parts: [house.soft(.tokens)], prices: 0, costs: 0))
        #expect(settled.bill.state == .free && settled.bill.price == nil && settled.bill.cost == nil)
        #expect(settled.lines == ["count/0 posted 9 tokens"])
        #expect(settled.suspended == nil)
    }

    @Test(
        "what a request costs us goes by what is known of its last attempt, whoever pays",
        arguments: [
            (RequestStatus.succeeded, Attempt.Cost.confirmed, 11), (.succeeded, .estimated, 11),
            (.failed, .confirmed, 11),
            (.interrupted, .unknown, 11), (.clientClosed, .estimated, 11), (.rejected, .none, 0),
        ] as [(RequestStatus, Attempt.Cost, Int64)])
    func costs(status: RequestStatus, cost: Attempt.Cost, units: Int64) async throws {
        let house = SettlementHarness()
        let provider: ProviderID = house.samples.ids.next()
        let settled = try await house.settle(
            house.record(status, parts: [], prices: 0, cost: cost, attempts: 2, provider: provider))
        #expect(settled.bill.cost == Money(units: units, .usd))
        #expect(settled.lines == (units == 0 ? [] : ["cost/2 posted 11 USD"]))
        let accounts = [Account.Kind.cost, .payable].map {
            PlatformAccounts.account($0, .money(.usd), subject: provider.description)
        }
        #expect(house.ledger.opened == (units == 0 ? [] : [accounts]))
        if let transfer = settled.transfers.first {
            #expect(transfer.debit == accounts[0].id && transfer.credit == accounts[1].id)
        }
    }

    @Test("each attempt costs what its own provider takes, whoever the request's price goes by")
    func costsByProvider() async throws {
        let (dear, cheap): (ProviderID, ProviderID) = (Samples(seed: 8).ids.next(), Samples(seed: 9).ids.next())
        let house = SettlementHarness(
            costs: SettlementHarness.costs([(nil, 1, 2), (dear.description, 10, 20), (cheap.description, 3, 4)]))
        for (last, units) in [(dear, 110), (cheap, 29), (nil, 11)] as [(ProviderID?, Int64)] {
            let record = house.record(parts: [], prices: 0, attempts: 2, provider: dear)
            let settled = try await house.settle(record.calling([cheap, last]))
            #expect(settled.bill.cost == Money(units: units, .usd))
            #expect(settled.lines == ["cost/2 posted \(units) USD"])
            let owner = last?.description ?? ""
            #expect(
                settled.transfers.map(\.debit) == [PlatformAccounts.id(.cost, .money(.usd), subject: owner)]
                    && settled.transfers.map(\.credit) == [PlatformAccounts.id(.payable, .money(.usd), subject: owner)])
        }
        #expect(house.ledger.opened.map(\.count) == [2, 2, 2], "each provider's accounts are opened once")
    }

    @Test("an attempt at a provider without a cost leaves the cost unknown; one that did nothing needs none")
    func unknownProvider() async throws {
        let (known, unknown): (ProviderID, ProviderID) = (Samples(seed: 8).ids.next(), Samples(seed: 9).ids.next())
        let house = SettlementHarness(costs: SettlementHarness.costs([(known.description, 3, 4)]))
        let record = house.record(parts: [], prices: 0, attempts: 2, provider: known)
        let paid = try await house.settle(record.calling([unknown, known]))
        #expect(paid.bill.cost == Money(units: 29, .usd))
        let unpaid = try await house.settle(
            house.record(parts: [], prices: 0, attempts: 2, provider: known).calling([known, unknown]))
        #expect(unpaid.bill.cost == nil && unpaid.lines.isEmpty)
    }

    @Test("what a provider says that a call cost goes before the book, and needs none")
    func toldCosts() async throws {
        let (known, unknown): (ProviderID, ProviderID) = (Samples(seed: 8).ids.next(), Samples(seed: 9).ids.next())
        let house = SettlementHarness(costs: SettlementHarness.costs([(known.description, 3, 4)]))
        let record = house.record(parts: [], prices: 0, attempts: 2, provider: known)
        for provider in [known, unknown] {
            let paid = try await house.settle(record.calling([nil, provider], told: Money(units: 140_000, .usd)))
            #expect(paid.bill.cost == Money(units: 140_000, .usd))
            #expect(paid.lines == ["cost/2 posted 140000 USD"])
        }
        let free = try await house.settle(record.calling([nil, known], told: Money(units: 0, .usd)))
        #expect(free.bill.cost == Money(units: 0, .usd) && free.lines.isEmpty, "the book would say 29")
    }

    @Test("a request that called nobody costs nothing, and one whose model has no cost is not known to cost anything")
    func noCosts() async throws {
        let house = SettlementHarness()
        #expect(
            try await house.settle(house.record(parts: [], prices: 0, attempts: 0)).bill.cost == Money(units: 0, .usd))
        #expect(try await house.settle(house.record(model: "other", parts: [], prices: 0)).bill.cost == nil)
    }

    @Test("the same record gives the same transfers, and accounts of a provider are opened once")
    func repeats() async throws {
        let house = SettlementHarness()
        let record = house.record(parts: [house.credit(100), house.owes(), house.hard(500)])
        let first = try await house.settle(record)
        let second = try await house.settle(record)
        #expect(first.transfers == second.transfers && first.bill == second.bill)
        #expect(Set(first.transfers.map(\.id)).count == first.transfers.count)
        #expect(house.ledger.opened.count == 1)
    }

    @Test("counts that make no sense never make a charge below zero")
    func nonsense() async throws {
        let house = SettlementHarness()
        let settled = try await house.settle(house.record(input: 7, output: -5, cached: 100, parts: [house.owes()]))
        #expect(settled.bill.price == Money(units: 70, .usd))
        #expect(settled.transfers.allSatisfy { $0.amount.units > 0 })
    }

    @Test("what the store refuses is thrown, and settled by the next try")
    func storeFails() async throws {
        let house = SettlementHarness()
        let record = house.record(parts: [house.owes()])
        house.store.fail(with: Problem(.storageUnavailable))
        await #expect(throws: Problem.self) { try await house.flow.insert([record]) }
        house.store.fail(with: nil)
        try await house.flow.insert([record])
        #expect(house.store.settled.count == 1)
    }
}
