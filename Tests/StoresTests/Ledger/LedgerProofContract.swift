import Billing
import Database
import Flows
import Inference
import Kernel
import Stores
import TestKit
import Testing

/// Rows of the ledger, changed by somebody who may write to the database and has no key.
@Suite("a ledger in somebody else's hands")
struct LedgerProofContract {
    /// A ledger of every kind of row, linked and anchored.
    private struct Scene {
        let proof: ProofWorld
        let desk: SettlementDesk
        let settlements: [Settlement]
        /// Went to suspense.
        let late: Settlement

        var charge: String { settlements[3].transfers[0].id.text }
        var count: String { settlements[3].transfers[1].id.text }
        var request: RequestID { settlements[3].record.request }

        func posting(of transfer: String) async throws -> String {
            try await proof.base.database.read(.system) { tx in
                try #require(try tx.row("SELECT posting_id FROM transfer WHERE id = $1", [transfer]))
                    .value("posting_id")
            }
        }

        static func open(_ adapter: StoreAdapter) async throws -> Scene {
            let proof = try await ProofWorld.open(adapter)
            let world = proof.base
            let desk = try await SettlementDesk.open(world)
            let settlements = (1...9).map { desk.settlement(price: Int64($0) * 100) }
            // Several postings, so that the chain has links.
            for settlement in settlements { _ = try await world.ledger.settle([settlement]) }
            let late = try await suspended(world)
            try await proof.linking.pass()
            return Scene(proof: proof, desk: desk, settlements: settlements, late: late)
        }

        /// Of a slice that is written off already.
        private static func suspended(_ world: LedgerWorld) async throws -> Settlement {
            let credit = try await world.credit(5000)
            let holder = try await world.begin(lasting: .seconds(1))
            let slice = try await world.slice(of: credit, 3000, for: holder)
            world.clock.advance(by: .seconds(2))
            #expect(try await world.ledger.writeOff(after: .seconds(1), limit: 10).count == 1)
            let desk = SettlementDesk(
                world: world, budget: credit, credit: credit, slices: [slice, slice], key: world.samples.ids.next())
            let plain = desk.settlement(price: 500)
            let settlement = Settlement(
                record: plain.record, bill: plain.bill, transfers: [plain.transfers[0], plain.transfers[2]],
                suspended: nil)
            #expect(try await world.ledger.settle([settlement]).late == 1)
            return settlement
        }
    }

    /// Statements, and one of the kinds of what they must be found by.
    private typealias Tampering = (name: String, kind: LedgerFinding.Kind, statements: [Forgery])

    @Test("is found out whatever is done to a transfer", arguments: StoreAdapter.databases)
    func transfers(adapter: StoreAdapter) async throws {
        let scene = try await Scene.open(adapter)
        let (charge, count) = (scene.charge, scene.count)
        let other = scene.settlements[5].transfers[0].id.text
        let places = try await [scene.posting(of: charge), scene.posting(of: other)]
        func changed(_ column: String, _ value: any SQLRepresentable & Sendable) -> Tampering {
            (
                "another \(column)", .postingChanged,
                [Forgery("UPDATE transfer SET \(column) = $2 WHERE id = $1", charge, value)]
            )
        }
        let tamperings: [Tampering] = [
            changed("amount", Int64(401)), changed("reason", "excess"), changed("kind", "void"),
            changed("asset", "EUR"), changed("accepted", Int64(5)), changed("posted", Int64(5)),
            changed("debit_account", "\(scene.desk.budget)"), changed("credit_account", "\(scene.desk.budget)"),
            changed("request_id", "\(scene.settlements[0].record.request)"), changed("escrow_id", "nonsense"),
            changed("debit_account", "\(scene.desk.credit)".lowercased()), changed("amount", Int64(-400)),
            changed("place", Int64(7)),
            (
                "another owner", .ownerDiffers,
                [Forgery("UPDATE transfer SET tenant_id = 'other' WHERE id = $1", charge)]
            ),
            ("one less", .transferMissing, [Forgery("DELETE FROM transfer WHERE id = $1", charge)]),
            (
                "one more", .transferAdded,
                [
                    Forgery(
                        """
                        INSERT INTO transfer SELECT 'more', posting_id, 9, kind, reason, debit_account, credit_account,
                            asset, amount, escrow_id, request_id, tenant_id, workspace_id, accepted, posted, bundle,
                            line, requests
                        FROM transfer WHERE id = $1
                        """, charge)
                ]
            ),
            (
                "two exchanged within a posting", .postingChanged,
                [
                    Forgery("UPDATE transfer SET place = 1 - place WHERE id IN ($1, $2)", charge, count)
                ]
            ),
            (
                "two exchanged between postings", .postingChanged,
                [
                    Forgery("UPDATE transfer SET posting_id = $2 WHERE id = $1", charge, places[1]),
                    Forgery("UPDATE transfer SET posting_id = $2 WHERE id = $1", other, places[0]),
                ]
            ),
            (
                "one of a posting of its own", .postingMissing,
                [
                    Forgery(
                        """
                        INSERT INTO transfer SELECT 'more', 'pst_01JZ0000000000000000000000', 0, kind, reason,
                            debit_account, credit_account, asset, amount, escrow_id, request_id, tenant_id,
                            workspace_id, accepted, posted, bundle, line, requests FROM transfer WHERE id = $1
                        """, charge)
                ]
            ),
        ]
        try await expect(tamperings, on: scene)
    }

