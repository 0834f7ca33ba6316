package import Kernel

// Where tenants and all that is theirs are kept. Safe to call from anywhere; every method throws
// `Problem(.storageUnavailable)` or `.storageFull` when the database cannot serve, `.alreadyExists` where a name is
// taken, and is cancelled with its task.
//
// A method that changes something takes the entry that says so, and writes both in one transaction. Where the change
// bears on what credentials can do that were seen before, in either direction, that transaction adds a `Revocation`.

/// Finds what a credential stands for, before it is known whose it is.
package protocol KeyLookup: Sendable {
    /// The key with this public prefix in any workspace, also one that is not usable any more.
    func find(prefix: String) async throws -> KeyFacts?
}

/// What a fresh installation needs to have one key.
package protocol FirstKeyStore: KeyLookup {
    /// Adds a key. Repeating it with the same id changes nothing.
    func insert(_ key: APIKey, audit: AuditEntry) async throws
    /// Adds a key where the workspace has no usable one at `key.created`. Of several callers at once, on any nodes, one
    /// adds its key.
    /// - Returns: whether it was added.
    func insertFirst(_ key: APIKey, audit: AuditEntry) async throws -> Bool
    /// How many usable keys the workspace has at `now`.
    func countUsable(in workspace: WorkspaceID, at now: Instant) async throws -> Int
}

package protocol KeyStore: FirstKeyStore {
    /// The workspace's keys, newest first.
    func list(in workspace: WorkspaceID, page: PageRequest) async throws -> Page<APIKey>
    /// - Returns: nil when the workspace has no such key.
    func find(_ id: KeyID, in workspace: WorkspaceID) async throws -> APIKey?
    /// Marks the key as revoked and returns it as it is then; a second call keeps the first time.
    /// - Returns: nil when the workspace has no such key.
    func revoke(_ id: KeyID, in workspace: WorkspaceID, at now: Instant, audit: AuditEntry) async throws -> APIKey?
    /// Adds `successor`, names it in the key that it follows, and lets that one expire at `end` if not before.
    /// - Returns: the older key; nil when the workspace has no such key, or it is revoked, expired or followed already.
    func rotate(
        _ id: KeyID, in workspace: WorkspaceID, to successor: APIKey, oldEndsAt end: Instant, audit: AuditEntry
    ) async throws -> APIKey?
    /// The workspace of a key of any tenant, for whoever administers more than one.
    func workspace(of id: KeyID) async throws -> (tenant: TenantID, workspace: WorkspaceID)?
    /// Writes down when keys were last used; an older time than the stored one changes nothing.
    func touch(_ uses: [KeyID: Instant]) async throws
}

package protocol TenantStore: Sendable {
    func insert(_ tenant: Tenant, audit: AuditEntry) async throws
    func find(_ id: TenantID) async throws -> Tenant?
    func find(named name: String) async throws -> Tenant?
    /// Newest first; with those that are deleted and not purged.
    func list(page: PageRequest) async throws -> Page<Tenant>
    /// - Returns: as it is then; nil when there is none.
    func change(_ id: TenantID, _ change: DirectoryChange, audit: AuditEntry) async throws -> Tenant?
}

/// What a fresh installation needs to have one workspace.
package protocol FirstWorkspaceStore: Sendable {
    /// The workspace of that name in the tenant of that name; both are created when they are missing.
    func ensure(tenant: String, workspace: String, ids: IDSource, now: Instant) async throws -> Workspace
}

package protocol WorkspaceStore: FirstWorkspaceStore {
    func insert(_ workspace: Workspace, audit: AuditEntry) async throws
    /// In any tenant, for whoever administers more than one.
    func find(_ id: WorkspaceID) async throws -> Workspace?
    func find(_ id: WorkspaceID, in tenant: TenantID) async throws -> Workspace?
    func find(named name: String, in tenant: TenantID) async throws -> Workspace?
    /// The tenant's workspaces, newest first; with those that are deleted and not purged.
    func list(in tenant: TenantID, page: PageRequest) async throws -> Page<Workspace>
    /// - Returns: as it is then; nil when the tenant has no such workspace.
    func change(
        _ id: WorkspaceID, in tenant: TenantID, _ change: DirectoryChange, audit: AuditEntry
    ) async throws -> Workspace?
    /// Removes for good what deleted tenants and workspaces had whose time has come: keys, members, rules, idempotency
    /// records. Their own rows stay as names for usage and audit, which are kept.
    /// - Returns: how many workspaces went, at most `limit`.
    func purge(at now: Instant, limit: Int, audit: @Sendable (Workspace) -> AuditEntry) async throws -> Int
}

