import Billing
import Database
import Flows
import Inference
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct SettlementContract {
    @Test("a batch becomes usage rows, transfers and attempts, once", arguments: StoreAdapter.databases)
    func once(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let settlements = (1...120).map { desk.settlement(price: Int64($0)) }
        let first = try await world.ledger.settle(settlements)
        #expect(first == SettlementReport())
        let before = try await world.rows()
        let again = try await world.ledger.settle(settlements.reversed() + settlements.prefix(3))
        #expect(again.repeated == 123 && again.late == 0)
        #expect(try await world.rows() == before)
        let total: Int64 = (1...120).reduce(0, +)
        #expect(try await world.sums(desk.budget) == AccountSums(debits: total, pending: 100_000 - total))
        #expect(
            try await world.sums(desk.credit) == AccountSums(debits: total, credits: 200_000, pending: 100_000 - total))
        #expect(try await world.sums(world.platform(.revenue)).credits == total)
        #expect(try await world.ledger.settle([]) == SettlementReport())
        try await world.expectSound()
    }

    @Test("of two records of one request in a new batch the first counts", arguments: StoreAdapter.databases)
    func twins(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let settlements = (1...20).map { desk.settlement(price: Int64($0)) }
        let twin = Settlement(
            record: settlements[4].record, bill: settlements[5].bill, transfers: [], suspended: nil)
        let report = try await world.ledger.settle(settlements + [twin, settlements[7]])
        #expect(report.repeated == 2 && report.late == 0)
        let total: Int64 = (1...20).reduce(0, +)
        #expect(try await world.sums(desk.budget) == AccountSums(debits: total, pending: 100_000 - total))
        #expect(try await world.ledger.transfers(of: twin.record.request) != [])
        try await world.expectSound()
    }

    @Test(
        "a usage row is read back with its tags, cached and reasoning tokens, and attempts",
        arguments: StoreAdapter.databases)
    func readBack(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let settlements = (1...70).map { desk.settlement(price: Int64($0)) }
        try await _ = world.ledger.settle(settlements)
        let rows = try await world.stores.usage.list(in: world.home.id, page: PageRequest(limit: 200)).data
        let expected = settlements.map(\.record).sorted { $0.request > $1.request }.map(\.withoutHold)
        #expect(rows == expected)
        let bill = try await world.database.read(.system) { tx in
            try tx.rows("SELECT * FROM usage WHERE request_id = $1", [settlements[4].record.request]).map { row in
                [
                    try row.value("bill_state", as: String.self), try row.value("price_currency", as: String.self),
                    String(try row.value("price", as: Int64.self)), String(try row.value("umu", as: Int64.self)),
                    String(try row.value("price_version", as: Int64.self)),
                    String(try row.value("cost_version", as: Int64.self)), try row.value("tags", as: String.self),
                ]
            }
        }
        #expect(bill == [["charged", "USD", "5", "50", "3", "2", ",team,x,"]])
    }

    @Test("a batch brings its decisions with its rows, once and whole", arguments: StoreAdapter.databases)
    func routes(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let settlements = (1...70).map { desk.settlement(price: Int64($0)) }
        _ = try await world.ledger.settle(settlements)
        _ = try await world.ledger.settle(settlements)
        for settlement in settlements {
            let record = settlement.record
            let route = try #require(try await world.stores.routes.route(of: record.request))
            #expect(
                route
                    == StoredRoute(
                        request: record.request, workspace: record.workspace, key: record.key,
                        accepted: record.started, record: record.route))
        }
        let seconds = Set(settlements.map { $0.record.request.ulid.milliseconds / 1000 }).count
        let rows = try await world.database.read(.system) { tx in try tx.rows("SELECT * FROM routing_batch").count }
        #expect(rows == seconds && seconds < 70)
    }

    @Test("rows without money are rows, and nothing is posted for them", arguments: StoreAdapter.databases)
    func free(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let record = world.samples.record(in: world.home.id, key: world.samples.ids.next())
        let bill = Bill(state: .free, price: nil, cost: nil, umu: nil, priceVersion: 0, costVersion: 0)
        let report = try await world.ledger.settle([
            Settlement(record: record, bill: bill, transfers: [], suspended: nil)
        ])
        #expect(report == SettlementReport())
        #expect(try await world.stores.usage.list(in: world.home.id, page: PageRequest()).data == [record])
        let postings = try await world.database.read(.system) { tx in try tx.rows("SELECT * FROM posting").count }
        #expect(postings == 0)
    }

    @Test(
        "what comes after its write-off goes to suspense, and counts in no budget again",
        arguments: StoreAdapter.databases)
    func late(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let settlement = desk.settlement(price: 700)
        world.clock.advance(by: .seconds(8000))
        #expect(try await world.ledger.writeOff(after: .seconds(3600), limit: 10).count == 2)
        let budget = try await world.sums(desk.budget)
        let report = try await world.ledger.settle([settlement])
        #expect(report.late == 1 && report.repeated == 0)
        #expect(try await world.sums(desk.budget) == budget)
        #expect(try await world.sums(desk.credit) == AccountSums(credits: 200_000))
        // Of what the platform bears, so much is explained now.
        #expect(try await world.sums(world.platform(.suspense)) == AccountSums(debits: 700, credits: 100_000))
        #expect(try await world.sums(world.platform(.revenue)).credits == 700)
        #expect(try await desk.suspended() == ["late 700 USD"])
        #expect(try await desk.billState(of: settlement) == "suspended")
        #expect(try await world.ledger.settle([settlement]).repeated == 1)
        try await world.expectSound()
    }

    @Test("of a slice that is short, what it holds is captured, and the rest waits", arguments: StoreAdapter.databases)
    func short(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let report = try await world.ledger.settle([
            desk.settlement(price: 99_900), desk.settlement(price: 700), desk.settlement(price: 5),
        ])
        #expect(report.late == 2)
        #expect(try await world.sums(desk.budget) == AccountSums(debits: 100_000))
        #expect(try await world.sums(desk.credit) == AccountSums(debits: 100_000, credits: 200_000))
        #expect(try await world.sums(world.platform(.suspense)) == AccountSums(debits: 605))
        #expect(try await desk.suspended() == ["late 5 USD", "late 600 USD"])
        try await world.expectSound()
    }

    @Test("a transfer that cannot be right holds nothing else up", arguments: StoreAdapter.databases)
    func impossible(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let nowhere: AccountID = world.samples.ids.next()
        let good = desk.settlement(price: 10)
        let bad = desk.settlement(price: 20, purse: nowhere)
        let report = try await world.ledger.settle([bad, good])
        #expect(report.late == 1)
        #expect(try await world.sums(desk.budget).debits == 30)
        #expect(try await desk.suspended() == ["late 20 USD"])
        // Somebody took an identifier of a request that has no row yet.
        let third = desk.settlement(price: 30)
        let thief = world.transfer(
            "\(third.record.request)/charge/0", .adjustment, 1, from: world.platform(.loss),
            to: world.platform(.revenue))
        #expect(try await world.ledger.post([TransferGroup([thief])]) == [.posted])
        #expect(try await world.ledger.settle([third]).late == 1)
        #expect(try await world.sums(desk.budget).debits == 60)
        try await world.expectSound()
    }

    @Test("unpriced usage waits in suspense", arguments: StoreAdapter.databases)
    func unpriced(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let record = desk.record()
        let bill = Bill(state: .suspended, price: nil, cost: nil, umu: nil, priceVersion: 3, costVersion: 0)
        let item = SuspendedItem(
            request: record.request, workspace: record.workspace, reason: .unpriced, amount: nil,
            accepted: record.started)
        let settlement = Settlement(record: record, bill: bill, transfers: [], suspended: item)
        #expect(try await world.ledger.settle([settlement]) == SettlementReport())
        #expect(try await desk.suspended() == ["unpriced nil nil"])
    }

    @Test("the same batch from 16 shippers is settled once", arguments: StoreAdapter.databases)
    func concurrent(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let other = try await world.otherNode()
        let desk = try await SettlementDesk.open(world)
        let settlements = (1...40).map { desk.settlement(price: Int64($0)) }
        // Of those without money too, which meet on no account.
        let bill = Bill(state: .free, price: nil, cost: nil, umu: nil, priceVersion: 0, costVersion: 0)
        let free = (1...20).map { _ in
            Settlement(record: desk.record(), bill: bill, transfers: [], suspended: nil)
        }
        let repeated = try await withThrowingTaskGroup(of: Int.self) { group in
            for shipper in 0..<16 {
                let ledger = shipper.isMultiple(of: 2) ? world.ledger : other
                let batch = shipper % 3 == 0 ? free.reversed() + settlements : settlements + free
                group.addTask { try await ledger.settle(batch).repeated }
            }
            return try await group.reduce(0, +)
        }
        #expect(repeated == 60 * 15)
        #expect(try await world.sums(desk.budget).debits == (1...40).reduce(0, +))
        try await world.expectSound()
    }

    @Test("an alert is written once, when posted spend passes its share", arguments: StoreAdapter.databases)
    func alerts(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let hard: BudgetID = world.samples.ids.next()
        let soft: BudgetID = world.samples.ids.next()
        try await world.writeBudget(hard, amount: 1000, alerts: "50,80,100")
        try await world.writeBudget(soft, amount: 100, alerts: "100")
        let walled = try await world.budget(limit: 1000, subject: "\(hard)")
        let counted = try await world.budget(limit: nil, subject: "\(soft)")
        func spend(_ amount: Int64) async throws -> [String] {
            let record = desk.record()
            let transfers = [walled, counted].enumerated().map {
                world.transfer(
                    "\(record.request)/count/\($0.offset)", .count, amount, from: $0.element,
                    to: world.platform(.consumed), request: record.request)
            }
            let settlement = Settlement(record: record, bill: desk.bill(amount), transfers: transfers, suspended: nil)
            let events = try await world.ledger.settle([settlement]).events
            return events.map { "\($0.budget == hard ? "hard" : "soft") \($0.share) \($0.spent)" }.sorted()
        }
        #expect(try await spend(99) == [])
        #expect(try await spend(1) == ["soft 100 100"])
        #expect(try await spend(399) == [])
        #expect(try await spend(301) == ["hard 50 800", "hard 80 800"])
        let back = world.transfer("roll", .roll, 400, from: world.platform(.consumed), to: walled)
        #expect(try await world.ledger.post([TransferGroup([back])]) == [.posted])
        #expect(try await spend(500) == [], "a share is told of once for each account")
        #expect(try await spend(100) == ["hard 100 1000"])
        let rows = try await world.database.read(.system) { tx in try tx.rows("SELECT * FROM budget_event").count }
        #expect(rows == 4)
    }
}

