import CArgon2
import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What argon2id costs. The usual values are OWASP's: https://cheatsheetseries.owasp.org, Password Storage.
package struct Argon2Parameters: Sendable, Equatable {
    package var memoryKiB: UInt32 = 19_456
    package var passes: UInt32 = 2
    package var lanes: UInt32 = 1

    package init() {}

    package init(memoryKiB: UInt32, passes: UInt32, lanes: UInt32) {
        self.memoryKiB = memoryKiB
        self.passes = passes
        self.lanes = lanes
    }
}

/// The calls of libargon2. They take tens of milliseconds and the memory that the parameters say.
enum Argon2 {
    struct Failure: Error, CustomStringConvertible {
        let code: CInt
        var description: String { String(cString: argon2_error_message(code)) }
    }

    static let hashLength = 32

    /// - Returns: a PHC string: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
    static func hash(_ secret: Secret, salt: [UInt8], parameters: Argon2Parameters) throws(Failure) -> String {
        let size = argon2_encodedlen(
            parameters.passes, parameters.memoryKiB, parameters.lanes, UInt32(salt.count), UInt32(hashLength),
            Argon2_id)
        var encoded = [CChar](repeating: 0, count: size)
        let code = withWipedBytes(of: secret) { bytes in
            argon2id_hash_encoded(
                parameters.passes, parameters.memoryKiB, parameters.lanes, bytes.baseAddress, bytes.count, salt,
                salt.count, hashLength, &encoded, size)
        }
        guard code == ARGON2_OK.rawValue else { throw Failure(code: code) }
        return String(decoding: encoded.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static func verify(_ secret: Secret, against hash: String) throws(Failure) -> Bool {
        let code = withWipedBytes(of: secret) { bytes in
            argon2id_verify(hash, bytes.baseAddress, bytes.count)
        }
        if code == ARGON2_OK.rawValue { return true }
        if code == ARGON2_VERIFY_MISMATCH.rawValue { return false }
        throw Failure(code: code)
    }

    /// Lends a copy of the secret's bytes and overwrites it afterwards, in a way that the compiler keeps.
    private static func withWipedBytes<T>(of secret: Secret, _ body: (UnsafeMutableRawBufferPointer) -> T) -> T {
        var bytes = Array(secret.reveal().utf8)
        return bytes.withUnsafeMutableBytes { buffer in
            defer {
                #if canImport(Glibc)
                    if let base = buffer.baseAddress { explicit_bzero(base, buffer.count) }
                #else
                    if let base = buffer.baseAddress { memset_s(base, buffer.count, 0, buffer.count) }
                #endif
            }
            return body(buffer)
        }
    }
}
