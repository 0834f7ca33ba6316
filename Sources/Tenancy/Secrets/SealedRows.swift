package import Kernel

/// A sealed value as it is kept. The store of it knows no key.
package struct SealedRow: Sendable, Hashable {
    /// `provider/prv_…`, `platform/audit-key`: 1 to 200 bytes without white space.
    package let name: String
    package let sealed: [UInt8]
    /// When this value was put; sealing it anew does not change it.
    package let stored: Instant

    package init(name: String, sealed: [UInt8], stored: Instant) {
        self.name = name
        self.sealed = sealed
        self.stored = stored
    }
}

/// Sealed values in the database, for all nodes. They belong to the platform. Throws as `KeyStore`.
package protocol SealedRows: Sendable {
    /// Keeps the row, in the place of an older one of the same name. Other nodes learn of it through a `Revocation` of
    /// `.providers`, in the same transaction, when the name begins with `provider/`.
    func put(_ row: SealedRow) async throws
    /// Keeps the row where there is none of that name. Of several callers at once, on any nodes, one wins.
    /// - Returns: the row that is kept now.
    func add(_ row: SealedRow) async throws -> SealedRow
    /// Another sealing of the same value, if `old` is what is kept; else nothing.
    /// - Returns: whether it was replaced.
    func replace(_ name: String, _ old: [UInt8], with new: [UInt8]) async throws -> Bool
    /// Nil when there is none of that name.
    func row(named name: String) async throws -> SealedRow?
    /// By name.
    func all() async throws -> [SealedRow]
    /// Removing what is not there is no failure. A `Revocation` as in `put`.
    func remove(named name: String) async throws
    /// The `Revocation` of `put` alone, where the secret itself is kept elsewhere.
    func announceProviders() async throws
}

/// What the database remembers of the master key: enough to refuse another one, nothing to find it by.
/// Throws as `KeyStore`.
package protocol MasterKeyRecord: Sendable {
    /// Nil before the first start.
    func check() async throws -> [UInt8]?
    /// Remembers the value where none is. Of several callers at once, on any nodes, one wins.
    /// - Returns: the value that is remembered now.
    func remember(_ check: [UInt8]) async throws -> [UInt8]
    /// After everything was sealed anew.
    /// - Returns: whether `old` was remembered, and `new` is now.
    func replace(_ old: [UInt8], with new: [UInt8]) async throws -> Bool
}

/// The sealed shared secrets of one-time codes, to be sealed anew. Throws as `KeyStore`.
package protocol SealedCodes: Sendable {
    /// Of every user who has one.
    func all() async throws -> [(user: UserID, sealed: [UInt8])]
    /// Another sealing of the same secret, if `old` is what is kept: no session ends.
    /// - Returns: whether it was replaced.
    func replace(_ old: [UInt8], with new: [UInt8], of user: UserID) async throws -> Bool
}
