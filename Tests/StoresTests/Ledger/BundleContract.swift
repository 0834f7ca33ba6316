import Billing
import Database
import Flows
import Foundation
import Inference
import Kernel
import Stores
import TestKit
import Testing

/// Requests of one batch that share their transfers.
@Suite struct BundleContract {
    @Test(
        "a batch is posted as one transfer for each line, and every request has its own",
        arguments: StoreAdapter.databases)
    func lines(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let settlements = (2...121).map { desk.settlement(price: Int64($0)) }
        #expect(try await world.ledger.settle(settlements.reversed()) == SettlementReport())
        for settlement in settlements {
            #expect(try await world.ledger.transfers(of: settlement.record.request) == settlement.transfers)
        }
        let total: Int64 = (2...121).reduce(0, +)
        let lines = try await world.ledger.transfers(of: desk.budget, page: PageRequest()).data
            .filter { $0.reason == .count }
        #expect(lines.map(\.amount.units) == [total])
        #expect(lines.map(\.bundle) == [BundleLine(bundle: 0, line: 1, requests: 120)])
        #expect(lines.allSatisfy { $0.request == nil && $0.id.isWellFormed })
        #expect(try await world.sums(desk.budget) == AccountSums(debits: total, pending: 100_000 - total))
        try await world.expectSound()
    }

    @Test(
        "who pays from another purse, or posts something else, is not in the same bundle",
        arguments: StoreAdapter.databases)
    func apart(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let second = try await SettlementDesk.open(world)
        // 1 costs nothing to the platform: two lines, one of which has no amount, and so is by itself.
        let own = (1...9).map { desk.settlement(price: Int64($0)) }
        let others = (3...10).map { second.settlement(price: Int64($0)) }
        let single = try await SettlementDesk.open(world).settlement(price: 9)
        let batch = zip(own, others).flatMap { [$0, $1] } + [own[8], single]
        #expect(try await world.ledger.settle(batch) == SettlementReport())
        for settlement in batch {
            let posted = settlement.transfers.filter { $0.amount.units > 0 }
            #expect(try await world.ledger.transfers(of: settlement.record.request) == posted)
        }
        let rows = try await world.database.read(.system) { tx in
            try tx.rows("SELECT * FROM transfer WHERE reason = 'charge' ORDER BY place").map { row in
                (try row.value("amount", as: Int64.self), try row.value("requests", as: Int64?.self))
            }
        }
        #expect(rows.map(\.0).sorted() == [1, 9, 44, 52] && rows.compactMap(\.1) == [8, 8])
        try await world.expectSound()
    }

    @Test("a few requests are told one by one", arguments: StoreAdapter.databases)
    func few(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let settlements = (2...8).map { desk.settlement(price: Int64($0)) }
        _ = try await world.ledger.settle(settlements)
        let posted = try await world.ledger.transfers(of: desk.budget, page: PageRequest()).data
        #expect(Set(posted.filter { $0.reason == .count }.map(\.request)) == Set(settlements.map(\.record.request)))
    }

    @Test("a bundle that finds no place is booked request by request", arguments: StoreAdapter.databases)
    func short(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let settlements = (repeatElement(14_000, count: 7) + [3000]).map { desk.settlement(price: $0) }
        #expect(try await world.ledger.settle(settlements).late == 1)
        let shared = try await world.database.read(.system) { tx in
            try tx.rows("SELECT * FROM usage WHERE posting_id IS NOT NULL").count
        }
        #expect(shared == 0)
        #expect(try await world.sums(desk.budget).debits == 100_000)
        try await world.expectSound()
    }

    @Test("a batch that is sent again, whole or in part, posts nothing", arguments: StoreAdapter.databases)
    func again(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let settlements = (2...41).map { desk.settlement(price: Int64($0)) }
        _ = try await world.ledger.settle(Array(settlements.prefix(20)))
        let before = try await world.sums(desk.budget)
        #expect(try await world.ledger.settle(Array(settlements.prefix(20))).repeated == 20)
        #expect(try await world.sums(desk.budget) == before)
        #expect(try await world.ledger.settle(settlements).repeated == 20)
        let total: Int64 = (2...41).reduce(0, +)
        #expect(try await world.sums(desk.budget) == AccountSums(debits: total, pending: 100_000 - total))
        try await world.expectSound()
    }

