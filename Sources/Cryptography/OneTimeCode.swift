import Crypto
package import Kernel
import Tenancy

/// RFC 6238 with what every authenticator application supports: SHA-1, six digits, steps of 30 s.
package struct OneTimeCode: OneTimeCodes {
    package static let digits = 6
    package static let stepSeconds: Int64 = 30
    /// Steps before and after the current one that are accepted, for clocks that are a little off.
    static let window: Int64 = 1

    private let random: any RandomSource

    package init(random: any RandomSource) { self.random = random }

    package func newSecret() -> Secret { Secret(AuthenticatorBase32.text(random.bytes(20))) }

    package func uri(_ secret: Secret, account: String, issuer: String) -> Secret {
        let (account, issuer) = (Self.escaped(account), Self.escaped(issuer))
        return Secret(
            "otpauth://totp/\(issuer):\(account)?secret=\(secret.reveal())&issuer=\(issuer)&algorithm=SHA1"
                + "&digits=\(Self.digits)&period=\(Self.stepSeconds)")
    }

    package func step(of code: String, secret: Secret, at now: Instant) -> Int64? {
        let given = code.filter { $0 != " " }
        guard let key = AuthenticatorBase32.bytes(secret.reveal()), given.utf8.count == Self.digits else { return nil }
        let current = Self.step(at: now)
        var found: Int64?
        // All of them, so that the time tells nothing about which one it was.
        for step in (current - Self.window)...(current + Self.window) where step >= 0 {
            let expected = Self.code(step: step, key: key, digits: Self.digits)
            if constantTimeEqual(expected.utf8, given.utf8), found == nil { found = step }
        }
        return found
    }

    package static func step(at now: Instant) -> Int64 { now.seconds / stepSeconds }

    /// RFC 4226, section 5.3.
    static func code(step: Int64, key: [UInt8], digits: Int) -> String {
        let counter = (0..<8).map { UInt8(truncatingIfNeeded: step >> (56 - 8 * $0)) }
        let code = HMAC<Insecure.SHA1>.authenticationCode(for: counter, using: SymmetricKey(data: key))
        let bytes = code.withUnsafeBytes { Array($0) }
        let offset = Int(bytes[19] & 0x0F)
        let word = bytes[offset..<offset + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
        let modulus = (0..<digits).reduce(UInt32(1)) { power, _ in power * 10 }
        let number = String(word % modulus)
        return String(repeating: "0", count: digits - number.count) + number
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let hexadecimal = String(byte, radix: 16, uppercase: true)
                escaped += "%" + (byte < 16 ? "0" : "") + hexadecimal
            }
        }
        return escaped
    }
}

/// Base32 of RFC 4648, without padding: what authenticator applications read. Not the alphabet of our identifiers.
enum AuthenticatorBase32 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)

    static func text(_ bytes: [UInt8]) -> String {
        var (text, bits, held) = ("", UInt32(0), 0)
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            held += 8
            while held >= 5 {
                held -= 5
                text.unicodeScalars.append(Unicode.Scalar(alphabet[Int(bits >> held & 31)]))
            }
        }
        if held > 0 { text.unicodeScalars.append(Unicode.Scalar(alphabet[Int(bits << (5 - held) & 31)])) }
        return text
    }

    /// Nil when there is another character in it than the alphabet's, in either case, and padding.
    static func bytes(_ text: String) -> [UInt8]? {
        var (bytes, bits, held) = ([UInt8](), UInt32(0), 0)
        for character in text.uppercased().utf8 where character != 0x3D && character != 0x20 {
            guard let value = alphabet.firstIndex(of: character) else { return nil }
            bits = bits << 5 | UInt32(value)
            held += 5
            if held >= 8 {
                held -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> held))
            }
        }
        return bytes
    }
}
