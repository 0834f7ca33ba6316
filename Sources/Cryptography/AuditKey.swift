import Crypto
package import Kernel
package import Tenancy

/// The key of the audit log's chains, and of the ledger's: 32 random bytes of their own, kept sealed under the master
/// key. So another master key changes only its wrapping, and chains hold for as long as they are kept.
package struct AuditKey: Sendable {
    let key: SymmetricKey

    package init(random: any RandomSource) { key = SymmetricKey(data: random.bytes(32)) }

    /// - Throws: `CONFIGURATION_INVALID` as `Sealer.open`.
    package init(sealed: [UInt8], by sealer: some Sealer) throws {
        let bytes = try sealer.open(sealed, for: SealPurpose.auditKey)
        guard bytes.count == 32 else {
            throw Problem(.configurationInvalid, "The audit log's key has \(bytes.count) bytes instead of 32.")
        }
        key = SymmetricKey(data: bytes)
    }

    package func sealed(by sealer: some Sealer) throws -> [UInt8] {
        try sealer.seal(key.withUnsafeBytes { Array($0) }, for: SealPurpose.auditKey)
    }

    /// For the events of chains.
    package var chains: HMACAuditSealer { HMACAuditSealer(MasterKey.derive(from: key, for: "audit chains")) }

    /// For the file of anchors, so that no seal of the one passes for one of the other.
    package var anchors: HMACAuditSealer { HMACAuditSealer(MasterKey.derive(from: key, for: "audit anchors")) }
}

/// HMAC-SHA256.
package struct HMACAuditSealer: AuditSealer {
    private let key: SymmetricKey

    init(_ key: SymmetricKey) { self.key = key }

    package func seal(_ bytes: [UInt8]) -> [UInt8] {
        HMAC<SHA256>.authenticationCode(for: bytes, using: key).withUnsafeBytes { Array($0) }
    }
}
