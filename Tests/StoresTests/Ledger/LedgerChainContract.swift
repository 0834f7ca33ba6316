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

@Suite struct LedgerChainContract {
    @Test("every posting gets one place, however many link at once", arguments: StoreAdapter.databases)
    func together(adapter: StoreAdapter) async throws {
        let proof = try await ProofWorld.open(adapter)
        let world = proof.base
        let budget = try await world.budget(limit: 1_000_000)
        let others = try await (0..<3).asyncMap { _ in
            DatabaseLedgerChain(
                try #require(try await world.stores.otherNode().database), linking: TestLinkSealer())
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for place in 0..<40 {
                group.addTask {
                    _ = try await world.ledger.post([world.count("c/\(place)", 1, in: budget)])
                }
            }
            for other in others {
                group.addTask { for _ in 0..<10 { _ = try await other.link(limit: 3) } }
            }
            try await group.waitForAll()
        }
        while try await proof.chain.link(limit: 500) > 0 {}
        let links = try await proof.chain.links(after: 0, limit: 1000)
        #expect(links.map(\.number) == Array(1...Int64(links.count)))
        #expect(Set(links.map(\.posting)).count == links.count)
        let verdict = try await proof.verdict()
        #expect(verdict.findings == [])
        #expect(verdict.links == verdict.postings && verdict.waiting == 0)
    }

    @Test("postings are linked in their order, and the head is anchored", arguments: StoreAdapter.databases)
    func anchored(adapter: StoreAdapter) async throws {
        let proof = try await ProofWorld.open(adapter)
        let budget = try await proof.base.budget(limit: 1000)
        for place in 0..<5 {
            proof.base.clock.advance(by: .milliseconds(2))
            _ = try await proof.base.ledger.post([proof.base.count("c/\(place)", 1, in: budget)])
        }
        #expect(try await proof.verdict().waiting == 5)
        #expect(try await proof.linking.pass() == 5)
        #expect(try await proof.linking.pass() == 0)
        let links = try await proof.chain.links(after: 0, limit: 100)
        #expect(links.map(\.posting) == links.map(\.posting).sorted())
        let head = try await proof.chain.head()
        #expect(head?.number == 5)
        #expect(try await proof.anchors.head() == head)
        #expect(try await proof.verdict().ok)
    }

    @Test("an anchor does not move onto a chain that was cut off and grew again", arguments: StoreAdapter.databases)
    func cut(adapter: StoreAdapter) async throws {
        let proof = try await ProofWorld.open(adapter)
        let world = proof.base
        let budget = try await world.budget(limit: 1000)
        for place in 0..<6 { _ = try await world.ledger.post([world.count("c/\(place)", 1, in: budget)]) }
        try await proof.linking.pass()
        let anchored = try #require(try await proof.anchors.head())
        for sql in [
            "DELETE FROM transfer WHERE posting_id IN (SELECT posting_id FROM ledger_link WHERE number > 3)",
            "DELETE FROM posting WHERE id IN (SELECT posting_id FROM ledger_link WHERE number > 3)",
            "DELETE FROM ledger_link WHERE number > 3",
            "UPDATE ledger_account SET debits = 3 WHERE debits = 6",
        ] {
            try await world.database.execute(.schema, sql, [])
        }
        #expect(try await proof.verdict().findings.map(\.kind) == [.chainCut])
        for place in 10..<15 { _ = try await world.ledger.post([world.count("c/\(place)", 1, in: budget)]) }
        #expect(try await proof.linking.pass() == 5)
        #expect(try await proof.anchors.head() == anchored)
        #expect(try await proof.verdict().findings.map(\.kind) == [.linkReplaced])
    }

    @Test("a chain that is all gone is told, and its anchor stays", arguments: StoreAdapter.databases)
    func gone(adapter: StoreAdapter) async throws {
        let proof = try await ProofWorld.open(adapter)
        let (world, told) = (proof.base, Told())
        let linking = LedgerLinking(
            links: proof.chain, anchors: proof.anchors, sealer: TestLinkSealer(),
            logger: Logger(label: "test") { _ in told })
        try await linking.pass()
        #expect(told.errors == [], "there is none yet")
        let budget = try await world.budget(limit: 1000)
        _ = try await world.ledger.post([world.count("c", 1, in: budget)])
        try await linking.pass()
        let anchored = try #require(try await proof.anchors.head())
        try await world.database.execute(.schema, "DELETE FROM ledger_link", [])
        for _ in 0..<2 { try await linking.pass() }
        #expect(told.errors.count == 1 && told.errors.first?.contains("chain_cut") == true, "\(told.errors)")
        #expect(try await proof.anchors.head() == anchored)
    }

    @Test("what waits and is not there keeps nobody else from being linked", arguments: StoreAdapter.databases)
    func nonsense(adapter: StoreAdapter) async throws {
        let proof = try await ProofWorld.open(adapter)
        let world = proof.base
        try await world.database.execute(
            .schema, "INSERT INTO posting_unlinked (posting_id) VALUES ('pst_0')", [])
        let budget = try await world.budget(limit: 1000)
        _ = try await world.ledger.post([world.count("c", 1, in: budget)])
        #expect(try await proof.linking.pass() == 1)
        #expect(try await proof.verdict().findings.map(\.kind) == [.postingMissing])
    }

    @Test("a posting that was sealed in the first form is proved like any other", arguments: StoreAdapter.databases)
    func firstForm(adapter: StoreAdapter) async throws {
        let proof = try await ProofWorld.open(adapter)
        let world = proof.base
        let budget = try await world.budget(limit: 1000)
        _ = try await world.ledger.post([world.count("c", 1, in: budget)])
        let transfers = try await world.ledger.transfers(of: budget, page: PageRequest()).data
        let row = try #require(
            try await world.database.read(.system) { tx in try tx.row("SELECT posting_id FROM transfer") })
        let posting: PostingID = try row.value("posting_id")
        let digest = TestLedgerSealer().seal(LedgerChain.firstForm(posting: posting, transfers: transfers))
        let sealed = Forgery("UPDATE posting SET digest = $2 WHERE id = $1", posting, SQLValue.blob(digest))
        #expect(try await proof.verdict(after: [sealed]).findings == [])
        let changed = Forgery("UPDATE transfer SET accepted = accepted + 1 WHERE id = $1", "c")
        #expect(try await proof.verdict(after: [sealed, changed]).findings.map(\.kind) == [.postingChanged])
    }