/// A purse and a budget with slices of 100,000 each, and requests that draw on both.
struct SettlementDesk: Sendable {
    let world: LedgerWorld
    let budget: AccountID
    let credit: AccountID
    let slices: [EscrowID]
    let key: KeyID

    static func open(_ world: LedgerWorld) async throws -> SettlementDesk {
        let budget = try await world.budget(limit: 150_000)
        let credit = try await world.credit(200_000)
        let holder = try await world.begin()
        let slices = [
            try await world.slice(of: budget, 100_000, for: holder),
            try await world.slice(of: credit, 100_000, for: holder),
        ]
        return SettlementDesk(
            world: world, budget: budget, credit: credit, slices: slices, key: world.samples.ids.next())
    }

    func record() -> UsageRecord {
        let plain = world.samples.record(in: world.home.id, key: key)
        return UsageRecord(
            request: plain.request, clientRequest: nil, workspace: plain.workspace, key: key, operation: .chat,
            model: plain.model, deployment: plain.deployment, isStream: true, status: .succeeded, httpStatus: 200,
            errorCode: nil,
            usage: Usage(
                inputTokens: 9, outputTokens: 8, cachedTokens: 4, reasoningTokens: 3, source: .provider),
            started: plain.started, latency: .milliseconds(12), firstToken: nil,
            billing: BillingFacts(
                tenant: world.home.tenant, user: world.samples.ids.next(), tags: ["team", "x"],
                hold: Hold(prices: 3, costs: 2, parts: [])),
            attempts: [
                Attempt(
                    number: 1, deployment: world.samples.ids.next(), provider: world.samples.ids.next(), upstream: nil,
                    cost: .none),
                Attempt(number: 2, deployment: plain.deployment, upstream: "chatcmpl-1", cost: .confirmed),
            ], route: [1, 2, 3] + plain.request.description.utf8)
    }

