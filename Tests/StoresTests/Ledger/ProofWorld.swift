import Billing
import Database
import Flows
import Inference
import Kernel
import Logging
import Stores
import Synchronization
import TestKit
import Testing

/// Another key than that of digests.
struct TestLinkSealer: LedgerSealer {
    var key: UInt8 = 1
    func seal(_ bytes: [UInt8]) -> [UInt8] { PlainSealer().seal([key] + bytes) }
}

/// Anchors that nobody takes away.
final class MemoryAnchors: LedgerAnchors {
    private let state = Mutex<LedgerHead?>(nil)

    func anchor(_ head: LedgerHead) async throws {
        state.withLock { if $0?.number ?? 0 < head.number { $0 = head } }
    }
    func head() async throws -> LedgerHead? { state.withLock { $0 } }
    func complaints() async throws -> [String] { [] }
}

/// A ledger with its chain, and what proves both.
struct ProofWorld: Sendable {
    let base: LedgerWorld
    let chain: DatabaseLedgerChain
    let anchors = MemoryAnchors()
    let linking: LedgerLinking

    static let grace = Duration.seconds(4000)

    static func open(_ adapter: StoreAdapter, bundling: Int = 8) async throws -> ProofWorld {
        let base = try await LedgerWorld.open(adapter, bundling: bundling)
        if adapter == .sqlite {
            // What stops accidents does not stop the owner of the file.
            for table in ["transfer", "posting", "ledger_link"] {
                for trigger in ["is_final", "is_kept"] {
                    try await base.database.execute(.schema, "DROP TRIGGER \(table)_\(trigger)", [])
                }
            }
        }
        return ProofWorld(base)
    }

    private init(_ base: LedgerWorld) {
        self.base = base
        chain = DatabaseLedgerChain(base.database, linking: TestLinkSealer())
        linking = LedgerLinking(
            links: chain, anchors: anchors, sealer: TestLinkSealer(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// What verification says of the rows, or of what they would be after some statements.
    func verdict(after statements: [Forgery] = [], page: Int = 1000) async throws -> LedgerVerdict {
        let flow = LedgerVerificationFlow(
            reports: DatabaseLedgerReports(TamperedDatabase(base: base.database, statements: statements)),
            anchors: anchors,
            verification: LedgerVerification(
                postings: TestLedgerSealer(), links: TestLinkSealer(), grace: Self.grace, page: page))
        return try await flow.verify()
    }

    func kinds(after statements: [Forgery]) async throws -> Set<LedgerFinding.Kind> {
        Set(try await verdict(after: statements).findings.map(\.kind))
    }
}

/// A statement of somebody who owns the database.
struct Forgery: Sendable {
    let sql: String
    let arguments: [any SQLRepresentable & Sendable]

    init(_ sql: String, _ arguments: any SQLRepresentable & Sendable...) { self.init(sql, all: arguments) }

    init(_ sql: String, all arguments: [any SQLRepresentable & Sendable]) {
        self.sql = sql
        self.arguments = arguments
    }
}

/// Reads see what the statements would have made; then everything is as it was.
private struct TamperedDatabase: Database {
    let base: any Database
    let statements: [Forgery]

    private struct Undo<T: Sendable>: Error { let result: T }

    var dialect: Dialect { base.dialect }

    func read<T: Sendable>(_ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T {
        if statements.isEmpty { return try await base.read(scope, body) }
        do {
            try await base.write(.schema) { [statements] tx in
                for statement in statements {
                    let changed = try tx.run(statement.sql, statement.arguments.map { $0 })
                    #expect(changed > 0, "\(statement.sql)")
                }
                throw Undo(result: try body(tx))
            }
        } catch let undo as Undo<T> {
            return undo.result
        }
        throw DatabaseFailure.statement("nothing was undone")
    }

    func write<T: Sendable>(_ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T) async throws -> T {
        try await base.write(scope, body)
    }

    func execute(_ scope: Scope, _ sql: String, _ arguments: [any SQLRepresentable]) async throws -> [Row] {
        try await base.execute(scope, sql, arguments)
    }
}

struct Blob: SQLRepresentable {
    static var sqlName: String { "bytes" }
    let bytes: [UInt8]
    init(_ bytes: [UInt8]) { self.bytes = bytes }
    init?(sqlValue: SQLValue) { nil }
    var sqlValue: SQLValue { .blob(bytes) }
}