    @Test("no two different postings are digested from the same bytes")
    func digestForm() throws {
        let samples = Samples()
        let posting: PostingID = samples.ids.next()
        let accounts: [AccountID] = [samples.ids.next(), samples.ids.next()]
        func transfer(
            _ id: String = "a", _ kind: Transfer.Kind = .posted, _ reason: Transfer.Reason = .charge,
            from: Int = 0, amount: Int64 = 1, _ asset: Asset = .tokens, escrow: EscrowID? = nil,
            request: RequestID? = nil, at: Int64 = 0
        ) -> Transfer {
            Transfer(
                id: TransferID(id), kind: kind, reason: reason, debit: accounts[from], credit: accounts[1 - from],
                amount: Amount(units: amount, asset), escrow: escrow, request: request,
                accepted: Instant(microseconds: at))
        }
        let plain = transfer()
        let groups = [
            [], [plain], [plain, plain], [transfer("ab")], [transfer("a", .post)], [transfer("a", .posted, .count)],
            [transfer(from: 1)], [transfer(amount: 2)],
            [transfer("a", .posted, .charge, from: 0, amount: 1, .requests)],
            [transfer(escrow: EscrowID(ULID(high: 0, low: 0)))], [transfer(request: RequestID(ULID(high: 0, low: 0)))],
            [transfer(at: 1)], [transfer("b"), transfer("c")], [transfer("c"), transfer("b")],
        ]
        let other: PostingID = samples.ids.next()
        let forms = groups.map { PostingForm(posting, $0).bytes }
        #expect(Set(forms).count == groups.count && PostingForm(other, [plain]).bytes != forms[1])
        let firstForms = groups.map { LedgerChain.firstForm(posting: posting, transfers: $0) }
        #expect(Set(forms + firstForms).count == 2 * groups.count)
        #expect(LedgerChain.firstForm(posting: other, transfers: [plain]) != firstForms[1])
    }
}

extension Sequence where Element: Sendable {
    fileprivate func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
        var values: [T] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}

/// What was logged as an error.
private final class Told: LogHandler, Sendable {
    private let lines = Mutex<[String]>([])

    var errors: [String] { lines.withLock { $0 } }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        guard event.level >= .error else { return }
        lines.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") }
    }
}