    @Test("is found out whatever is done to accounts and escrows", arguments: StoreAdapter.databases)
    func accounts(adapter: StoreAdapter) async throws {
        let scene = try await Scene.open(adapter)
        let budget = "\(scene.desk.budget)"
        let revenue = "\(scene.proof.base.platform(.revenue))"
        let slice = "\(scene.desk.slices[0])"
        func account(_ id: String, _ kind: LedgerFinding.Kind, _ change: String) -> Tampering {
            ("\(change) of \(id)", kind, [Forgery("UPDATE ledger_account SET \(change) WHERE id = $1", id)])
        }
        let tamperings: [Tampering] = [
            account(budget, .sumsDiffer, "debits = debits - 1"), account(budget, .sumsDiffer, "credits = credits + 1"),
            account(budget, .sumsDiffer, "pending = 0"), account(revenue, .sumsDiffer, "credits = 7"),
            account(budget, .assetUnbalanced, "debits = debits - 1"), account(budget, .assetMismatch, "asset = 'EUR'"),
            account(budget, .guardPassed, "credit_limit = 99000"), account(budget, .ownerDiffers, "tenant_id = 'x'"),
            ("an account less", .accountMissing, [Forgery("DELETE FROM ledger_account WHERE id = $1", revenue)]),
            (
                "an escrow that holds more", .escrowDiffers,
                [Forgery("UPDATE escrow SET remaining = remaining + 1 WHERE id = $1", slice)]
            ),
            ("an escrow less", .escrowMissing, [Forgery("DELETE FROM escrow WHERE id = $1", slice)]),
            (
                "an escrow of another account", .escrowMissing,
                [Forgery("UPDATE escrow SET account_id = $2 WHERE id = $1", slice, "\(scene.desk.credit)")]
            ),
            (
                "an escrow that nobody gave back", .escrowStale,
                [Forgery("UPDATE billing_node SET expires = 0, changed = 0")]
            ),
            ("nodes that are gone", .escrowStale, [Forgery("DELETE FROM billing_node")]),
            (
                "an escrow that was closed with money in it", .escrowStale,
                [Forgery("UPDATE escrow SET ended = 5 WHERE id = $1", slice)]
            ),
            (
                "more taken from an escrow than it held", .escrowOverdrawn,
                [
                    Forgery(
                        "UPDATE transfer SET amount = 10 WHERE escrow_id = $1 AND kind = 'pending'", slice)
                ]
            ),
        ]
        try await expect(tamperings, on: scene)
    }

