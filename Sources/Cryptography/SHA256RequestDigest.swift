import Crypto
import Tenancy

/// SHA-256: two bodies that differ must not pass for one, also when somebody tries to make them.
package struct SHA256RequestDigest: RequestDigest {
    package init() {}

    package func digest(target: String, body: UnsafeRawBufferPointer) -> [UInt8] {
        var hash = SHA256()
        hash.update(data: Array(target.utf8))
        // A target has no zero byte, so no two pairs give the same bytes.
        hash.update(data: [0])
        hash.update(bufferPointer: body)
        return Array(hash.finalize())
    }
}
