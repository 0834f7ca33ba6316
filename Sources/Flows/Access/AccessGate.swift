import Kernel
import Tenancy

/// What an act is about, as far as access and the audit log need it.
struct Target: Sendable {
    let resource: Resource
    /// The identifier of what is acted on; empty where there is none yet.
    let subject: String
    /// What the caller is told when it belongs to somebody else: the same as when it is not there.
    let missing: Problem

    init(_ resource: Resource, subject: String = "", missing: Problem = Problem(.notFound)) {
        self.resource = resource
        self.subject = subject
        self.missing = missing
    }

    static let platform = Target(.platform)
}

/// Asks the access rules for one caller, and notes what they refuse.
struct AccessGate: Sendable {
    let caller: Caller
    let decider: any AccessDecider
    let audit: any AuditStore
    let denials: DenialLog
    let clock: any Clock
    let ids: IDSource

    func decision(_ action: Permission, on resource: Resource) -> AccessDecision {
        decider.decide(
            caller.principal, action, on: resource, in: AccessContext(now: clock.now, address: caller.address))
    }

    func allows(_ action: Permission, on resource: Resource) -> Bool { decision(action, on: resource) == .allow }

    /// - Parameter act: what was tried, for the audit log.
    /// - Throws: `target.missing` for what belongs to somebody else, else `POLICY_DENIED` with the reason.
    func authorize(_ action: Permission, on target: Target, as act: String) async throws {
        guard case .deny(let denial) = decision(action, on: target.resource) else { return }
        await note(denial, of: action, on: target, as: act)
        throw denial == .foreign ? target.missing : denial.problem
    }

    /// A refusal is told to the caller also while the audit log cannot be written: nothing happened.
    private func note(_ denial: Denial, of action: Permission, on target: Target, as act: String) async {
        guard denials.notes(caller.actor) else { return }
        // What somebody tries on another tenant's things stands in the chain of who tried it.
        let tenant = denial == .foreign ? caller.principal.tenant : target.resource.tenant ?? caller.principal.tenant
        let entry = AuditEntry(
            id: ids.next(), tenant: tenant, workspace: denial == .foreign ? nil : target.resource.workspace,
            at: clock.now, actor: caller.actor, action: act, subject: target.subject, address: caller.address,
            request: caller.request, outcome: .denied,
            details: caller.details([
                "permission": action.rawValue, "reason": denial == .foreign ? "foreign" : denial.words,
            ]))
        do {
            try await audit.append(entry)
        } catch {
            denials.wasLost()
        }
    }
}
