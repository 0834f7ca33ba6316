import Crypto
package import Kernel
package import Tenancy

/// HMAC-SHA256 under a key that lives and dies with the process: a cache's dump tells nothing about the tokens in it.
package struct HMACTokenDigest: TokenDigest {
    private let key: SymmetricKey

    package init(random: some RandomSource) { key = SymmetricKey(data: random.bytes(32)) }

    package func digest(of text: some StringProtocol) -> Digest256 {
        let code =
            text.utf8.withContiguousStorageIfAvailable { bytes in
                HMAC<SHA256>.authenticationCode(for: UnsafeRawBufferPointer(bytes), using: key)
            } ?? HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key)
        return code.withUnsafeBytes { raw in
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
