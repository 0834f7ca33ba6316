import Database
import FoundationEssentials
import Kernel
import Tenancy

/// Adds entries to their chains, inside the transactions of the stores that act.
struct AuditLog: Sendable {
    static let platform = "platform"

    private let sealer: any AuditSealer

    init(_ sealer: any AuditSealer) { self.sealer = sealer }

    static func chain(of tenant: TenantID?) -> String { tenant?.description ?? platform }

    /// Adds the entry to the chain of `tenant`, whose the thing is that was acted on; the transaction's scope reaches
    /// no other.
    func append(_ entry: AuditEntry, to tenant: TenantID, _ tx: any Tx) throws {
        try append(entry.tenant == tenant ? entry : entry.placed(in: tenant), tx)
    }

    /// Adds the entry to the chain that it names. The same entry twice is there once.
    func append(_ entry: AuditEntry, _ tx: any Tx) throws {
        let chain = Self.chain(of: entry.tenant)
        let known = try tx.row("SELECT 1 AS n FROM audit_event WHERE chain = $1 AND id = $2", [chain, entry.id])
        guard known == nil else { return }
        try tx.run(
            """
            INSERT INTO audit_head (chain, sequence, seal, changed) VALUES ($1, 0, $2, $3)
            ON CONFLICT (chain) DO NOTHING
            """,
            [chain, Bytes(AuditChain.beginning), tx.now])
        guard let head = try tx.row("SELECT sequence, seal FROM audit_head WHERE chain = $1", [chain]) else {
            throw DatabaseFailure.corrupt("a row vanished inside its transaction")
        }
        let last: Int64 = try head.value("sequence")
        let event = AuditChain.event(
            entry, sequence: last + 1, previous: try head.value("seal", as: Bytes.self).bytes, sealer: sealer)
        // The head first: who comes second waits for it, and not for the event's own key, which would be a duplicate.
        try tx.run(
            "UPDATE audit_head SET sequence = $2, seal = $3, changed = $4 WHERE chain = $1",
            [chain, event.sequence, Bytes(event.seal), tx.now])
        try tx.run(
            """
            INSERT INTO audit_event (chain, sequence, id, workspace_id, happened, actor, action, subject, address,
                request_id, outcome, details, previous, seal)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
            """,
            [
                chain, event.sequence, entry.id, entry.workspace, entry.at, entry.actor, entry.action, entry.subject,
                entry.address?.description, entry.request, entry.outcome.text, try Self.text(of: entry.details),
                Bytes(event.previous), Bytes(event.seal),
            ])
    }

    private static func text(of details: [String: String]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(details), as: UTF8.self)
    }
}

extension AuditEntry {
    fileprivate func placed(in tenant: TenantID) -> AuditEntry {
        AuditEntry(
            id: id, tenant: tenant, workspace: workspace, at: at, actor: actor, action: action, subject: subject,
            address: address, request: request, outcome: outcome, details: details)
    }
}

extension AuditEvent {
    /// A row that says something impossible is an event without a seal: its chain can be read on, and no verification
    /// takes it for what it was.
    init(row: Row, of tenant: TenantID?) {
        self = (try? Self.exactly(row, tenant)) ?? Self.unreadable(row, tenant)
    }

    private static func exactly(_ row: Row, _ tenant: TenantID?) throws -> AuditEvent {
        let addressText: String? = try row.value("address")
        let address = addressText.flatMap { IPAddress($0) }
        guard (address == nil) == (addressText == nil), let outcome = Outcome(try row.value("outcome", as: String.self))
        else { throw DatabaseFailure.corrupt("an audit event holds no address or outcome") }
        let details = Data(try row.value("details", as: String.self).utf8)
        let entry = AuditEntry(
            id: try row.value("id"), tenant: tenant, workspace: try row.value("workspace_id"),
            at: try row.value("happened"), actor: try row.value("actor"), action: try row.value("action"),
            subject: try row.value("subject"), address: address, request: try row.value("request_id"),
            outcome: outcome, details: try JSONDecoder().decode([String: String].self, from: details))
        return AuditEvent(
            entry: entry, sequence: try row.value("sequence"),
            previous: try row.value("previous", as: Bytes.self).bytes, seal: try row.value("seal", as: Bytes.self).bytes
        )
    }

    private static func unreadable(_ row: Row, _ tenant: TenantID?) -> AuditEvent {
        func text(_ column: String) -> String { (try? row.value(column)) ?? "?" }
        let entry = AuditEntry(
            id: (try? row.value("id")) ?? AuditID(ULID(high: 0, low: 0)), tenant: tenant,
            at: (try? row.value("happened")) ?? Instant(microseconds: 0), actor: text("actor"), action: text("action"),
            subject: text("subject"), outcome: .failed(.internalError))
        return AuditEvent(entry: entry, sequence: (try? row.value("sequence")) ?? 0, previous: [], seal: [])
    }

    private typealias Outcome = AuditEntry.Outcome
}
