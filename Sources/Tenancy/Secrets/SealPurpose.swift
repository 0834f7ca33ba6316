package import Kernel

/// What sealed values are for, so that none can be put in another's place.
package enum SealPurpose {
    /// A value of the secret store.
    package static func secret(_ name: String) -> String { "secret/\(name)" }

    /// The shared secret of a person's one-time codes: the base32 text's bytes.
    package static func oneTimeCodes(of user: UserID) -> String { "one-time-codes/\(user)" }

    /// The key of the audit log's chains.
    package static let auditKey = "audit-key"
}