package protocol UserStore: Sendable {
    func insert(_ user: User, audit: AuditEntry) async throws
    func find(_ id: UserID) async throws -> User?
    /// A person by name.
    func find(person name: String) async throws -> User?
    /// The persons of the platform (nil), or a tenant's service accounts, newest first.
    func list(serviceAccountsOf tenant: TenantID?, page: PageRequest) async throws -> Page<User>
    /// Suspends, which ends all its sessions, or restores.
    func change(_ id: UserID, to standing: Standing, audit: AuditEntry) async throws -> User?
    func secrets(of id: UserID) async throws -> SignInSecrets?
    /// Replaces what the person proves itself with, and ends all its sessions.
    func setSecrets(_ secrets: SignInSecrets, of id: UserID, at now: Instant, audit: AuditEntry) async throws
    /// Notes that the one-time code of this step was used.
    /// - Returns: false when it, or a later one, was used before.
    func useTOTPStep(_ step: Int64, of id: UserID) async throws -> Bool
}

package protocol MemberStore: Sendable {
    func insert(_ member: Member, audit: AuditEntry) async throws
    func find(_ id: MemberID, in tenant: TenantID) async throws -> Member?
    /// In any tenant, for whoever administers more than one.
    func tenant(of id: MemberID) async throws -> TenantID?
    /// The tenant's members, or those with a place in one workspace of it, newest first.
    func list(in tenant: TenantID, workspace: WorkspaceID?, page: PageRequest) async throws -> Page<Member>
    /// All places of a user.
    func places(of user: UserID) async throws -> [Member]
    /// - Throws: `Problem.lastOwner`, as `remove` does.
    func change(_ id: MemberID, in tenant: TenantID, to role: Role, audit: AuditEntry) async throws -> Member?
    func remove(_ id: MemberID, in tenant: TenantID, audit: AuditEntry) async throws -> Member?
}

package protocol RuleStore: Sendable {
    func insert(_ rule: AccessRule, audit: AuditEntry) async throws
    func find(_ id: RuleID, in tenant: TenantID) async throws -> AccessRule?
    /// In any tenant, for whoever administers more than one.
    func tenant(of id: RuleID) async throws -> TenantID?
    /// The tenant's rules, oldest first, all of them: at most `mostRulesOfTenant`.
    func list(in tenant: TenantID) async throws -> [AccessRule]
    /// - Returns: nil when the tenant has no such rule.
    func replace(_ rule: AccessRule, audit: AuditEntry) async throws -> AccessRule?
    func remove(_ id: RuleID, in tenant: TenantID, audit: AuditEntry) async throws -> AccessRule?
}

/// Rules that one tenant may have: they are looked through for each request.
package let mostRulesOfTenant = 200

package protocol SessionStore: Sendable {
    func insert(_ session: Session, audit: AuditEntry) async throws
    /// By the digest of its token, also one that has ended.
    func find(digest: [UInt8]) async throws -> Session?
    func end(_ id: SessionID, at now: Instant, audit: AuditEntry) async throws
}

/// Slow, memory-hard hashing of key secrets (argon2id). Bounds how many run at once.
package protocol SecretHasher: Sendable {
    /// - Returns: a PHC string with a fresh salt.
    /// - Throws: `Problem(.overloaded)` when its queue is full; `CancellationError`.
    func hash(_ secret: Secret) async throws -> String
    /// Whether `hash` was made from `secret`. Throws as `hash(_:)`.
    func verify(_ secret: Secret, against hash: String) async throws -> Bool
}

/// A fast keyed digest, by which a verified token is recognized again without keeping it.
/// The key lives and dies with the process.
package protocol TokenDigest: Sendable {
    /// 32 bytes, different in every process.
    /// - Parameter text: in UTF-8.
    func digest(of text: UnsafeRawBufferPointer) -> Digest256
}

extension TokenDigest {
    package func digest(of text: some StringProtocol) -> Digest256 {
        let utf8 = text.utf8
        return utf8.withContiguousStorageIfAvailable { digest(of: UnsafeRawBufferPointer($0)) }
            ?? Array(utf8).withUnsafeBytes { digest(of: $0) }
    }
}

/// 256 bits of a digest.
package struct Digest256: Hashable, Sendable {
    package let words: (UInt64, UInt64, UInt64, UInt64)

    package init(words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    package static func == (left: Digest256, right: Digest256) -> Bool {
        left.words == right.words
    }

    package func hash(into hasher: inout Hasher) {
        // The digest is uniform already; one word of it is enough to spread the buckets.
        hasher.combine(words.0)
    }
}
