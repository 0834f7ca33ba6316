package import Kernel
import Synchronization
import Tenancy

/// Tenants and all that is theirs, in memory: every store of them but the keys', which `MemoryKeyStore` is over this.
package final class MemoryDirectory: Sendable {
    struct State {
        var tenants: [TenantID: Tenant] = [:]
        var workspaces: [WorkspaceID: Workspace] = [:]
        var purged: Set<WorkspaceID> = []
        var purgedTenants: Set<TenantID> = []
        var users: [UserID: User] = [:]
        var secrets: [UserID: SignInSecrets] = [:]
        var members: [MemberID: Member] = [:]
        var rules: [RuleID: AccessRule] = [:]
        var sessions: [SessionID: Session] = [:]
        var keys: [KeyID: APIKey] = [:]
        var chains: [TenantID?: [AuditEvent]] = [:]
        var changed: [TenantID?: Instant] = [:]
        var revocations: [(revocation: Revocation, written: Instant)] = []
        var lastRevocation: Int64 = 0

        mutating func note(_ entry: AuditEntry, in tenant: TenantID? = nil) {
            let tenant = tenant ?? entry.tenant
            var chain = chains[tenant] ?? []
            if chain.contains(where: { $0.entry.id == entry.id }) { return }
            let placed = AuditEntry(
                id: entry.id, tenant: tenant, workspace: entry.workspace, at: entry.at, actor: entry.actor,
                action: entry.action, subject: entry.subject, address: entry.address, request: entry.request,
                outcome: entry.outcome, details: entry.details)
            chain.append(
                AuditChain.event(
                    placed, sequence: Int64(chain.count) + 1, previous: chain.last?.seal ?? AuditChain.beginning,
                    sealer: PlainSealer()))
            chains[tenant] = chain
            changed[tenant] = entry.at
        }

        mutating func revoke(_ subject: Revocation.Subject, at now: Instant) {
            lastRevocation += 1
            revocations.append((Revocation(sequence: lastRevocation, subject: subject), now))
        }
    }

    let state = Mutex(State())
    private let clock: any Clock

    /// - Parameter clock: the database's.
    package init(clock: any Clock = ManualClock()) { self.clock = clock }

    var now: Instant { clock.now }
}
