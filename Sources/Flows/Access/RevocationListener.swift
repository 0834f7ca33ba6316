/// Brings what was taken away from credentials into force.
package protocol RevocationListener: Sendable {
    /// Called after the commit of a change that added a `Revocation`. Tells the other nodes, and returns when
    /// everything committed before is in force on this one: verdicts are forgotten, and what ran on a revoked
    /// credential has ended.
    /// - Throws: the store's `Problem`: the change stands, and is in force here within a second after the store answers
    ///   again, or when verdicts reach their greatest age.
    func didRevoke() async throws
}
