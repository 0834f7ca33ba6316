import Billing
import Crypto
import Database
import Flows
import Inference
import Kernel
import Logging
import PostgresEngine
import SQLiteEngine
import Stores

enum BenchEngine: Sendable {
    case sqlite(folder: String)
    case postgres(url: String)

    init(_ place: String) { self = place.hasPrefix("postgres") ? .postgres(url: place) : .sqlite(folder: place) }

    func open() async throws -> (any Database, close: @Sendable () async throws -> Void) {
        let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
        switch self {
        case .sqlite(let folder):
            let database = try SQLiteDatabase.open(
                path: folder + "/ledger-bench.db", clock: SystemClock(), logger: logger)
            return (database, { try await database.close() })
        case .postgres(let url):
            let database = try await PostgresDatabase.open(
                try PostgresLocation(Secret(url)), clock: SystemClock(), random: SystemRandom(), logger: logger)
            return (database, { await database.close() })
        }
    }
}

/// One way of working: by how many callers, so many groups in a call, on how many accounts.
struct LedgerWork: Sendable {
    enum Kind: String, Sendable {
        /// What a platform without a ledger does: one statement and one commit for each request.
        case loop
        case post
        /// A usage row and three transfers for each request, as the journal's shipper does.
        case settle
    }

    let kind: Kind
    let callers: Int
    let batch: Int
    let accounts: Int

    static let all = [
        LedgerWork(kind: .loop, callers: 1, batch: 1, accounts: 1),
        LedgerWork(kind: .post, callers: 1, batch: 1, accounts: 1),
        LedgerWork(kind: .post, callers: 64, batch: 1, accounts: 1),
        LedgerWork(kind: .post, callers: 64, batch: 1, accounts: 64),
        LedgerWork(kind: .post, callers: 1, batch: 500, accounts: 1),
        LedgerWork(kind: .post, callers: 1, batch: 500, accounts: 64),
        LedgerWork(kind: .post, callers: 4, batch: 500, accounts: 1),
        LedgerWork(kind: .settle, callers: 1, batch: 500, accounts: 1),
        LedgerWork(kind: .settle, callers: 1, batch: 500, accounts: 64),
    ]
}

/// A ledger in a fresh database, and the plain table beside it.
struct LedgerSubject: Sendable {
    private let database: any Database
    private let closing: @Sendable () async throws -> Void
    private let ledger: DatabaseLedger
    private let ids = IDSource(clock: SystemClock(), random: SystemRandom())
    private let clock = SystemClock()
    private let lasting: Duration

    static func open(_ engine: BenchEngine, lasting: Duration) async throws -> LedgerSubject {
        let (database, close) = try await engine.open()
        _ = try await Migrator(Schema.migrations, binary: BinaryVersion(0, 1, 0)).migrate(database)
        try await database.write(.schema) { tx in
            try tx.run("DROP TABLE IF EXISTS bench_balance")
            try tx.run("CREATE TABLE bench_balance (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL)")
            try tx.run("INSERT INTO bench_balance VALUES (1, 0)")
        }
        let subject = LedgerSubject(database, close, lasting)
        try await subject.ledger.openPlatformAccounts()
        return subject
    }

    private init(
        _ database: any Database, _ closing: @escaping @Sendable () async throws -> Void, _ lasting: Duration
    ) {
        self.database = database
        self.closing = closing
        self.lasting = lasting
        ledger = DatabaseLedger(database, sealing: BenchSealer(), ids: ids)
    }

    func close() async throws { try await closing() }

    func measure(_ work: LedgerWork) async throws -> Figure {
        let budgets = try await accounts(work.accounts)
        switch work.kind {
        case .loop:
            return try await repeated(work, transfers: 0) { _ in
                try await database.execute(
                    .system, "UPDATE bench_balance SET balance = balance - 1 WHERE id = $1", [1])
                return 1
            }
        case .post:
            return try await repeated(work, transfers: 1) { turn in
                let groups = (0..<work.batch).map { group(on: budgets[(turn &+ $0) % budgets.count]) }
                let outcomes = try await ledger.post(groups)
                return outcomes.filter { $0 == .posted }.count
            }
        case .settle:
            let slices = try await slices(of: budgets)
            return try await repeated(work, transfers: 3) { turn in
                let settlements = (0..<work.batch).map { number in
                    let place = (turn &+ number) % budgets.count
                    return settlement(budgets[place], slices[place])
                }
                let report = try await ledger.settle(settlements)
                return settlements.count - report.late - report.repeated
            }
        }
    }

