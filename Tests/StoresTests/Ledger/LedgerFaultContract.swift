import Billing
import Database
import Flows
import Inference
import Kernel
import Stores
import Synchronization
import TestKit
import Testing

/// What a kill in the middle of posting leaves.
@Suite struct LedgerFaultContract {
    @Test("a group of five posts all or none, killed at every statement", arguments: StoreAdapter.databases)
    func groupOfFive(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budgets = try await [1, 2, 3, 4].asyncAccounts { _ in try await world.budget(limit: 100) }
        let credit = try await world.credit(100)
        let group = TransferGroup(
            budgets.enumerated().map {
                world.transfer("r/count/\($0.offset)", .count, 7, from: $0.element, to: world.platform(.consumed))
            } + [world.transfer("r/charge", .charge, 7, from: credit, to: world.platform(.revenue))])
        try await killed(world, atLeast: 6) { ledger in
            let outcomes = try await ledger.post([group])
            #expect(outcomes == [.posted])
        }
        for budget in budgets { #expect(try await world.sums(budget) == AccountSums(debits: 7)) }
        #expect(try await world.ledger.post([group]) == [.repeated])
    }

    @Test(
        "a batch of settlements is stored whole or not at all, killed at every statement",
        arguments: StoreAdapter.databases)
    func settling(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let settlements = [10, 20, 100_000].map { desk.settlement(price: $0) }
        try await killed(world, atLeast: 10) { ledger in
            let report = try await ledger.settle(settlements)
            #expect(report.repeated == 0 && report.late == 1)
        }
        #expect(try await world.ledger.settle(settlements).repeated == 3)
        #expect(try await world.sums(desk.budget).debits == 100_000)
    }

    @Test(
        "a bundle is stored whole or not at all, killed at every statement", arguments: StoreAdapter.databases)
    func bundling(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let settlements = (10...19).map { desk.settlement(price: $0) }
        try await killed(world, atLeast: 8) { ledger in
            let report = try await ledger.settle(settlements)
            #expect(report == SettlementReport())
        }
        #expect(try await world.ledger.settle(settlements).repeated == 10)
        #expect(try await world.sums(desk.budget).debits == 145)
        for settlement in settlements {
            #expect(try await world.ledger.transfers(of: settlement.record.request) == settlement.transfers)
        }
        let lines = try await world.ledger.transfers(of: desk.budget, page: PageRequest()).data
        #expect(lines.compactMap(\.bundle).map(\.requests) == [10])
        try await world.expectSound()
    }

    @Test(
        "taking, giving back and writing off are whole or not at all, killed at every statement",
        arguments: StoreAdapter.databases)
    func slices(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budget = try await world.budget(limit: 100)
        let credit = try await world.credit(100)
        let holder = try await world.begin()
        let escrow: EscrowID = world.samples.ids.next()
        let request = world.request(budget, escrow, needed: 30, wanted: 30, id: "take/1")
        try await killed(world, atLeast: 8) { ledger in
            guard case .granted(30, _) = try await ledger.take(request, for: holder) else {
                Issue.record("not granted")
                return
            }
        }
        try await killed(world, atLeast: 6) { ledger in
            let isBack = try await ledger.giveBack(10, of: escrow, by: holder, id: TransferID("back/1"))
            #expect(isBack)
        }
        _ = try await world.slice(of: credit, 50, for: holder)
        world.clock.advance(by: .seconds(100))
        try await killed(world, atLeast: 8) { ledger in
            let lost = try await ledger.writeOff(after: .seconds(10), limit: 10)
            #expect(lost.map(\.remaining).sorted() == [20, 50])
        }
        #expect(try await world.sums(budget) == AccountSums(debits: 20))
        #expect(try await world.sums(credit) == AccountSums(credits: 100))
    }

    @Test("who was not told how it ended asks again, and it is done once", arguments: StoreAdapter.databases)
    func unknownCommit(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budget = try await world.budget(limit: 100)
        let holder = try await world.begin()
        let doubtful = world.ledger(over: StumblingDatabase(world.database, forgetsCommits: true))
        let group = world.count("a", 10, in: budget)
        #expect(await code { _ = try await doubtful.post([group]) } == .storageUnavailable)
        #expect(try await world.ledger.post([group]) == [.repeated])
        let request = world.request(budget, world.samples.ids.next(), needed: 20, wanted: 20, id: "take/1")
        #expect(await code { _ = try await doubtful.take(request, for: holder) } == .storageUnavailable)
        guard case .granted(20, _) = try await world.ledger.take(request, for: holder) else {
            Issue.record("the repeat was not the same")
            return
        }
        #expect(try await world.sums(budget) == AccountSums(debits: 10, pending: 20))
        try await world.expectSound()
    }

    /// Runs the work with a failure before its first statement, its second, and so on, until it meets none.
    private func killed(
        _ world: LedgerWorld, atLeast least: Int, _ work: (DatabaseLedger) async throws -> Void
    ) async throws {
        let before = try await world.rows()
        for statement in 0..<200 {
            let database = StumblingDatabase(world.database, failsAt: statement)
            do {
                try await work(world.ledger(over: database))
                #expect(!database.hasFailed && statement >= least, "done although killed at \(statement)")
                try await world.expectSound()
                return
            } catch {
                #expect((error as? Problem)?.code == .storageUnavailable, "\(error)")
                #expect(database.hasFailed)
                #expect(try await world.rows() == before, "killed at statement \(statement)")
            }
        }
        Issue.record("it never came to its end")
    }
}

/// A database that breaks off at one statement, or right after COMMIT.
final class StumblingDatabase: Database {
    private struct State {
        var statements = 0
        var hasFailed = false
    }