    @Test("is found out whatever is done to postings and the chain", arguments: StoreAdapter.databases)
    func chain(adapter: StoreAdapter) async throws {
        let scene = try await Scene.open(adapter)
        let head = try #require(try await scene.proof.chain.head())
        let posting = "(SELECT posting_id FROM transfer WHERE id = $1)"
        let zeros = Blob([UInt8](repeating: 0, count: 32))
        func removed(_ rows: String) -> [Forgery] {
            [
                Forgery(
                    "DELETE FROM transfer WHERE posting_id IN (SELECT posting_id FROM ledger_link WHERE \(rows))"),
                Forgery("DELETE FROM posting WHERE id IN (SELECT posting_id FROM ledger_link WHERE \(rows))"),
                Forgery("DELETE FROM ledger_link WHERE \(rows)"),
            ]
        }
        let tamperings: [Tampering] = [
            (
                "a digest", .postingChanged,
                [Forgery("UPDATE posting SET digest = $2 WHERE id = \(posting)", scene.charge, zeros)]
            ),
            (
                "a digest, by the chain", .linkChanged,
                [Forgery("UPDATE posting SET digest = $2 WHERE id = \(posting)", scene.charge, zeros)]
            ),
            (
                "a time", .linkChanged,
                [Forgery("UPDATE posting SET posted = 5 WHERE id = \(posting)", scene.charge)]
            ),
            (
                "a count", .transferMissing,
                [Forgery("UPDATE posting SET transfers = 9 WHERE id = \(posting)", scene.charge)]
            ),
            (
                "a posting less", .postingMissing,
                [Forgery("DELETE FROM posting WHERE id = \(posting)", scene.charge)]
            ),
            ("a link's seal", .linkChanged, [Forgery("UPDATE ledger_link SET seal = $1 WHERE number = 4", zeros)]),
            (
                "a link's predecessor", .linkChanged,
                [Forgery("UPDATE ledger_link SET previous = $1 WHERE number = 4", zeros)]
            ),
            ("a link less", .linkMissing, [Forgery("DELETE FROM ledger_link WHERE number = 4")]),
            (
                "a link less, by its posting", .postingUnlinked,
                [Forgery("DELETE FROM ledger_link WHERE number = 4")]
            ),
            ("a posting and its link less", .linkMissing, removed("number = 4")),
            (
                "a posting and its link less, the later ones moved up", .linkChanged,
                removed("number = 4") + [
                    Forgery("UPDATE ledger_link SET number = -number WHERE number > 4"),
                    Forgery("UPDATE ledger_link SET number = -number - 1 WHERE number < 0"),
                ]
            ),
            ("the end cut off", .chainCut, removed("number = \(head.number)")),
            ("all links gone", .chainCut, [Forgery("DELETE FROM ledger_link")]),
            (
                "a posting that waits and is not there", .postingMissing,
                [Forgery("INSERT INTO posting_unlinked (posting_id) VALUES ('pst_01JZ0000000000000000000000')")]
            ),
        ]
        try await expect(tamperings, on: scene)
    }

    @Test("is found out when digests and chain were computed anew without the keys", arguments: StoreAdapter.databases)
    func recomputed(adapter: StoreAdapter) async throws {
        let scene = try await Scene.open(adapter)
        var statements = [Forgery("UPDATE transfer SET amount = 1 WHERE id = $1", scene.charge)]
        var seal = LedgerChain.beginning
        for link in try await scene.proof.chain.links(after: 0, limit: 1000) {
            let content = try #require(link.content)
            let digest = TestLinkSealer(key: 9).seal(content.digest)
            let posting = Posting(
                id: content.id, transfers: content.transfers, digest: digest, posted: content.posted)
            let new = LedgerLink(
                number: link.number, previous: seal, posting: posting, sealer: TestLinkSealer(key: 9))
            statements += [
                Forgery("UPDATE posting SET digest = $2 WHERE id = $1", "\(content.id)", Blob(digest)),
                Forgery(
                    "UPDATE ledger_link SET previous = $2, seal = $3 WHERE number = $1", link.number, Blob(seal),
                    Blob(new.seal)),
            ]
            seal = new.seal
        }
        let kinds = try await scene.proof.kinds(after: statements)
        #expect(kinds.isSuperset(of: [.linkChanged, .linkReplaced, .postingChanged, .sumsDiffer, .chargeDiffers]))
    }