    /// Two bundles of eight, linked and anchored, and what somebody does to their rows.
    private struct Scene {
        typealias Tampering = (name: String, kinds: Set<LedgerFinding.Kind>, statements: [Forgery])

        let proof: ProofWorld
        let victim: RequestID
        let neighbour: RequestID
        let elsewhere: RequestID

        static func open(_ adapter: StoreAdapter) async throws -> Scene {
            let proof = try await ProofWorld.open(adapter)
            let desk = try await SettlementDesk.open(proof.base)
            let batches = [4...11, 12...19].map { $0.map { desk.settlement(price: Int64($0) * 100) } }
            for batch in batches { _ = try await proof.base.ledger.settle(batch) }
            try await proof.linking.pass()
            return Scene(
                proof: proof, victim: batches[0][1].record.request, neighbour: batches[0][2].record.request,
                elsewhere: batches[1][0].record.request)
        }

        func usage(_ change: String, _ values: any SQLRepresentable & Sendable...) -> Forgery {
            Forgery("UPDATE usage SET \(change) WHERE request_id = $1", all: [victim] + values)
        }

        func other(_ change: String) -> Forgery {
            Forgery("UPDATE usage SET \(change) WHERE request_id = $1", neighbour)
        }

        func line(_ change: String, where condition: String) -> Forgery {
            Forgery("UPDATE transfer SET \(change) WHERE requests = $1 AND \(condition)", Int64(8))
        }

        /// Each with some of the kinds of what it must be found by.
        var ofShares: [Tampering] {
            [
                ("a share", [.postingChanged, .bundleDiffers, .chargeDiffers], [usage("share_1 = share_1 + 1")]),
                (
                    "a share and its price", [.postingChanged, .bundleDiffers],
                    [usage("share_1 = share_1 - 100, price = price - 100")]
                ),
                ("what a budget counts", [.postingChanged, .bundleDiffers], [usage("share_2 = 1")]),
                ("a cost", [.postingChanged, .bundleDiffers, .costDiffers], [usage("share_3 = share_3 + 1")]),
                ("one share more", [.postingChanged], [usage("share_4 = 1")]),
                ("shares with a gap", [.postingChanged], [usage("share_4 = share_3, share_3 = NULL")]),
                (
                    "a part given to another", [.postingChanged, .chargeDiffers],
                    [usage("share_1 = share_1 - 50"), other("share_1 = share_1 + 50")]
                ),
                (
                    "a part given to another, with its price", [.postingChanged],
                    [
                        usage("share_1 = share_1 - 50, price = price - 50"),
                        other("share_1 = share_1 + 50, price = price + 50"),
                    ]
                ),
            ]
        }

        var ofPlaces: [Tampering] {
            [
                ("another bundle", [.postingChanged, .bundleDiffers, .chargeDiffers], [usage("bundle = 7")]),
                ("no bundle", [.postingChanged, .bundleDiffers, .chargeDiffers], [usage("posting_id = NULL")]),
                (
                    "another posting", [.postingChanged, .bundleDiffers],
                    [usage("posting_id = (SELECT posting_id FROM usage WHERE request_id = $2)", elsewhere)]
                ),
                (
                    "a posting that is not there", [.postingMissing, .chargeDiffers],
                    [usage("posting_id = 'pst_01JZ0000000000000000000000'")]
                ),
                (
                    "a row that is gone", [.postingChanged, .bundleDiffers],
                    [Forgery("DELETE FROM usage WHERE request_id = $1", victim)]
                ),
            ]
        }

