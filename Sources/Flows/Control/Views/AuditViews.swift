package import Kernel
package import Tenancy

package struct AuditEventView: Sendable, Codable, Equatable {
    package let id: AuditID
    package let sequence: Int64
    package let tenant: TenantID?
    package let workspace: WorkspaceID?
    package let at: Instant
    package let actor: String
    package let action: String
    package let subject: String
    package let address: String?
    package let request: RequestID?
    /// `succeeded`, `denied`, or an error code.
    package let outcome: String
    package let details: [String: String]
    /// Hexadecimal.
    package let previous: String
    package let seal: String

    package init(_ event: AuditEvent) {
        let entry = event.entry
        id = entry.id
        sequence = event.sequence
        tenant = entry.tenant
        workspace = entry.workspace
        at = entry.at
        actor = entry.actor
        action = entry.action
        subject = entry.subject
        address = entry.address?.description
        request = entry.request
        outcome = entry.outcome.text
        details = entry.details
        previous = Self.hexadecimal(event.previous)
        seal = Self.hexadecimal(event.seal)
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private enum CodingKeys: String, CodingKey {
        case id, sequence, tenant = "tenant_id", workspace = "workspace_id", at, actor, action, subject, address
        case request = "request_id", outcome, details, previous, seal
    }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(id, forKey: .id)
        try members.encode(sequence, forKey: .sequence)
        try members.encode(tenant, forKey: .tenant)
        try members.encode(workspace, forKey: .workspace)
        try members.encode(at, forKey: .at)
        try members.encode(actor, forKey: .actor)
        try members.encode(action, forKey: .action)
        try members.encode(subject, forKey: .subject)
        try members.encode(address, forKey: .address)
        try members.encode(request, forKey: .request)
        try members.encode(outcome, forKey: .outcome)
        try members.encode(details, forKey: .details)
        try members.encode(previous, forKey: .previous)
        try members.encode(seal, forKey: .seal)
    }
}

/// What a verification of the audit log found.
package struct AuditVerdict: Sendable, Codable, Equatable {
    package struct Chain: Sendable, Codable, Equatable {
        /// Nil for the platform's own.
        package let tenant: TenantID?
        package let events: Int64
        /// Events that are anchored outside the database; nil when there is no anchor of this chain here.
        package let anchored: Int64?

        package init(tenant: TenantID?, events: Int64, anchored: Int64?) {
            self.tenant = tenant
            self.events = events
            self.anchored = anchored
        }

        private enum CodingKeys: String, CodingKey { case tenant = "tenant_id", events, anchored }

        /// Absent values are written as null, so that the shape is always the same.
        package func encode(to encoder: any Encoder) throws {
            var members = encoder.container(keyedBy: CodingKeys.self)
            try members.encode(tenant, forKey: .tenant)
            try members.encode(events, forKey: .events)
            try members.encode(anchored, forKey: .anchored)
        }
    }

    package struct Fault: Sendable, Codable, Equatable {
        package let tenant: TenantID?
        /// Where in the chain.
        package let sequence: Int64
        /// `changed`, `missing`, `reordered`, `truncated`, `replaced`, `unanchored`.
        package let kind: String
        package let message: String

        package init(tenant: TenantID?, sequence: Int64, kind: String, message: String) {
            self.tenant = tenant
            self.sequence = sequence
            self.kind = kind
            self.message = message
        }

        private enum CodingKeys: String, CodingKey { case tenant = "tenant_id", sequence, kind, message }

        /// Absent values are written as null, so that the shape is always the same.
        package func encode(to encoder: any Encoder) throws {
            var members = encoder.container(keyedBy: CodingKeys.self)
            try members.encode(tenant, forKey: .tenant)
            try members.encode(sequence, forKey: .sequence)
            try members.encode(kind, forKey: .kind)
            try members.encode(message, forKey: .message)
        }
    }

    package let ok: Bool
    package let chains: [Chain]
    /// At most 100.
    package let faults: [Fault]

    package init(chains: [Chain], faults: [Fault]) {
        ok = faults.isEmpty
        self.chains = chains
        self.faults = faults
    }
}