    @Test("is found out whatever is done to usage and suspense", arguments: StoreAdapter.databases)
    func requests(adapter: StoreAdapter) async throws {
        let scene = try await Scene.open(adapter)
        let request = "\(scene.request)"
        let late = "\(scene.late.record.request)"
        let copy = "\(scene.proof.base.samples.ids.next(RequestKind.self))"
        func usage(_ kind: LedgerFinding.Kind, _ change: String) -> Tampering {
            (change, kind, [Forgery("UPDATE usage SET \(change) WHERE request_id = $1", request)])
        }
        let tamperings: [Tampering] = [
            usage(.chargeDiffers, "price = price + 1"), usage(.chargeDiffers, "price = NULL"),
            usage(.chargeDiffers, "price_currency = 'EUR'"), usage(.suspenseMissing, "bill_state = 'suspended'"),
            usage(.costDiffers, "cost = cost - 1"), usage(.costDiffers, "cost = NULL"),
            usage(.costDiffers, "cost_currency = 'EUR'"), usage(.ownerDiffers, "workspace_id = 'ws_other'"),
            usage(.ownerDiffers, "tenant_id = 'ten_other'"),
            ("a row less", .usageMissing, [Forgery("DELETE FROM usage WHERE request_id = $1", request)]),
            (
                "a row whose charge is gone", .chargeDiffers,
                [Forgery("DELETE FROM transfer WHERE id = $1", scene.charge)]
            ),
            (
                "a row that was never charged", .chargeDiffers,
                [Forgery("UPDATE usage SET request_id = $2 WHERE request_id = $1", request, copy)]
            ),
            (
                "a second charge", .settledTwice,
                [
                    Forgery(
                        """
                        INSERT INTO transfer SELECT id || '/more', posting_id, 9, kind, reason, debit_account,
                            credit_account, asset, amount, escrow_id, request_id, tenant_id, workspace_id,
                            accepted, posted, bundle, line, requests
                        FROM transfer WHERE id = $1
                        """, scene.charge)
                ]
            ),
            (
                "a charge that is not found by its name", .unreadable,
                [
                    Forgery(
                        """
                        INSERT INTO transfer SELECT 'more', posting_id, 9, kind, reason, debit_account, credit_account,
                            asset, amount, escrow_id, request_id, tenant_id, workspace_id, accepted, posted, bundle,
                            line, requests
                        FROM transfer WHERE id = $1
                        """, scene.charge)
                ]
            ),
            ("an item less", .suspenseMissing, [Forgery("DELETE FROM suspense_item WHERE request_id = $1", late)]),
            (
                "an item of another amount", .suspenseDiffers,
                [Forgery("UPDATE suspense_item SET amount = 1 WHERE request_id = $1", late)]
            ),
            (
                "an item that nobody resolved", .suspenseDiffers,
                [Forgery("UPDATE suspense_item SET resolved = 5 WHERE request_id = $1", late)]
            ),
        ]
        try await expect(tamperings, on: scene)
    }

    @Test(
        "a transfer that is given to another request makes no third one suspect", arguments: StoreAdapter.databases)
    func movedTransfer(adapter: StoreAdapter) async throws {
        let scene = try await Scene.open(adapter)
        let ordered = scene.settlements.sorted { $0.record.request < $1.record.request }
        let (owner, other) = (ordered[1], ordered[7])
        let verdict = try await scene.proof.verdict(after: [
            Forgery(
                "UPDATE transfer SET request_id = $2 WHERE id = $1", owner.transfers[0].id.text,
                "\(other.record.request)")
        ])
        #expect(verdict.findings.contains { $0.subjects.contains("\(owner.record.request)") })
        let touched = [owner.record.request, other.record.request]
        for request in ordered.map(\.record.request) where !touched.contains(request) {
            let request = "\(request)"
            #expect(verdict.findings.allSatisfy { !$0.subjects.contains(request) }, "\(verdict.findings)")
        }
    }

    private func expect(_ tamperings: [Tampering], on scene: Scene) async throws {
        let clean = try await scene.proof.verdict()
        #expect(clean.findings == [])
        #expect(clean.ok && clean.waiting == 0 && clean.links == clean.postings && clean.anchored == clean.links)
        for tampering in tamperings {
            let verdict = try await scene.proof.verdict(after: tampering.statements)
            #expect(!verdict.ok, "\(tampering.name)")
            #expect(
                verdict.findings.map(\.kind).contains(tampering.kind),
                "\(tampering.name): \(verdict.findings.map(\.message))")
            #expect(verdict.findings.allSatisfy { $0.message.hasSuffix(".") })
        }
        #expect(try await scene.proof.verdict().ok)
    }
}
