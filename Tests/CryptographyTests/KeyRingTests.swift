import Kernel
import Tenancy
import TestKit
import Testing

@testable import Cryptography

@Suite struct MasterKeyTests {
    private static let hexadecimal = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

    @Test(
        "a master key is read from hexadecimal and from both alphabets of base64",
        arguments: [
            hexadecimal, hexadecimal.uppercased(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n",
        ])
    func spellings(text: String) throws {
        let key = try #require(MasterKey(Secret(text)))
        #expect(key.text.reveal() == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
        #expect(key == MasterKey(Secret(Self.hexadecimal)))
    }

    @Test("the URL alphabet of base64 is the same key")
    func urlAlphabet() throws {
        let usual = try #require(MasterKey(Secret("+/+/" + String(repeating: "A", count: 39) + "=")))
        #expect(MasterKey(Secret("-_-_" + String(repeating: "A", count: 39))) == usual)
    }

    @Test(
        "what is no key is refused",
        arguments: [
            "", " ", "password", String(hexadecimal.dropLast()), hexadecimal + "0", hexadecimal + " " + hexadecimal,
            String(repeating: "0", count: 64), String(repeating: "A", count: 43) + "=", "g" + hexadecimal.dropFirst(),
        ])
    func refused(text: String) { #expect(MasterKey(Secret(text)) == nil) }

    @Test("a made key is read again as it was written, and shows itself nowhere")
    func written() throws {
        let key = MasterKey(random: SeededRandom())
        #expect(MasterKey(key.text) == key)
        #expect(MasterKey(random: SeededRandom(seed: 2)) != key)
        #expect(!"\(key) \(String(reflecting: key))".contains(key.text.reveal()))
    }

    @Test("what is derived is what HKDF-SHA256 gives")
    func vector() throws {
        // From another implementation: Python's hmac, by RFC 5869.
        let key = try #require(MasterKey(Secret(Self.hexadecimal)))
        let text = key.check.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(text == "64cf26dc6ae74b595a33b628ce440af7c197a04c68ac3bcc1eb337ed0a79c547")
    }
}

@Suite struct KeyRingTests {
    private let random = SeededRandom()
    private let text = Array("sk-or-v1-secret".utf8)

    private func ring(_ seed: UInt64, previous: UInt64? = nil) -> KeyRing {
        KeyRing(
            current: MasterKey(random: SeededRandom(seed: seed)),
            previous: previous.map { MasterKey(random: SeededRandom(seed: $0)) }, random: random)
    }

    private func refusal(_ body: () throws -> [UInt8]) -> ErrorCode? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? Problem)?.code
        }
    }

    @Test("what was sealed is opened again under the same key and for the same purpose")
    func opens() throws {
        let ring = ring(1)
        let sealed = try ring.seal(text, for: "a")
        #expect(try ring.open(sealed, for: "a") == text)
        #expect(try ring.open(try ring.seal([], for: "a"), for: "a").isEmpty)
        #expect(try ring.seal(text, for: "a") != sealed, "each sealing has a nonce of its own")
        #expect(sealed.firstRange(of: text) == nil)
    }

    @Test("another purpose and another key open nothing")
    func bound() throws {
        let sealed = try ring(1).seal(text, for: "secret/a")
        #expect(refusal { try ring(1).open(sealed, for: "secret/b") } == .configurationInvalid)
        #expect(refusal { try ring(2).open(sealed, for: "secret/a") } == .configurationInvalid)
    }

    @Test("no changed bit, no cut and no added byte is let through")
    func tampered() throws {
        let ring = ring(1)
        let sealed = try ring.seal(text, for: "a")
        for index in sealed.indices {
            for bit in 0..<8 {
                var changed = sealed
                changed[index] ^= 1 << bit
                #expect(refusal { try ring.open(changed, for: "a") } == .configurationInvalid)
            }
        }
        for length in 0..<sealed.count {
            #expect(refusal { try ring.open(Array(sealed[..<length]), for: "a") } == .configurationInvalid)
        }
        #expect(refusal { try ring.open(sealed + [0], for: "a") } == .configurationInvalid)
    }

    @Test("a refusal says what to do and nothing of the value")
    func words() throws {
        do {
            _ = try ring(2).open(try ring(1).seal(text, for: "secret/provider/x"), for: "secret/provider/x")
            Issue.record("opened")
        } catch let problem as Problem {
            #expect(problem.message.contains("another master key"))
            #expect(problem.hint.contains("master_key_previous_file"))
            #expect(!problem.description.contains("sk-or"))
        }
    }

    @Test("during a change of the key both are read, and only what is under the old one is sealed anew")
    func rotation() throws {
        let (old, both, new) = (ring(1), ring(2, previous: 1), ring(2))
        let sealed = try old.seal(text, for: "a")
        #expect(try both.open(sealed, for: "a") == text)
        #expect(!both.isCurrent(sealed))
        let resealed = try #require(try both.resealed(sealed, for: "a"))
        #expect(try both.resealed(resealed, for: "a") == nil)
        #expect(try new.open(resealed, for: "a") == text)
        #expect(refusal { try old.open(resealed, for: "a") } == .configurationInvalid)
    }

    @Test("the audit key outlives the master key that wraps it")
    func auditKey() throws {
        let (old, both, new) = (ring(1), ring(2, previous: 1), ring(2))
        let key = AuditKey(random: random)
        let sealed = try key.sealed(by: old)
        let moved = try #require(try both.resealed(sealed, for: SealPurpose.auditKey))
        let opened = try AuditKey(sealed: moved, by: new)
        #expect(opened.chains.seal(text) == key.chains.seal(text))
        #expect(opened.chains.seal(text) != opened.anchors.seal(text), "a seal of the one is none of the other")
        #expect(opened.chains.seal(text).count == 32)
    }
}
