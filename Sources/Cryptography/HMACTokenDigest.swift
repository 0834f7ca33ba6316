import Crypto
package import Kernel
package import Tenancy

/// HMAC-SHA256 under a key that lives and dies with the process: a cache's dump tells nothing about the tokens in it.
package struct HMACTokenDigest: TokenDigest {
    /// Has taken in the key already: half of the work for a text as short as a token.
    private let keyed: HMAC<SHA256>

    package init(random: some RandomSource) { keyed = HMAC(key: SymmetricKey(data: random.bytes(32))) }

    package func digest(of text: UnsafeRawBufferPointer) -> Digest256 {
        var hash = keyed
        hash.update(data: text)
        return hash.finalize().withUnsafeBytes { raw in
            Digest256(
                words: (
                    raw.loadUnaligned(fromByteOffset: 0, as: UInt64.self),
                    raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                    raw.loadUnaligned(fromByteOffset: 16, as: UInt64.self),
                    raw.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
                ))
        }
    }
}
