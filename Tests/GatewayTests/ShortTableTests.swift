import Testing

@testable import Gateway

@Suite("A table of few entries that are asked for")
struct ShortTableTests {
    private final class Box {}

    @Test("it says what a plain table says, whatever is put in, asked for and taken out", arguments: 1...20)
    func plain(seed: Int) {
        var random = SplitMix(state: UInt64(seed))
        var short = ShortTable<Int, Box>()
        var plain: [Int: Box] = [:]
        for _ in 0..<5000 {
            let key = Int(random.next() % 24)
            switch random.next() % 10 {
            case 0:
                let box = Box()
                short.insert(box, for: key)
                plain[key] = box
            case 1:
                short.remove(key)
                plain[key] = nil
            default: #expect(short.value(for: key) === plain[key])
            }
        }
        #expect(Set(short.values.map(ObjectIdentifier.init)) == Set(plain.values.map(ObjectIdentifier.init)))
    }
}
