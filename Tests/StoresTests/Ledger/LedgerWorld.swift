import Billing
import Database
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

/// Keyed by nothing: the same seal in every run, another one for other bytes.
struct TestLedgerSealer: LedgerSealer {
    func seal(_ bytes: [UInt8]) -> [UInt8] { PlainSealer().seal(bytes) }
}

/// A ledger with its platform's accounts, and a workspace to have accounts.
struct LedgerWorld: Sendable {
    let stores: StoreWorld
    let database: any Database
    let ledger: DatabaseLedger
    let home: Workspace
    /// So many requests make a bundle.
    let bundling: Int

    var samples: Samples { stores.samples }
    var clock: ManualClock { stores.samples.clock }

    static func open(_ adapter: StoreAdapter, bundling: Int = 8) async throws -> LedgerWorld {
        let stores = try await adapter.open()
        let database = try #require(stores.database)
        let world = LedgerWorld(
            stores: stores, database: database,
            ledger: DatabaseLedger(
                database, sealing: TestLedgerSealer(), ids: stores.samples.ids, bundling: bundling),
            home: try await stores.workspace(), bundling: bundling)
        try await world.ledger.openPlatformAccounts()
        return world
    }

    /// What another node sees: the same rows through connections of its own.
    func otherNode() async throws -> DatabaseLedger {
        let database = try #require(try await stores.otherNode().database)
        return DatabaseLedger(database, sealing: TestLedgerSealer(), ids: stores.samples.ids, bundling: bundling)
    }

    /// The same rows, through a database that fails as it is told.
    func ledger(over database: any Database) -> DatabaseLedger {
        DatabaseLedger(database, sealing: TestLedgerSealer(), ids: stores.samples.ids, bundling: bundling)
    }

    // MARK: - Accounts

    func budget(
        limit: Int64?, asset: Asset = .money(.usd), subject: String = "bud_1", ends: Instant? = nil
    ) async throws -> AccountID {
        try await open(.budget, limit: limit, asset: asset, subject: subject, ends: ends)
    }

    /// With so much credit on it.
    func credit(_ amount: Int64, asset: Asset = .money(.usd)) async throws -> AccountID {
        let id = try await open(.credit, limit: 0, asset: asset, subject: "crd_1", ends: nil)
        if amount > 0 {
            let grant = transfer("grant/\(id)", .grant, amount, from: platform(.issued, asset), to: id, asset)
            #expect(try await ledger.post([TransferGroup([grant])]) == [.posted])
        }
        return id
    }

    func open(
        _ kind: Account.Kind, limit: Int64?, asset: Asset, subject: String, ends: Instant?
    ) async throws -> AccountID {
        let id: AccountID = samples.ids.next()
        try await ledger.open([
            Account(
                id: id, kind: kind, asset: asset, tenant: home.tenant, workspace: home.id, subject: subject,
                limit: limit, ends: ends)
        ])
        return id
    }

    func platform(_ kind: Account.Kind, _ asset: Asset = .money(.usd)) -> AccountID {
        PlatformAccounts.id(kind, asset)
    }

