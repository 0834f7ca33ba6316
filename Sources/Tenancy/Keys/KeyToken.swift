package import Kernel

/// The text that a caller sends: `vk_<prefix>_<secret>`.
///
/// The prefix finds the row and may be shown; the secret proves the caller and exists only in the caller's hands.
package struct KeyToken: Sendable {
    package static let scheme = "vk"
    package static let prefixLength = 10
    package static let secretLength = 40

    package let prefix: String
    /// The whole token. Hashing all of it binds secret and prefix together.
    package let text: Secret

    /// Reads a token, or returns nil for text that no `make` could have written, without any further work.
    package init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: "_"), maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].elementsEqual(Self.scheme.utf8),
            parts[1].count == Self.prefixLength, parts[2].count == Self.secretLength,
            parts[1].allSatisfy(Self.isDigit), parts[2].allSatisfy(Self.isDigit)
        else { return nil }
        prefix = String(decoding: parts[1], as: UTF8.self)
        self.text = Secret(String(text))
    }

    /// A new token: 50 random bits of prefix and 200 of secret.
    package static func make(random: some RandomSource) -> KeyToken {
        let prefix = Base32.lowercase(random.bytes(7)).prefix(prefixLength)
        let secret = Base32.lowercase(random.bytes(25)).prefix(secretLength)
        return KeyToken(prefix: String(prefix), text: Secret("\(scheme)_\(prefix)_\(secret)"))
    }

    private init(prefix: String, text: Secret) {
        self.prefix = prefix
        self.text = text
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (byte < 0x41 || byte > 0x5A) && Base32.value(of: byte) != nil
    }
}
