/// One step of the schema: numbered, forward only, never changed once released.
package struct Migration: Sendable {
    /// Counts from 1, without gaps.
    package let number: Int
    package let name: String
    /// The oldest binary that still works on the schema after this step. While an upgrade rolls, and after a roll-back,
    /// binaries from this one on go on serving.
    package let oldestBinary: BinaryVersion
    /// Portable SQL, one statement each, with the words of `Dialect.render`.
    package let statements: [String]

    package init(number: Int, name: String, oldestBinary: BinaryVersion, statements: [String]) {
        self.number = number
        self.name = name
        self.oldestBinary = oldestBinary
        self.statements = statements
    }

    /// FNV-1a over the name and the text before rendering, so that it is the same on both engines. It finds a
    /// changed migration; it is no protection against somebody who wants to hide one.
    package var checksum: String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for text in [name] + statements {
            for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            hash = (hash ^ 0xFF) &* 0x100_0000_01B3
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
