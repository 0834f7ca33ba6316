package import Kernel

/// A change after which what was known about some credentials no longer holds. Numbered without a gap in the order of
/// commits, so that a node that has seen one number has seen all before it.
package struct Revocation: Sendable, Hashable {
    package enum Subject: Sendable, Hashable {
        /// Revoked, changed or rotated.
        case key(KeyID)
        /// Suspended, deleted, or its rules changed.
        case workspace(WorkspaceID)
        case tenant(TenantID)
        /// Suspended, or its memberships changed.
        case user(UserID)
        case session(SessionID)
        /// The providers or their keys changed.
        case providers
    }

    package let sequence: Int64
    package let subject: Subject

    package init(sequence: Int64, subject: Subject) {
        self.sequence = sequence
        self.subject = subject
    }
}

/// The numbered list of revocations. Throws as `KeyStore`.
package protocol RevocationStore: Sendable {
    /// The number of the last one; 0 before the first.
    func head() async throws -> Int64
    /// Those after `sequence`, in order, at most `limit`.
    /// - Returns: nil when some of them are no longer kept: the caller has to forget everything it knows.
    func after(_ sequence: Int64, limit: Int) async throws -> [Revocation]?
    /// Drops those that were written before `time`.
    func prune(before time: Instant) async throws
}
