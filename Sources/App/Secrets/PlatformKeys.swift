package import Cryptography
import Kernel
import Logging
import Tenancy

/// The keys of one running process: what seals, and what chains the audit log and the ledger.
package struct PlatformKeys: Sendable {
    /// The name of the audit key's row.
    static let auditKeyName = "platform/audit-key"

    package let ring: KeyRing
    package let audit: AuditKey
    package let origin: MasterKeyOrigin
    /// Whether the database still goes by the previous master key: `resealed` ends that.
    package let isRotating: Bool

    /// What seals the ledger.
    package var ledger: LedgerKey { audit.ledger }

    /// What of the database it needs.
    struct Rows: Sendable {
        let record: any MasterKeyRecord
        let sealed: any SealedRows
    }

    /// Finds the master key, or makes one where the database has never known any, and refuses one that is not the
    /// database's.
    /// - Throws: `CONFIGURATION_INVALID`, with what to do.
    static func open(
        _ source: MasterKeySource, over rows: Rows, random: any RandomSource, now: Instant, logger: Logger
    ) async throws -> PlatformKeys {
        let previous = try source.previous()
        let remembered = try await rows.record.check()
        let given = try source.current()
        let isNew = given == nil
        let found = try given ?? make(source, remembered, random)
        let check = try await rows.record.remember(found.key.check)
        let isRotating: Bool
        if constantTimeEqual(check, found.key.check) {
            isRotating = false
        } else if let previous, constantTimeEqual(check, previous.check) {
            isRotating = true
            logger.notice("secrets are sealed under two master keys until `volery secrets reseal` ran")
        } else {
            // Another node was first: what we made is nobody's key.
            if isNew { DataFolder.remove(source.folder.masterKeyFile) }
            throw refusal(of: found.origin, isNew: isNew)
        }
        let ring = KeyRing(current: found.key, previous: previous, random: random)
        let audit = try await auditKey(
            ring, rows, isKnown: remembered != nil, random: random, now: now, logger: logger)
        return PlatformKeys(ring: ring, audit: audit, origin: found.origin, isRotating: isRotating)
    }

    private static func make(
        _ source: MasterKeySource, _ remembered: [UInt8]?, _ random: any RandomSource
    ) throws -> MasterKeySource.Found {
        let path = source.folder.masterKeyFile
        guard remembered == nil else { throw missing(source) }
        let key = MasterKey(random: random)
        try DataFolder.write(key.text.reveal(), to: path)
        return MasterKeySource.Found(key: key, origin: .dataFolder(path))
    }

    static func missing(_ source: MasterKeySource) -> Problem {
        Problem(
            .configurationInvalid, "The database is sealed with a master key, and there is none here.",
            parameter: Settings.masterKeyFile.key,
            hint:
                "Restore \(source.folder.masterKeyFile) from the backup, or give the key that other nodes have with "
                + "\(MasterKeySettings.variable) or `\(Settings.masterKeyFile.key)`.")
    }

    private static func refusal(of origin: MasterKeyOrigin, isNew: Bool) -> Problem {
        let found =
            isNew
            ? "This database is sealed with another node's master key."
            : "The master key in \(origin.place) is not the one that this database is sealed with."
        return Problem(
            .configurationInvalid, found, parameter: Settings.masterKeyFile.key,
            hint: "Give every node the same key, with \(MasterKeySettings.variable) or "
                + "`\(Settings.masterKeyFile.key)`. To change it, give the old one too, as "
                + "`\(Settings.masterKeyPreviousFile.key)`, then run `volery secrets reseal`.")
    }

    /// The database's own; made at the very first start.
    private static func auditKey(
        _ ring: KeyRing, _ rows: Rows, isKnown: Bool, random: any RandomSource, now: Instant, logger: Logger
    ) async throws -> AuditKey {
        let kept: SealedRow
        if let row = try await rows.sealed.row(named: auditKeyName) {
            kept = row
        } else {
            if isKnown {
                // Only somebody who removed it, or a process that ended in the middle of its first start, leaves this.
                logger.error("the database has no key for the audit log; what was logged before does not verify")
            }
            let new = SealedRow(
                name: auditKeyName, sealed: try AuditKey(random: random).sealed(by: ring), stored: now)
            kept = try await rows.sealed.add(new)
        }
        return try AuditKey(sealed: kept.sealed, by: ring)
    }

    /// Seals the audit key under the current master key and lets the database go by that one. Last of all that is
    /// sealed anew: until it returns, the previous key is still asked for.
    func finishRotation(_ rows: Rows) async throws {
        if let row = try await rows.sealed.row(named: Self.auditKeyName),
            let new = try ring.resealed(row.sealed, for: SealPurpose.auditKey)
        {
            _ = try await rows.sealed.replace(row.name, row.sealed, with: new)
        }
        guard let previous = ring.previous else { return }
        _ = try await rows.record.replace(previous.check, with: ring.current.check)
    }
}