    private func repeated(
        _ work: LedgerWork, transfers: Int, _ body: @escaping @Sendable (_ turn: Int) async throws -> Int
    ) async throws -> Figure {
        let begin = clock.uptime
        let end = begin + lasting
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for caller in 0..<work.callers {
                group.addTask {
                    var (count, turn) = (0, caller)
                    while clock.uptime < end {
                        count += try await body(turn)
                        turn += 1
                    }
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
        let elapsed = Double((clock.uptime - begin).microseconds) / 1_000_000
        return Figure(
            work: work.kind.rawValue, callers: work.callers, batch: work.batch, accounts: work.accounts, count: count,
            transfers: count * transfers, seconds: elapsed)
    }

    private func accounts(_ count: Int) async throws -> [AccountID] {
        let tenant: TenantID = ids.next()
        let accounts = (0..<count).map { number in
            Account(
                id: ids.next(), kind: .budget, asset: .money(.usd), tenant: tenant, subject: "bench \(number)",
                limit: 1 << 60)
        }
        try await ledger.open(accounts)
        return accounts.map(\.id)
    }

    private func slices(of accounts: [AccountID]) async throws -> [EscrowID] {
        let (holder, _) = try await ledger.begin(ids.next(), lasting: .seconds(3600))
        var slices: [EscrowID] = []
        for account in accounts {
            let escrow: EscrowID = ids.next()
            let request = EscrowRequest(
                account: account, escrow: escrow, needed: 1 << 50, wanted: 1 << 50, id: TransferID("take/\(escrow)"))
            _ = try await ledger.take(request, for: holder)
            slices.append(escrow)
        }
        return slices
    }

    private func group(on account: AccountID) -> TransferGroup {
        let id: RequestID = ids.next()
        return TransferGroup([
            Transfer(
                id: TransferID("\(id)/count/0"), reason: .count, debit: account,
                credit: PlatformAccounts.id(.consumed, .money(.usd)), amount: Amount(units: 3, .money(.usd)),
                request: id, accepted: clock.now)
        ])
    }

    /// A request with a price, a budget, what it cost us, and one attempt: five rows.
    private func settlement(_ account: AccountID, _ slice: EscrowID) -> Settlement {
        let request: RequestID = ids.next()
        let record = UsageRecord(
            request: request, clientRequest: nil, workspace: ids.next(), key: ids.next(), operation: .chat,
            model: "model", deployment: ids.next(), isStream: true, status: .succeeded, httpStatus: 200,
            errorCode: nil, usage: Usage(inputTokens: 9, outputTokens: 9, source: .provider), started: clock.now,
            latency: .milliseconds(100), firstToken: .milliseconds(10),
            attempts: [Attempt(number: 1, deployment: ids.next(), upstream: "chatcmpl-1", cost: .confirmed)])
        func transfer(
            _ name: String, _ reason: Transfer.Reason, _ debit: AccountID, _ credit: Account.Kind,
            _ kind: Transfer.Kind = .posted
        ) -> Transfer {
            Transfer(
                id: TransferID("\(request)/\(name)"), kind: kind, reason: reason, debit: debit,
                credit: PlatformAccounts.id(credit, .money(.usd)), amount: Amount(units: 7, .money(.usd)),
                escrow: kind == .post ? slice : nil, request: request, accepted: clock.now)
        }
        let cost = PlatformAccounts.id(.cost, .money(.usd))
        let suspense = PlatformAccounts.id(.suspense, .money(.usd))
        return Settlement(
            record: record,
            bill: Bill(
                state: .charged, price: Money(units: 7, .usd), cost: Money(units: 7, .usd), umu: nil, priceVersion: 1,
                costVersion: 1),
            transfers: [
                transfer("count/0", .count, account, .consumed, .post),
                transfer("charge/0", .charge, suspense, .revenue), transfer("cost/1", .cost, cost, .payable),
            ], suspended: nil)
    }
}

/// As the platform's: a keyed hash over each posting.
private struct BenchSealer: LedgerSealer {
    private let key = SymmetricKey(size: .bits256)

    func seal(_ bytes: [UInt8]) -> [UInt8] { Array(HMAC<SHA256>.authenticationCode(for: bytes, using: key)) }
}