        var ofLines: [Tampering] {
            [
                ("a number of requests", [.postingChanged, .bundleDiffers], [line("requests = 7", where: "line = 0")]),
                (
                    "an amount", [.postingChanged, .bundleDiffers, .sumsDiffer],
                    [line("amount = amount + 1", where: "line = 0")]
                ),
                ("no line", [.postingChanged, .bundleDiffers], [line("line = NULL", where: "line = 0")]),
                ("no number", [.postingChanged, .bundleDiffers], [line("requests = NULL", where: "line = 0")]),
                (
                    "every row in one bundle", [.postingChanged, .bundleDiffers],
                    [Forgery("UPDATE usage SET posting_id = (SELECT MAX(posting_id) FROM usage), bundle = 0")]
                ),
                ("a line", [.postingChanged], [line("line = 1 - line", where: "line < 2")]),
                (
                    "a transfer that is no bundle's any more", [.postingChanged, .chargeDiffers],
                    [line("bundle = NULL", where: "line = 0")]
                ),
            ]
        }
    }

    @Test("whatever is done to shares and bundles is found", arguments: StoreAdapter.databases)
    func tampering(adapter: StoreAdapter) async throws {
        let scene = try await Scene.open(adapter)
        for page in [1000, 2] {
            let clean = try await scene.proof.verdict(page: page)
            #expect(clean.findings == [] && clean.ok && clean.requests == 16, "\(clean.findings)")
        }
        for tampering in scene.ofShares + scene.ofPlaces + scene.ofLines {
            let findings = try await scene.proof.verdict(after: tampering.statements).findings
            #expect(
                Set(findings.map(\.kind)).isSuperset(of: tampering.kinds),
                "\(tampering.name): \(findings.map(\.message))")
            #expect(findings.allSatisfy { $0.message.hasSuffix(".") })
        }
        #expect(try await scene.proof.verdict().ok)
    }

    @Test("the query that the documentation has shows each request's own", arguments: StoreAdapter.databases)
    func query(adapter: StoreAdapter) async throws {
        let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../docs/ledger.md")
        let text = try String(contentsOf: page.standardizedFileURL, encoding: .utf8)
        let block = try #require(text.components(separatedBy: "```sql\n").dropFirst().first)
        let query = try #require(block.components(separatedBy: "WHERE u.request_id").first)
        let world = try await LedgerWorld.open(adapter)
        let desk = try await SettlementDesk.open(world)
        let settlements = (2...9).map { desk.settlement(price: Int64($0)) }
        _ = try await world.ledger.settle(settlements)
        for settlement in settlements {
            let found = try await world.database.read(.system) { tx in
                try tx.rows(query + "WHERE u.request_id = $1 ORDER BY t.place", [settlement.record.request]).map {
                    row in
                    "\(try row.value("id", as: String.self)) \(try row.value("amount", as: Int64.self))"
                }
            }
            #expect(found == settlement.transfers.map { "\($0.id.text) \($0.amount.units)" })
        }
    }

    @Test("no two different sets of shares are digested from the same bytes")
    func forms() {
        let samples = Samples()
        let posting: PostingID = samples.ids.next()
        let accounts: [AccountID] = [samples.ids.next(), samples.ids.next()]
        let requests: [RequestID] = [samples.ids.next(), samples.ids.next()]
        func transfer(_ line: BundleLine?) -> Transfer {
            Transfer(
                id: TransferID("a"), reason: .charge, debit: accounts[0], credit: accounts[1],
                amount: Amount(units: 1, .tokens), accepted: Instant(microseconds: 0), bundle: line)
        }
        func share(_ request: Int, _ bundle: Int, _ amounts: Int64...) -> BundleShare {
            BundleShare(request: requests[request], bundle: bundle, amounts: amounts)
        }
        let lines = [
            nil, BundleLine(bundle: 0, line: 0, requests: 1), BundleLine(bundle: 1, line: 0, requests: 1),
            BundleLine(bundle: 0, line: 1, requests: 1), BundleLine(bundle: 0, line: 0, requests: 2),
        ]
        let shares: [[BundleShare]] = [
            [], [share(0, 0, 1)], [share(1, 0, 1)], [share(0, 1, 1)], [share(0, 0, 2)], [share(0, 0, 1, 1)],
            [share(0, 0, 1), share(1, 0, 1)], [share(1, 0, 1), share(0, 0, 1)],
        ]
        let forms = lines.flatMap { line in
            shares.map { PostingForm(posting, [transfer(line)], shares: $0).bytes }
        }
        #expect(Set(forms).count == lines.count * shares.count)
    }
}
