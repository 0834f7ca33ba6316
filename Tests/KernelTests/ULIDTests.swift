import Kernel
import TestKit
import Testing

@Suite struct ULIDTests {
    @Test("an identifier survives its text, in either case", arguments: [1, 2, 3] as [UInt64])
    func roundTrip(seed: UInt64) {
        let random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            let ulid = ULID(high: random.next(), low: random.next())
            #expect(ULID(ulid.description) == ulid, "seed \(seed)")
            #expect(ULID(ulid.description.lowercased()) == ulid, "seed \(seed)")
        }
    }

    @Test("the text sorts as the identifiers do", arguments: [1, 2] as [UInt64])
    func textSorts(seed: UInt64) {
        let random = SeededRandom(seed: seed)
        let ulids = (0..<500).map { _ in ULID(high: random.next(), low: random.next()) }
        #expect(ulids.sorted().map(\.description) == ulids.map(\.description).sorted(), "seed \(seed)")
    }

    @Test("the specification's example has the time that it says")
    func knownTime() throws {
        let ulid = try #require(ULID("01ARZ3NDEKTSV4RRFFQ69G5FAV"))
        #expect(ulid.milliseconds == 1_469_922_850_259)
        #expect(ulid.description == "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    }

    @Test(
        "what no identifier can be is refused",
        arguments: [
            "", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01ARZ3NDEKTSV4RRFFQ69G5FAVX", "81ARZ3NDEKTSV4RRFFQ69G5FAV",
            "01ARZ3NDEKTSV4RRFFQ69G5FAI", "01ARZ3NDEKTSV4RRFFQ69G5FAL", "01ARZ3NDEKTSV4RRFFQ69G5FAO",
            "01ARZ3NDEKTSV4RRFFQ69G5FAU", "01ARZ3NDEKTSV4RRFFQ69G5FA-", "01ARZ3NDEKTSV4RRFFQ69G5FÄ",
        ])
    func refused(text: String) { #expect(ULID(text) == nil) }

    @Test("identifiers of two kinds do not read as each other")
    func kinds() throws {
        let samples = Samples()
        let key: KeyID = samples.ids.next()
        #expect(KeyID(key.description) == key)
        #expect(RequestID(key.description) == nil)
        #expect(KeyID("key_" + "x") == nil)
        #expect(KeyID(key.ulid.description) == nil)
    }

    @Test("identifiers that count up spread over a table, and equal ones meet in it")
    func hashing() {
        let places = (0..<4096).map { ID<KeyKind>(ULID(high: 7, low: $0))._rawHashValue(seed: 3) & 4095 }
        // By chance 4096 balls leave 37 % of as many boxes empty.
        #expect(Set(places).count > 2400)
        let table = Dictionary(uniqueKeysWithValues: (0..<4096).map { (KeyID(ULID(high: $0, low: 7)), $0) })
        #expect((0..<4096).allSatisfy { table[KeyID(ULID(high: $0, low: 7))] == $0 })
        #expect(table[KeyID(ULID(high: 4096, low: 7))] == nil)
    }

    @Test("later identifiers sort behind earlier ones")
    func time() {
        let samples = Samples()
        let first: RequestID = samples.ids.next()
        samples.clock.advance(by: .milliseconds(1))
        let second: RequestID = samples.ids.next()
        #expect(first < second)
        #expect(first.description < second.description)
    }
}
