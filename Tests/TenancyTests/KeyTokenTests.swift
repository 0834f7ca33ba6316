import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct KeyTokenTests {
    @Test("a made token reads back, with its prefix", arguments: [1, 2, 3] as [UInt64])
    func roundTrip(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        for _ in 0..<50 {
            let token = KeyToken.make(random: random)
            let text = token.text.reveal()
            let read = try #require(KeyToken(text), "seed \(seed)")
            #expect(read.prefix == token.prefix && read.text == token.text)
            #expect(text.hasPrefix("vk_\(token.prefix)_"))
            #expect(text.utf8.count == 3 + KeyToken.prefixLength + 1 + KeyToken.secretLength)
        }
    }

    @Test("two tokens differ in both parts")
    func differ() {
        let random = SystemRandom()
        let (one, other) = (KeyToken.make(random: random), KeyToken.make(random: random))
        #expect(one.prefix != other.prefix && one.text != other.text)
    }

    @Test("text that no token can be is refused")
    func refused() {
        let good = KeyToken.make(random: SeededRandom()).text.reveal()
        let wrong = [
            "", "vk", "vk__", "sk" + good.dropFirst(2), good + "0", String(good.dropLast()), good.uppercased(),
            " " + good,
            good + "\n", good.replacing("_", with: "-"), good + "_x", String(good.dropLast()) + "u",
            String(good.dropLast()) + "é", "Bearer " + good,
        ]
        for text in wrong { #expect(KeyToken(text) == nil, "\(text)") }
        #expect(KeyToken(good) != nil)
    }

    @Test("a token does not print its secret")
    func doesNotPrint() {
        let token = KeyToken.make(random: SeededRandom())
        let secret = token.text.reveal().suffix(KeyToken.secretLength)
        #expect(!"\(token)".contains(secret))
    }
}
