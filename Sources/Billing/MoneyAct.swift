package import Kernel

/// Who changed something about money, for the audit event that is written in the same transaction.
package struct MoneyAct: Sendable, Hashable {
    package let id: AuditID
    package let actor: String
    package let address: IPAddress?
    package let request: RequestID?
    package let at: Instant
    /// What the caller's credential was, and the like.
    package let details: [String: String]

    package init(
        id: AuditID, actor: String, address: IPAddress?, request: RequestID?, at: Instant, details: [String: String]
    ) {
        self.id = id
        self.actor = actor
        self.address = address
        self.request = request
        self.at = at
        self.details = details
    }
}
