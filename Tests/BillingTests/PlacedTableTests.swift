import Kernel
import TestKit
import Testing

@testable import Billing

@Suite struct PlacedTableTests {
    /// Few enough that most steps meet something that is here; every other one ends like all the others.
    private func id(_ random: SeededRandom) -> LimitID {
        let number = random.next(below: 400)
        return LimitID(ULID(high: number, low: number % 2 == 0 ? number << 32 : number))
    }

    @Test("it holds what a dictionary holds, also where identifiers end alike", arguments: [1, 2, 3] as [UInt64])
    func asDictionary(seed: UInt64) {
        let random = SeededRandom(seed: seed)
        var table = PlacedTable<LimitKind, Int>()
        var known: [LimitID: Int] = [:]
        for step in 0..<20_000 {
            let id = id(random)
            switch random.next(below: 6) {
            case 0:
                table[id] = step
                known[id] = step
            case 1:
                table[id] = nil
                known[id] = nil
            case 2:
                if let place = table.place(of: id) { table[place] += 1 }
                known[id]? += 1
            case 3: #expect(table.place(of: id).map { table[$0] } == known[id], "seed \(seed), step \(step)")
            case 4: #expect(table[id] == known[id], "seed \(seed), step \(step)")
            default:
                guard random.next(below: 2000) == 0 else { continue }
                table.removeAll()
                known.removeAll()
            }
            #expect(table.count == known.count, "seed \(seed), step \(step)")
        }
        let held = Dictionary(uniqueKeysWithValues: table.entries.map { ($0.id, $0.value) })
        #expect(held == known, "seed \(seed)")
    }
}
