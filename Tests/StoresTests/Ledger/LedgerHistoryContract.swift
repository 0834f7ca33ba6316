import Billing
import Database
import Flows
import Inference
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct LedgerHistoryContract {
    @Test("a ledger that only went its own ways verifies, after any of them", arguments: StoreAdapter.databases)
    func histories(adapter: StoreAdapter) async throws {
        let seed = SystemRandom().next()
        for run in 0..<3 as Range<UInt64> {
            var history = try await History(adapter, seed: seed &+ run)
            for step in 0..<60 {
                try await history.step()
                guard step % 20 == 19 else { continue }
                let verdict = try await history.proof.verdict()
                #expect(verdict.findings == [], "seed \(seed &+ run), step \(step)")
            }
            try await history.proof.linking.pass()
            let verdict = try await history.proof.verdict()
            #expect(verdict.ok && verdict.transfers > 0, "seed \(seed &+ run)")
            for page in [1, 2, 7] {
                let same = try await history.proof.verdict(page: page)
                #expect(same == verdict, "seed \(seed &+ run), pages of \(page)")
            }
        }
    }

    @Test("a budget that was lowered below what was spent of it broke no rule", arguments: StoreAdapter.databases)
    func lowered(adapter: StoreAdapter) async throws {
        let proof = try await ProofWorld.open(adapter)
        let world = proof.base
        let budget = try await world.budget(limit: 1000)
        #expect(try await world.ledger.post([world.count("c", 900, in: budget)]) == [.posted])
        let account = try #require(try await world.ledger.account(budget)).account
        for limit in [500, 300, 400] as [Int64] {
            try await world.ledger.open([account.limited(to: limit)])
        }
        #expect(try await proof.verdict().findings == [])
        let raised = Forgery("UPDATE ledger_account SET highest_limit = 899 WHERE id = $1", "\(budget)")
        #expect(try await proof.kinds(after: [raised]) == [.guardPassed])
    }

    @Test(
        "each finding names what it is about, and says in words what should be there",
        arguments: StoreAdapter.databases)
    func words(adapter: StoreAdapter) async throws {
        let proof = try await ProofWorld.open(adapter)
        let budget = try await proof.base.budget(limit: 1_000_000_000)
        _ = try await proof.base.ledger.post([proof.base.count("c", 12_500_000_000 / 100, in: budget)])
        let verdict = try await proof.verdict(
            after: [Forgery("UPDATE ledger_account SET debits = 0 WHERE id = $1", "\(budget)")])
        let finding = try #require(verdict.findings.first { $0.kind == .sumsDiffer })
        #expect(finding.subjects == ["\(budget)"])
        #expect(finding.expected == "0.125 USD" && finding.found == "0.00 USD")
        #expect(
            finding.message
                == "The row of account \(budget) (budget of bud_1) says that 0.00 USD are debited, and its transfers "
                + "sum to 0.125 USD.")
    }
}

extension Account {
    fileprivate func limited(to limit: Int64) -> Account {
        Account(
            id: id, kind: kind, asset: asset, tenant: tenant, workspace: workspace, subject: subject, limit: limit,
            begins: begins, ends: ends)
    }
}

/// Acts of several nodes in an order of chance.
private struct History {
    let proof: ProofWorld
    private let random: SeededRandom
    private let budget: AccountID
    private let soft: AccountID
    private let credit: AccountID
    private var holders: [EscrowHolder] = []
    private var slices: [(budget: EscrowID, credit: EscrowID)] = []
    private var settled: [Settlement] = []

    private var world: LedgerWorld { proof.base }

    init(_ adapter: StoreAdapter, seed: UInt64) async throws {
        proof = try await ProofWorld.open(adapter, bundling: 2)
        random = SeededRandom(seed: seed)
        budget = try await proof.base.budget(limit: 50_000)
        soft = try await proof.base.budget(limit: nil)
        credit = try await proof.base.credit(40_000)
        try await begin()
    }

    private func pick(_ count: Int) -> Int { Int(random.next(below: UInt64(count))) }

    private mutating func begin() async throws {
        let holder = try await world.begin(lasting: .seconds(30))
        holders.append(holder)
        slices.append((world.samples.ids.next(), world.samples.ids.next()))
        try await take(holders.count - 1)
    }

    private func take(_ node: Int) async throws {
        let wanted = Int64(1000 + pick(3000))
        for (account, slice) in [(budget, slices[node].budget), (credit, slices[node].credit)] {
            _ = try await world.ledger.take(
                world.request(account, slice, needed: 1, wanted: wanted), for: holders[node])
        }
    }

    mutating func step() async throws {
        world.clock.advance(by: .milliseconds(Int64(pick(4000))))
        let node = pick(holders.count)
        switch pick(12) {
        case 0: try await begin()
        case 1: try await take(node)
        case 2: try await world.ledger.end(holders[node])
        case 3: _ = try await world.ledger.writeOff(after: .seconds(Int64(pick(60))), limit: 10)
        case 4: try await proof.linking.pass()
        case 5:
            _ = try await world.ledger.giveBack(
                Int64(pick(300) + 1), of: slices[node].budget, by: holders[node],
                id: TransferID("back/\(world.samples.ids.next(EscrowKind.self))"))
        case 6:
            _ = try await world.ledger.renew(holders[node], lasting: .seconds(30))
        case 7 where !settled.isEmpty:
            // A shipper that sends again.
            _ = try await world.ledger.settle([settled[pick(settled.count)]])
        default:
            let batch = (0...pick(6)).map { _ in settlement(node) }
            _ = try await world.ledger.settle(batch)
            settled += batch
        }
    }

    private func settlement(_ node: Int) -> Settlement {
        let plain = world.samples.record(in: world.home.id, key: world.samples.ids.next())
        let request = plain.request
        let price = Int64(pick(900))
        let excess = pick(8) == 0 ? Int64(pick(50)) : 0
        var transfers: [Transfer] = []
        func add(
            _ name: String, _ reason: Transfer.Reason, _ amount: Int64, _ debit: AccountID, _ to: Account.Kind,
            _ slice: EscrowID? = nil
        ) {
            guard amount > 0 else { return }
            transfers.append(
                world.transfer(
                    "\(request)/\(name)", reason, amount, from: debit, to: world.platform(to),
                    kind: slice == nil ? .posted : .post, escrow: slice, request: request))
        }
        add("charge/0", .charge, price, credit, .revenue, slices[node].credit)
        add("count/1", .count, price, budget, .consumed, slices[node].budget)
        add("count/2", .count, price + excess, soft, .consumed)
        add("excess", .excess, excess, world.platform(.loss), .revenue)
        add("cost/1", .cost, price / 3, world.platform(.cost), .payable)
        let bill = Bill(
            state: .charged, price: Money(units: price, .usd), cost: Money(units: price / 3, .usd), umu: nil,
            priceVersion: 1, costVersion: 0)
        return Settlement(record: plain.billed(to: world.home), bill: bill, transfers: transfers, suspended: nil)
    }
}

extension UsageRecord {
    fileprivate func billed(to home: Workspace) -> UsageRecord {
        UsageRecord(
            request: request, clientRequest: clientRequest, workspace: workspace, key: key, operation: operation,
            model: model, deployment: deployment, isStream: isStream, status: status, httpStatus: httpStatus,
            errorCode: errorCode, usage: usage, started: started, latency: latency, firstToken: firstToken,
            billing: BillingFacts(tenant: home.tenant, user: nil, tags: [], hold: .none), attempts: attempts)
    }
}
