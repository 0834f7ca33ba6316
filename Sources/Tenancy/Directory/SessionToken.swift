package import Kernel

/// The text that a signed-in person sends: `vs_<secret>`.
package struct SessionToken: Sendable {
    package static let scheme = "vs"
    package static let secretLength = 52
    /// How long a person stays signed in.
    package static let lifetime = Duration.seconds(3600)

    package let text: Secret

    /// Reads a token, or returns nil for text that no `make` could have written.
    package init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: "_"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].elementsEqual(Self.scheme.utf8), parts[1].count == Self.secretLength,
            parts[1].allSatisfy({ ($0 < 0x41 || $0 > 0x5A) && Base32.value(of: $0) != nil })
        else { return nil }
        self.text = Secret(String(text))
    }

    /// A new token of 260 random bits.
    package static func make(random: some RandomSource) -> SessionToken {
        SessionToken(random: random)
    }

    private init(random: some RandomSource) {
        let secret = Base32.lowercase(random.bytes(33)).prefix(Self.secretLength)
        text = Secret("\(Self.scheme)_\(secret)")
    }
}

/// A digest that finds a session's row without keeping its token. The token is random and long, so a fast one will do.
package protocol SessionDigest: Sendable {
    /// 32 bytes, the same on every node and after every start.
    func digest(of token: SessionToken) -> [UInt8]
}