    private let inner: any Database
    private let failsAt: Int?
    private let forgetsCommits: Bool
    private let state = Mutex(State())

    init(_ inner: any Database, failsAt: Int? = nil, forgetsCommits: Bool = false) {
        self.inner = inner
        self.failsAt = failsAt
        self.forgetsCommits = forgetsCommits
    }

    var dialect: Dialect { inner.dialect }
    var hasFailed: Bool { state.withLock { $0.hasFailed } }

    func read<T: Sendable>(_ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T {
        try await inner.read(scope, body)
    }

    func write<T: Sendable>(_ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T {
        try await forgetting { try await inner.write(scope) { tx in try body(StumblingTx(tx, self)) } }
    }

    func guarded<T: Sendable>(_ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T {
        try await forgetting { try await inner.guarded(scope) { tx in try body(StumblingTx(tx, self)) } }
    }

    func execute(_ scope: Scope, _ sql: String, _ arguments: [any SQLRepresentable]) async throws -> [Row] {
        try await inner.execute(scope, sql, arguments)
    }

    private func forgetting<T: Sendable>(_ work: () async throws -> T) async throws -> T {
        let result = try await work()
        if forgetsCommits { throw DatabaseFailure.commitUnknown("forgotten") }
        return result
    }

    fileprivate func step() throws(DatabaseFailure) {
        let fails = state.withLock { state in
            defer { state.statements += 1 }
            if state.statements == failsAt { state.hasFailed = true }
            return state.statements == failsAt
        }
        if fails { throw .unavailable("stumbled") }
    }
}

private final class StumblingTx: Tx {
    private let inner: any Tx
    private let database: StumblingDatabase

    init(_ inner: any Tx, _ database: StumblingDatabase) {
        self.inner = inner
        self.database = database
    }

    var dialect: Dialect { inner.dialect }
    var now: Instant { inner.now }

    func run(_ sql: String, _ arguments: [any SQLRepresentable]) throws(DatabaseFailure) -> Int {
        try database.step()
        return try inner.run(sql, arguments)
    }

    func rows(_ sql: String, _ arguments: [any SQLRepresentable]) throws(DatabaseFailure) -> [Row] {
        try database.step()
        return try inner.rows(sql, arguments)
    }
}