    func bill(_ price: Int64) -> Bill {
        Bill(
            state: .charged, price: Money(units: price, .usd), cost: Money(units: price / 2, .usd),
            umu: UMU(millionths: price * 10), priceVersion: 3, costVersion: 2)
    }

    func settlement(price: Int64, purse: AccountID? = nil) -> Settlement {
        let record = record()
        let request = record.request
        let transfers = [
            world.transfer(
                "\(request)/charge/0", .charge, price, from: purse ?? credit, to: world.platform(.revenue),
                kind: .post, escrow: slices[1], request: request),
            world.transfer(
                "\(request)/count/0", .count, price, from: budget, to: world.platform(.consumed), kind: .post,
                escrow: slices[0], request: request),
            world.transfer(
                "\(request)/cost/1", .cost, price / 2, from: world.platform(.cost), to: world.platform(.payable),
                request: request),
        ]
        return Settlement(record: record, bill: bill(price), transfers: transfers, suspended: nil)
    }

    func suspended() async throws -> [String] {
        try await world.database.read(.system) { tx in
            try tx.rows("SELECT * FROM suspense_item ORDER BY amount").map { row in
                let amount: Int64? = try row.value("amount")
                let currency: String? = try row.value("currency")
                let reason: String = try row.value("reason")
                return reason + " " + (amount.map(String.init) ?? "nil") + " " + (currency ?? "nil")
            }
        }
    }

    func billState(of settlement: Settlement) async throws -> String? {
        try await world.database.read(.system) { tx in
            try tx.row("SELECT bill_state FROM usage WHERE request_id = $1", [settlement.record.request])?
                .value("bill_state")
        }
    }
}

extension UsageRecord {
    /// As its row has it.
    var withoutHold: UsageRecord {
        UsageRecord(
            request: request, clientRequest: clientRequest, workspace: workspace, key: key, operation: operation,
            model: model, deployment: deployment, isStream: isStream, status: status, httpStatus: httpStatus,
            errorCode: errorCode, usage: usage, started: started, latency: latency, firstToken: firstToken,
            billing: BillingFacts(tenant: billing.tenant, user: billing.user, tags: billing.tags, hold: .none),
            attempts: attempts)
    }
}

extension LedgerWorld {
    func writeBudget(_ id: BudgetID, amount: Int64, alerts: String) async throws {
        try await database.write(.system) { tx in
            try tx.run(
                """
                INSERT INTO budget (id, tenant_id, asset, amount, period, is_hard, alerts, identity, created)
                VALUES ($1, $2, 'USD', $3, 'total', 1, $4, $1, 0)
                """, [id, home.tenant, amount, alerts])
        }
    }
}
