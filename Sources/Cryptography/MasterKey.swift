import Crypto
import FoundationEssentials
package import Kernel

/// The key that every other key hangs on: 32 random bytes, never in the database. It is used for nothing by itself:
/// each purpose has a key derived from it (HKDF-SHA256).
package struct MasterKey: Sendable, Equatable {
    private let key: SymmetricKey
    /// 8 bytes that tell one key from another and say nothing about it.
    package let id: [UInt8]
    /// 32 bytes by which a database recognises the key, and from which nobody finds it.
    package let check: [UInt8]

    package init(random: any RandomSource) { self.init(bytes: random.bytes(Self.size)) }

    /// - Parameter text: 32 bytes in base64 (also its URL alphabet, with or without padding) or in hexadecimal, with
    ///   white space around it.
    /// - Returns: nil for anything else, and for 32 times the same byte, which nobody drew by chance.
    package init?(_ text: Secret) {
        let words = text.reveal().split(whereSeparator: \.isWhitespace)
        guard words.count == 1, let bytes = Self.hexadecimal(words[0]) ?? Self.base64(words[0]), Set(bytes).count > 1
        else { return nil }
        self.init(bytes: bytes)
    }

    private static let size = 32

    private init(bytes: [UInt8]) {
        precondition(bytes.count == Self.size)
        key = SymmetricKey(data: bytes)
        id = Self.derive(from: key, for: "id").withUnsafeBytes { Array($0.prefix(8)) }
        check = Self.derive(from: key, for: "check").withUnsafeBytes { Array($0) }
    }

    /// In base64, as a file holds it.
    package var text: Secret { Secret(key.withUnsafeBytes { Data($0) }.base64EncodedString()) }

    package static func == (left: MasterKey, right: MasterKey) -> Bool {
        constantTimeEqual(left.check, right.check)
    }

    /// 32 bytes for one purpose.
    func derived(for purpose: String) -> SymmetricKey { Self.derive(from: key, for: purpose) }

    static func derive(from key: SymmetricKey, for purpose: String) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key, salt: Array("volery".utf8), info: Array("volery/1/\(purpose)".utf8),
            outputByteCount: size)
    }

    private static func hexadecimal(_ text: some StringProtocol) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count == 2 * size else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = Self.digit(digits[index]), let low = Self.digit(digits[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    private static func base64(_ text: some StringProtocol) -> [UInt8]? {
        var usual = String(text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 })
        while usual.hasSuffix("=") { usual.removeLast() }
        guard usual.utf8.count == 43, let data = Data(base64Encoded: usual + "="), data.count == size else {
            return nil
        }
        return Array(data)
    }
}

extension MasterKey: CustomStringConvertible, CustomReflectable {
    package var description: String { "<master key>" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
