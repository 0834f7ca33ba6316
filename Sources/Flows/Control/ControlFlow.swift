import Fleet
import Inference
import Kernel
import Tenancy

/// `Control` over the stores, acting for one caller. Every method asks the access rules first.
package struct ControlFlow: Control, Sendable {
    let caller: Caller
    let parts: ControlParts
    let gate: AccessGate

    package init(caller: Caller, parts: ControlParts) {
        self.caller = caller
        self.parts = parts
        gate = AccessGate(
            caller: caller, decider: parts.access, audit: parts.stores.audit, denials: parts.denials,
            clock: parts.clock, ids: parts.ids)
    }

    var stores: ControlStores { parts.stores }
    var now: Instant { parts.clock.now }

    /// What an act leaves in the audit log.
    func entry(
        _ action: String, on subject: some CustomStringConvertible, tenant: TenantID?, workspace: WorkspaceID? = nil,
        outcome: AuditEntry.Outcome = .succeeded, _ details: [String: String] = [:]
    ) -> AuditEntry {
        AuditEntry(
            id: parts.ids.next(), tenant: tenant, workspace: workspace, at: now, actor: caller.actor, action: action,
            subject: subject.description, address: caller.address, request: caller.request, outcome: outcome,
            details: caller.details(details).mapValues { String(decoding: $0.utf8.prefix(500), as: UTF8.self) })
    }

    /// After a change that took something away from credentials: this node has it in force when the call returns.
    /// The change stands, whatever becomes of the listener: it catches up by itself.
    func didRevoke() async { try? await parts.revocations?.didRevoke() }

    /// Says in the refusal of a name that is taken what has it.
    func naming<Value>(_ taken: String, parameter: String = "name", _ act: () async throws -> Value) async throws
        -> Value
    {
        do {
            return try await act()
        } catch let problem as Problem where problem.code == .alreadyExists && problem.parameter == nil {
            throw Problem(.alreadyExists, "There is \(taken) already.", parameter: parameter)
        }
    }

    /// Around an act whose own store keeps no audit events: the event is there before the act, and a second one says so
    /// when it failed.
    /// - Parameter workspace: whose thing it is; nil for what belongs to the platform.
    func recorded<Value>(
        _ action: String, on subject: some CustomStringConvertible, in workspace: Workspace? = nil,
        _ details: [String: String] = [:], _ act: () async throws -> Value
    ) async throws -> Value {
        func event(_ outcome: AuditEntry.Outcome) -> AuditEntry {
            entry(
                action, on: subject, tenant: workspace?.tenant, workspace: workspace?.id, outcome: outcome, details)
        }
        try await stores.audit.append(event(.succeeded))
        do {
            return try await act()
        } catch {
            try? await stores.audit.append(event(.failed((error as? Problem)?.code ?? .internalError)))
            throw error
        }
    }
}
