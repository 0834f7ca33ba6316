package import Kernel

// What is done to tenants and all that is theirs. Each method asks the access rules first, for the resource that it is
// about, and writes an audit event. Beside what `Control` says, methods throw `NOT_FOUND` also for what belongs to
// somebody else, and `POLICY_DENIED` where the caller's role does not allow it.

package protocol TenantControl: Sendable {
    func createTenant(_ request: NewTenant) async throws -> TenantView
    /// Those that the caller may see, newest first.
    func listTenants(_ page: PageRequest) async throws -> Page<TenantView>
    func tenant(_ id: TenantID) async throws -> TenantView
    func changeTenant(_ id: TenantID, _ change: DirectoryChangeRequest) async throws -> TenantView
    /// Refused from now on, gone for good after the grace; repeating it changes nothing.
    /// - Parameter grace: seconds, 0 to 90 days; nil for 7 days.
    func deleteTenant(_ id: TenantID, graceSeconds: Int?) async throws -> TenantView

    func createWorkspace(_ request: NewWorkspace) async throws -> WorkspaceView
    /// - Parameter tenant: nil for the caller's own; an operator's is the default tenant.
    func listWorkspaces(in tenant: TenantID?, _ page: PageRequest) async throws -> Page<WorkspaceView>
    func workspace(_ id: WorkspaceID) async throws -> WorkspaceView
    func changeWorkspace(_ id: WorkspaceID, _ change: DirectoryChangeRequest) async throws -> WorkspaceView
    func deleteWorkspace(_ id: WorkspaceID, graceSeconds: Int?) async throws -> WorkspaceView
}

package protocol MemberControl: Sendable {
    /// A person's account, without a place anywhere.
    func createUser(_ request: NewUser) async throws -> UserView
    func listUsers(_ page: PageRequest) async throws -> Page<UserView>
    /// Suspended, nothing of the user's works; its keys and sessions end at once.
    func changeUser(_ id: UserID, _ change: UserChange) async throws -> UserView
    /// The next sign-in needs it; running sessions end. For the local owner, made when missing.
    func setPassword(_ request: NewPassword) async throws -> UserView
    /// Turns one-time codes on (a new shared secret, shown once) or off.
    func setOneTimeCodes(_ id: UserID, on: Bool) async throws -> OneTimeCodeSetup

    /// A user that is a program, in one tenant.
    func createServiceAccount(_ request: NewServiceAccount) async throws -> UserView
    func listServiceAccounts(in tenant: TenantID?, _ page: PageRequest) async throws -> Page<UserView>

    func addMember(_ request: NewMember) async throws -> MemberView
    func listMembers(in tenant: TenantID?, workspace: WorkspaceID?, _ page: PageRequest) async throws -> Page<
        MemberView
    >
    func changeMember(_ id: MemberID, _ change: MemberChange) async throws -> MemberView
    func removeMember(_ id: MemberID) async throws -> MemberView
}

package protocol KeyControl: Sendable {
    /// Makes a key. The token is in the answer and nowhere else.
    func createKey(_ request: NewKey) async throws -> CreatedKey
    /// A workspace's keys, newest first.
    /// - Parameter workspace: nil for the caller's own; an operator's is the default workspace.
    func listKeys(in workspace: WorkspaceID?, _ page: PageRequest) async throws -> Page<KeyView>
    func key(_ id: KeyID) async throws -> KeyView
    /// A new key in the place of this one, with all its limits; this one goes on for `overlap_seconds`.
    func rotateKey(_ id: KeyID, _ request: KeyRotation) async throws -> CreatedKey
    /// Ends a key at once. Repeating it changes nothing and answers the same.
    func revokeKey(_ id: KeyID) async throws -> KeyView
}

package protocol RuleControl: Sendable {
    func createRule(_ request: NewRule) async throws -> RuleView
    /// - Parameter tenant: nil for the caller's own; an operator's is the default tenant.
    func listRules(in tenant: TenantID?) async throws -> [RuleView]
    func rule(_ id: RuleID) async throws -> RuleView
    func replaceRule(_ id: RuleID, _ request: NewRule) async throws -> RuleView
    func removeRule(_ id: RuleID) async throws -> RuleView
    /// What the rules would say, with the reason: nothing happens.
    func testAccess(_ question: AccessQuestion) async throws -> AccessAnswer
}

package protocol AuditControl: Sendable {
    /// Newest first; `page.after` is a sequence number.
    /// - Parameter chain: nil for the caller's own tenant; an operator's is the platform's own chain.
    func auditEvents(of chain: TenantID?, _ page: PageRequest) async throws -> Page<AuditEventView>
    /// Events after `sequence`, oldest first, for an export. The first page of an export is itself an event.
    func exportAudit(of chain: TenantID?, after sequence: Int64, limit: Int) async throws -> [AuditEventView]
    /// Recomputes chains and compares them with what is anchored outside the database.
    /// - Parameter chain: nil for every chain that the caller may read.
    func verifyAudit(of chain: TenantID?) async throws -> AuditVerdict
}

package protocol ProviderControl: Sendable {
    func addProvider(_ request: NewProvider) async throws -> ProviderView
    func listProviders() async throws -> [ProviderView]
    /// Another key for the provider, in force at once on this node and within a second on the others.
    func replaceProviderKey(_ id: ProviderID, _ request: NewProviderKey) async throws -> ProviderView
    func removeProvider(_ id: ProviderID) async throws -> ProviderView
    /// Names and ages of the secrets that the platform keeps.
    func listSecrets() async throws -> [SecretView]
    /// Seals every secret anew under the current key.
    func resealSecrets() async throws -> Resealing
}
