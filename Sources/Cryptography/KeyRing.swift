import Crypto
import FoundationEssentials
package import Kernel
import Tenancy

/// Seals under the current master key, and opens what was sealed under it or under the one before.
///
/// A sealed value is one byte of version, 8 bytes that name the key, 12 bytes of nonce, and the text and tag of
/// ChaCha20-Poly1305. Version, key and purpose are authenticated with it.
package struct KeyRing: Sealer {
    package let current: MasterKey
    /// In force until everything is sealed anew.
    package let previous: MasterKey?
    private let random: any RandomSource
    private let sealing: SymmetricKey
    private let opening: [(id: [UInt8], key: SymmetricKey)]

    private static let version: UInt8 = 1
    private static let idLength = 8
    private static let nonceLength = 12
    private static let tagLength = 16

    package init(current: MasterKey, previous: MasterKey? = nil, random: any RandomSource) {
        self.current = current
        self.previous = previous
        self.random = random
        sealing = current.derived(for: "sealing")
        opening = [current, previous].compactMap { $0 }.map { ($0.id, $0.derived(for: "sealing")) }
    }

    package func seal(_ bytes: [UInt8], for purpose: String) throws -> [UInt8] {
        let header = [Self.version] + current.id
        do {
            let box = try ChaChaPoly.seal(
                bytes, using: sealing, nonce: ChaChaPoly.Nonce(data: random.bytes(Self.nonceLength)),
                authenticating: Self.context(header, purpose))
            return header + box.combined
        } catch {
            throw Problem(.internalError)
        }
    }

    package func open(_ sealed: [UInt8], for purpose: String) throws -> [UInt8] {
        let headerLength = 1 + Self.idLength
        guard sealed.count >= headerLength + Self.nonceLength + Self.tagLength, sealed[0] == Self.version else {
            throw Self.refusal("is cut short, or was written by a newer Volery", purpose)
        }
        let header = Array(sealed[..<headerLength])
        guard let key = opening.first(where: { $0.id == header[1...].map { $0 } })?.key else {
            throw Self.refusal("was sealed under another master key", purpose)
        }
        do {
            let box = try ChaChaPoly.SealedBox(combined: sealed[headerLength...])
            return Array(try ChaChaPoly.open(box, using: key, authenticating: Self.context(header, purpose)))
        } catch {
            throw Self.refusal("was changed, or was sealed for something else", purpose)
        }
    }

    /// Whether it names the current key: then nothing is to be sealed anew.
    package func isCurrent(_ sealed: [UInt8]) -> Bool {
        sealed.first == Self.version && Array(sealed.dropFirst().prefix(Self.idLength)) == current.id
    }

    /// The same value under the current key; nil when it is already.
    package func resealed(_ sealed: [UInt8], for purpose: String) throws -> [UInt8]? {
        isCurrent(sealed) ? nil : try seal(try open(sealed, for: purpose), for: purpose)
    }

    private static func context(_ header: [UInt8], _ purpose: String) -> [UInt8] {
        Array("volery sealed value\0".utf8) + header + Array(purpose.utf8)
    }

    private static func refusal(_ what: String, _ purpose: String) -> Problem {
        Problem(
            .configurationInvalid, "The sealed value `\(purpose)` \(what).", parameter: "master_key_file",
            hint: "Give the master key that it was sealed with, with `master_key_previous_file` when it is an older "
                + "one, or store the value again.")
    }
}
