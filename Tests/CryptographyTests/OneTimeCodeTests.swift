import Kernel
import Tenancy
import TestKit
import Testing

@testable import Cryptography

@Suite struct OneTimeCodeTests {
    private let codes = OneTimeCode(random: SeededRandom())

    private func at(_ seconds: Int64) -> Instant { Instant(microseconds: seconds * 1_000_000) }

    @Test(
        "the vectors of RFC 6238, appendix B",
        arguments: [
            (59, "94287082"), (1_111_111_109, "07081804"), (1_111_111_111, "14050471"), (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"), (20_000_000_000, "65353130"),
        ] as [(Int64, String)])
    func vectors(seconds: Int64, expected: String) {
        let key = Array("12345678901234567890".utf8)
        let step = OneTimeCode.step(at: at(seconds))
        #expect(OneTimeCode.code(step: step, key: key, digits: 8) == expected)
        let secret = Secret(AuthenticatorBase32.text(key))
        #expect(codes.step(of: String(expected.suffix(6)), secret: secret, at: at(seconds)) == step)
    }

    @Test("a code of the step before and of the one after is accepted, of others it is not")
    func window() throws {
        let secret = codes.newSecret()
        let key = try #require(AuthenticatorBase32.bytes(secret.reveal()))
        let now = at(1_795_248_010)
        let current = OneTimeCode.step(at: now)
        for step in (current - 3)...(current + 3) {
            let code = OneTimeCode.code(step: step, key: key, digits: 6)
            let expected = abs(step - current) <= 1 ? step : nil
            #expect(codes.step(of: code, secret: secret, at: now) == expected)
        }
    }

    @Test(
        "what is no code is refused", arguments: ["", "12345", "1234567", "abcdef", "１２３４５６", "000000000000"])
    func wrong(code: String) {
        #expect(codes.step(of: code, secret: Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), at: at(59)) == nil)
    }

    @Test("spaces in a code, as some applications show them, do no harm")
    func spaces() {
        #expect(codes.step(of: "287 082", secret: Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), at: at(59)) == 1)
    }

    @Test(
        "base32 is that of RFC 4648, section 10",
        arguments: [
            ("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ])
    func base32(plain: String, encoded: String) {
        #expect(AuthenticatorBase32.text(Array(plain.utf8)) == encoded)
        #expect(AuthenticatorBase32.bytes(encoded.lowercased() + "===") == Array(plain.utf8))
        #expect(AuthenticatorBase32.bytes("A1") == nil)
    }

    @Test("a new secret has 160 bits, and its URI is what applications read")
    func uri() throws {
        let secret = codes.newSecret()
        #expect(AuthenticatorBase32.bytes(secret.reveal())?.count == 20)
        #expect(codes.newSecret() != secret)
        let uri = codes.uri(Secret("ABC"), account: "ann@example.com", issuer: "Volery & Co").reveal()
        #expect(
            uri == "otpauth://totp/Volery%20%26%20Co:ann%40example.com?secret=ABC&issuer=Volery%20%26%20Co"
                + "&algorithm=SHA1&digits=6&period=30")
    }
}
