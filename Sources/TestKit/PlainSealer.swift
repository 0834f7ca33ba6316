import Tenancy

/// Not keyed, and no cryptography: the same seal in every run, and another one for other bytes.
package struct PlainSealer: AuditSealer {
    package init() {}

    package func seal(_ bytes: [UInt8]) -> [UInt8] {
        var words: [UInt64] = [0xCBF2_9CE4_8422_2325, 1, 2, 3]
        for byte in bytes {
            for index in words.indices {
                words[index] = (words[index] ^ UInt64(byte) ^ UInt64(index)) &* 0x100_0000_01B3
            }
        }
        return words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) } }
    }
}
