import Billing
import Database
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct LedgerStatementContract {
    private let always = (from: Instant(microseconds: 0), until: Instant(microseconds: .max))

    @Test(
        "a workspace that pays afterwards has what it owes below zero, one with credit what is left",
        arguments: StoreAdapter.databases)
    func balances(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let reports = DatabaseLedgerReports(world.database)
        let (tenant, home) = (world.home.tenant, world.home.id)
        #expect(try await reports.balances(of: tenant, workspace: home) == [])
        let owed = try await world.open(.receivable, limit: nil, asset: .money(.eur), subject: "", ends: nil)
        try await post(world, "a", 700, from: owed, .charge, to: .revenue, .money(.eur))
        let credit = try await world.credit(1000)
        try await post(world, "b", 300, from: credit, .charge, to: .revenue)
        _ = try await world.slice(of: credit, 100, for: try await world.begin())
        // Of the whole tenant; another one that has ended; and a budget, which is no wallet.
        try await shared(world, 50)
        let ended = try await world.open(
            .credit, limit: 0, asset: .money(.usd), subject: "crd_2", ends: world.clock.now)
        try await post(world, "c", 20, to: ended)
        _ = try await world.budget(limit: 5)
        #expect(
            try await reports.balances(of: tenant, workspace: home) == [
                WalletBalance(currency: .eur, posted: -700, pending: 0, available: -700, shared: 0),
                WalletBalance(currency: .usd, posted: 720, pending: 100, available: 600, shared: 50),
            ])
        #expect(
            try await reports.balances(of: tenant, workspace: nil).last
                == WalletBalance(currency: .usd, posted: 770, pending: 100, available: 650, shared: 0))
        #expect(try await reports.balances(of: world.samples.ids.next(), workspace: nil) == [])
    }

    @Test("a statement's balance runs on from page to page and from span to span", arguments: StoreAdapter.databases)
    func running(adapter: StoreAdapter) async throws {
        let seed = SystemRandom().next()
        let random = SeededRandom(seed: seed)
        let world = try await LedgerWorld.open(adapter)
        let reports = DatabaseLedgerReports(world.database)
        let credit = try await world.credit(100_000)
        var times: [Instant] = [world.clock.now]
        for turn in 0..<40 {
            world.clock.advance(by: .milliseconds(Int64(1 + random.next(below: 50))))
            times.append(world.clock.now)
            let amount = Int64(random.next(below: 90)) + 1
            if random.next(below: 4) == 0 {
                try await post(world, "g\(turn)", amount, to: credit)
            } else {
                try await post(world, "c\(turn)", amount, from: credit, .charge, to: .revenue)
            }
        }
        let (from, until) = (times[9], times[31])
        let query = StatementQuery(subject: .account(credit), from: from, until: until)
        let whole = try #require(try await reports.statement(query, page: PageRequest(limit: 1000)))
        #expect(whole.lines.data.count == 22, "seed \(seed)")
        var balance = whole.opening
        for line in whole.lines.data {
            balance += line.change
            #expect(line.balance == balance, "seed \(seed)")
            #expect(line.posted >= from && line.posted < until)
        }
        #expect(whole.closing == balance)
        let before = StatementQuery(subject: .account(credit), from: always.from, until: from)
        let after = StatementQuery(subject: .account(credit), from: until, until: always.until)
        #expect(try await reports.statement(before, page: PageRequest())?.closing == whole.opening)
        #expect(try await reports.statement(after, page: PageRequest())?.opening == whole.closing)
        let sums = try await world.sums(credit)
        #expect(try await reports.statement(after, page: PageRequest())?.closing == sums.credits - sums.debits)
        var lines: [StatementLine] = []
        var cursor: String?
        repeat {
            let page = try #require(
                try await reports.statement(query, page: PageRequest(limit: 5, after: cursor)))
            #expect(page.opening == whole.opening && page.closing == whole.closing)
            lines += page.lines.data
            cursor = page.lines.hasMore ? page.lines.lastID : nil
        } while cursor != nil
        #expect(lines == whole.lines.data, "seed \(seed)")
    }

    @Test("a wallet's statement is that of all its accounts together", arguments: StoreAdapter.databases)
    func wallet(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let reports = DatabaseLedgerReports(world.database)
        let query = StatementQuery(
            subject: .wallet(world.home.tenant, world.home.id, .usd), from: always.from, until: always.until)
        let empty = try #require(try await reports.statement(query, page: PageRequest()))
        #expect(empty.lines.data == [] && empty.closing == 0)
        let credit = try await world.credit(1000)
        let owed = try await world.open(.receivable, limit: nil, asset: .money(.usd), subject: "", ends: nil)
        world.clock.advance(by: .milliseconds(1))
        try await post(world, "a", 400, from: credit, .charge, to: .revenue)
        world.clock.advance(by: .milliseconds(1))
        try await post(world, "b", 300, from: owed, .charge, to: .revenue)
        world.clock.advance(by: .milliseconds(1))
        // What one account gives to the other changes nothing for both.
        #expect(
            try await world.ledger.post([
                TransferGroup([world.transfer("c", .adjustment, 250, from: credit, to: owed)])
            ]) == [.posted])
        // Nor is it a line that a node sets something aside.
        _ = try await world.slice(of: credit, 10, for: world.begin())
        let statement = try #require(try await reports.statement(query, page: PageRequest()))
        #expect(statement.pending == 10)
        #expect(statement.lines.data.map(\.change) == [1000, -400, -300, 0])
        #expect(statement.lines.data.map(\.balance) == [1000, 600, 300, 300])
        #expect(statement.closing == 300)
    }

    @Test("a cursor of another statement is refused, an unknown account has none", arguments: StoreAdapter.databases)
    func refusals(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let reports = DatabaseLedgerReports(world.database)
        let accounts = [try await world.credit(10), try await world.credit(10)]
        let query = StatementQuery(subject: .account(accounts[0]), from: always.from, until: always.until)
        for after in ["nonsense", "grant/\(accounts[1])"] {
            let refused = await code { _ = try await reports.statement(query, page: PageRequest(after: after)) }
            #expect(refused == .validationError)
        }
        let unknown = StatementQuery(
            subject: .account(world.samples.ids.next()), from: always.from, until: always.until)
        #expect(try await reports.statement(unknown, page: PageRequest()) == nil)
    }

    private func post(
        _ world: LedgerWorld, _ id: String, _ amount: Int64, from debit: AccountID, _ reason: Transfer.Reason,
        to kind: Account.Kind, _ asset: Asset = .money(.usd)
    ) async throws {
        let transfer = world.transfer(id, reason, amount, from: debit, to: world.platform(kind, asset), asset)
        #expect(try await world.ledger.post([TransferGroup([transfer])]) == [.posted])
    }

    private func post(_ world: LedgerWorld, _ id: String, _ amount: Int64, to credit: AccountID) async throws {
        let transfer = world.transfer(id, .grant, amount, from: world.platform(.issued), to: credit)
        #expect(try await world.ledger.post([TransferGroup([transfer])]) == [.posted])
    }

    private func shared(_ world: LedgerWorld, _ amount: Int64) async throws {
        let id: AccountID = world.samples.ids.next()
        try await world.ledger.open([
            Account(
                id: id, kind: .credit, asset: .money(.usd), tenant: world.home.tenant, subject: "crd_3", limit: 0)
        ])
        try await post(world, "shared", amount, to: id)
    }
}
