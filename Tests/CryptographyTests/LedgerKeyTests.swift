import Billing
import TestKit
import Testing

@testable import Cryptography

@Suite struct LedgerKeyTests {
    @Test("what one of the keys seals passes for nothing that another one seals")
    func apart() {
        let key = AuditKey(random: SeededRandom())
        let ledger = key.ledger
        let seals = [ledger.postings, ledger.links, ledger.anchors, key.chains, key.anchors].map { $0.seal([1, 2, 3]) }
        #expect(Set(seals).count == 5)
        #expect(seals.allSatisfy { $0.count == 32 })
        #expect(ledger.postings.seal([1, 2, 3]) == seals[0])
        #expect(ledger.postings.seal([1, 2, 4]) != seals[0])
    }

    @Test("they stay the same under another master key")
    func moved() throws {
        let random = SeededRandom()
        let key = AuditKey(random: random)
        let ring = KeyRing(current: MasterKey(random: random), random: random)
        let opened = try AuditKey(sealed: try key.sealed(by: ring), by: ring)
        #expect(opened.ledger.links.seal([7]) == key.ledger.links.seal([7]))
    }
}
