package import Kernel

/// One administrative act, before it has its place in the chain.
package struct AuditEntry: Sendable, Hashable {
    package enum Outcome: Sendable, Hashable {
        case succeeded
        /// By the access rules.
        case denied
        case failed(ErrorCode)

        /// `succeeded`, `denied`, or the code.
        package var text: String {
            switch self {
            case .succeeded: "succeeded"
            case .denied: "denied"
            case .failed(let code): code.rawValue
            }
        }

        package init?(_ text: String) {
            switch text {
            case "succeeded": self = .succeeded
            case "denied": self = .denied
            default:
                guard let code = ErrorCode(rawValue: text) else { return nil }
                self = .failed(code)
            }
        }
    }

    package let id: AuditID
    /// Whose chain it belongs to; nil for the platform's own.
    package let tenant: TenantID?
    package let workspace: WorkspaceID?
    package let at: Instant
    /// `operator`, `platform`, or the identifier of a key, user or session.
    package let actor: String
    /// `key.create`, `workspace.suspend`, `session.begin`: what was done, as `subject.verb`.
    package let action: String
    /// The identifier of what it was done to; empty where there is none.
    package let subject: String
    /// The client's address; nil on the command line.
    package let address: IPAddress?
    package let request: RequestID?
    package let outcome: Outcome
    /// What changed, in words without secrets, at most 20 members of at most 500 bytes.
    package let details: [String: String]

    package init(
        id: AuditID, tenant: TenantID?, workspace: WorkspaceID? = nil, at: Instant, actor: String, action: String,
        subject: String, address: IPAddress? = nil, request: RequestID? = nil, outcome: Outcome = .succeeded,
        details: [String: String] = [:]
    ) {
        self.id = id
        self.tenant = tenant
        self.workspace = workspace
        self.at = at
        self.actor = actor
        self.action = action
        self.subject = subject
        self.address = address
        self.request = request
        self.outcome = outcome
        self.details = details
    }
}

/// An entry in its place.
package struct AuditEvent: Sendable, Hashable {
    package let entry: AuditEntry
    /// 1, 2, 3 … in each chain.
    package let sequence: Int64
    /// The seal of the event before; 32 zero bytes for the first.
    package let previous: [UInt8]
    /// 32 bytes: the keyed hash over `previous`, `sequence` and the entry.
    package let seal: [UInt8]

    package init(entry: AuditEntry, sequence: Int64, previous: [UInt8], seal: [UInt8]) {
        self.entry = entry
        self.sequence = sequence
        self.previous = previous
        self.seal = seal
    }
}

/// A keyed hash whose key is not in the database: whoever can write there cannot make a chain that holds.
package protocol AuditSealer: Sendable {
    /// 32 bytes.
    func seal(_ bytes: [UInt8]) -> [UInt8]
}

/// The last event of a chain, as it is anchored outside the database.
package struct AuditHead: Sendable, Hashable {
    package let tenant: TenantID?
    package let sequence: Int64
    package let seal: [UInt8]

    package init(tenant: TenantID?, sequence: Int64, seal: [UInt8]) {
        self.tenant = tenant
        self.sequence = sequence
        self.seal = seal
    }
}

/// Where heads are kept apart from the database, so that a tail that was cut off is missed.
package protocol AuditAnchors: Sendable {
    /// Durable when it returns. Heads may come in any order, and more than once.
    func anchor(_ heads: [AuditHead]) async throws
    /// The highest head of each chain that was ever anchored here.
    func all() async throws -> [AuditHead]
    /// What is wrong with the anchors themselves, such as that they are gone: one sentence for each finding.
    func complaints() async throws -> [String]
}

/// The log of administrative acts: only ever added to. Throws as `KeyStore`.
package protocol AuditStore: Sendable {
    /// Adds an act that changed nothing else: a sign-in, an export, a refusal. What changes rows is added by the store
    /// that changes them, in the same transaction.
    func append(_ entry: AuditEntry) async throws
    /// A chain's events, newest first; `page.after` is a sequence number.
    func list(of tenant: TenantID?, page: PageRequest) async throws -> Page<AuditEvent>
    /// A chain's events after `sequence`, oldest first, at most `limit`.
    func events(of tenant: TenantID?, after sequence: Int64, limit: Int) async throws -> [AuditEvent]
    /// The heads of all chains, as the database has them; those of the chains that changed after `time` only.
    func heads(changedAfter time: Instant?) async throws -> [AuditHead]
}