    func sums(_ id: AccountID) async throws -> AccountSums { try #require(try await ledger.account(id)).sums }

    // MARK: - Transfers

    func transfer(
        _ id: String, _ reason: Transfer.Reason = .count, _ amount: Int64, from debit: AccountID, to credit: AccountID,
        _ asset: Asset = .money(.usd), kind: Transfer.Kind = .posted, escrow: EscrowID? = nil,
        request: RequestID? = nil
    ) -> Transfer {
        Transfer(
            id: TransferID(id), kind: kind, reason: reason, debit: debit, credit: credit,
            amount: Amount(units: amount, asset), escrow: escrow, request: request, accepted: clock.now)
    }

    /// A count of a budget.
    func count(_ id: String, _ amount: Int64, in budget: AccountID) -> TransferGroup {
        TransferGroup([transfer(id, .count, amount, from: budget, to: platform(.consumed))])
    }

    // MARK: - Nodes

    func begin(_ node: NodeID? = nil, lasting length: Duration = .seconds(30)) async throws -> EscrowHolder {
        try await ledger.begin(node ?? samples.ids.next(), lasting: length).0
    }

    func request(
        _ account: AccountID, _ escrow: EscrowID, needed: Int64 = 1, wanted: Int64 = .max, id: String? = nil
    ) -> EscrowRequest {
        EscrowRequest(
            account: account, escrow: escrow, needed: needed, wanted: wanted,
            id: TransferID(id ?? "take/\(samples.ids.next(EscrowKind.self))"))
    }

    /// A slice of just so much.
    func slice(of account: AccountID, _ amount: Int64, for holder: EscrowHolder) async throws -> EscrowID {
        let escrow: EscrowID = samples.ids.next()
        let answer = try await ledger.take(
            request(account, escrow, needed: amount, wanted: amount), for: holder)
        guard case .granted(amount, _) = answer else {
            Issue.record("\(amount) was answered with \(answer)")
            return escrow
        }
        return escrow
    }

    // MARK: - Proof

    /// Everything recomputed from the transfers alone.
    func expectSound(_ comment: Comment? = nil) async throws {
        let found = try await database.read(.system) { tx in try LedgerFacts(tx) }
        #expect(found.faults == [], comment)
    }

    /// All rows that posting touches, as text.
    func rows() async throws -> [String] {
        try await database.read(.system) { tx in
            try LedgerFacts.tables.flatMap { table in
                try tx.rows("SELECT * FROM " + table).map { table + ": \($0)" }.sorted()
            }
        }
    }
}

/// What the rows say, beside what the transfers sum to.
struct LedgerFacts: Sendable {
    static let tables = [
        "ledger_account", "transfer", "posting", "posting_unlinked", "escrow", "usage", "attempt", "suspense_item",
        "routing_decision", "routing_batch", "budget_event", "billing_node",
    ]

    private(set) var faults: [String] = []

    init(_ tx: any Tx) throws {
        var sums: [String: [Int64]] = [:]
        var held: [String: Int64] = [:]
        for row in try tx.rows("SELECT * FROM transfer") {
            let amount: Int64 = try row.value("amount")
            let debit: String = try row.value("debit_account")
            let credit: String = try row.value("credit_account")
            let kind: String = try row.value("kind")
            let escrow: String? = try row.value("escrow_id")
            if kind == "posted" || kind == "post" {
                sums[debit, default: [0, 0, 0]][0] += amount
                sums[credit, default: [0, 0, 0]][1] += amount
            }
            guard let escrow else { continue }
            let sign: Int64 = kind == "pending" ? 1 : -1
            sums[debit, default: [0, 0, 0]][2] += sign * amount
            held[escrow, default: 0] += sign * amount
        }
        for row in try tx.rows("SELECT * FROM ledger_account WHERE credit_limit IS NOT NULL OR kind = 'budget'") {
            let id: String = try row.value("id")
            let stored: [Int64] = [try row.value("debits"), try row.value("credits"), try row.value("pending")]
            let expected = sums[id] ?? [0, 0, 0]
            if stored != expected { faults.append("\(id) has \(stored), its transfers say \(expected)") }
            let limit: Int64? = try row.value("credit_limit")
            if let limit, stored[0] + stored[2] > stored[1] + limit { faults.append("\(id) is over its limit") }
        }
        for row in try tx.rows("SELECT * FROM escrow") {
            let id: String = try row.value("id")
            let remaining: Int64 = try row.value("remaining")
            if remaining != held[id] ?? 0 || remaining < 0 { faults.append("\(id) has \(remaining)") }
        }
        let counts = try tx.rows(
            """
            SELECT p.id, p.transfers, (SELECT COUNT(*) FROM transfer t WHERE t.posting_id = p.id) AS found,
                (SELECT COUNT(*) FROM posting_unlinked u WHERE u.posting_id = p.id) AS unlinked FROM posting p
            """)
        for row in counts {
            let wanted: Int64 = try row.value("transfers")
            let found: Int64 = try row.value("found")
            let unlinked: Int64 = try row.value("unlinked")
            if wanted != found || unlinked != 1 { faults.append("a posting of \(wanted) has \(found)") }
        }
    }
}
