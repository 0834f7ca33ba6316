import Database
import Inference
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

/// Every store of one adapter, over the same rows.
struct StoreWorld: Sendable {
    let samples: Samples
    let keys: any KeyStore
    let tenants: any TenantStore
    let workspaces: any WorkspaceStore
    let users: any UserStore
    let members: any MemberStore
    let rules: any RuleStore
    let sessions: any SessionStore
    let audit: any AuditStore
    let revocations: any RevocationStore
    let idempotency: any IdempotencyStore
    let registry: any RegistryStore
    let routings: any RoutingStore
    let usage: any UsageStore
    let routes: any RouteStore
    /// Nil in memory.
    let database: (any Database)?
    /// What the stores need for as long as they are used.
    private let owner: any Sendable
    /// Opens the same rows once more.
    private let reopen: @Sendable () async throws -> (any Database)?

    /// In memory.
    init(_ samples: Samples) {
        let directory = MemoryDirectory(clock: samples.clock)
        self.samples = samples
        keys = MemoryKeyStore(in: directory)
        tenants = directory
        workspaces = directory
        users = directory
        members = directory
        rules = directory
        sessions = directory
        audit = directory
        revocations = directory
        idempotency = MemoryIdempotencyStore(clock: samples.clock)
        registry = MemoryRegistryStore()
        routings = MemoryRoutingStore()
        let usage = MemoryUsageStore()
        self.usage = usage
        routes = usage
        database = nil
        owner = directory
        reopen = { nil }
    }

    init(
        _ samples: Samples, owner: any Sendable, after migrations: Int,
        before: (@Sendable (any Database) async throws -> Void)?,
        opening open: @escaping @Sendable () async throws -> any Database
    ) async throws {
        let database = try await open()
        if let before {
            let first = Array(Schema.migrations.prefix(migrations))
            _ = try await Migrator(first, binary: BinaryVersion(0, 1, 0)).migrate(database)
            try await before(database)
        }
        _ = try await Migrator(Schema.migrations, binary: BinaryVersion(0, 1, 0)).migrate(database)
        self.init(samples, database, owner: owner, reopen: open)
    }

    private init(
        _ samples: Samples, _ database: any Database, owner: any Sendable,
        reopen: @escaping @Sendable () async throws -> (any Database)?
    ) {
        let sealer = PlainSealer()
        self.samples = samples
        keys = DatabaseKeyStore(database, sealing: sealer)
        tenants = DatabaseTenantStore(database, sealing: sealer)
        workspaces = DatabaseWorkspaceStore(database, sealing: sealer)
        users = DatabaseUserStore(database, sealing: sealer)
        members = DatabaseMemberStore(database, sealing: sealer)
        rules = DatabaseRuleStore(database, sealing: sealer)
        sessions = DatabaseSessionStore(database, sealing: sealer)
        audit = DatabaseAuditStore(database, sealing: sealer)
        revocations = DatabaseRevocationStore(database)
        idempotency = DatabaseIdempotencyStore(database)
        registry = DatabaseRegistryStore(database)
        routings = DatabaseRoutingStore(database)
        usage = DatabaseUsageStore(database)
        routes = DatabaseRouteStore(database)
        self.database = database
        self.owner = owner
        self.reopen = reopen
    }

    /// What another node sees: the same rows through connections of its own. In memory, the same stores.
    func otherNode() async throws -> StoreWorld {
        guard let database = try await reopen() else { return self }
        return StoreWorld(samples, database, owner: owner, reopen: reopen)
    }

    func workspace(_ name: String = "default", of tenant: String = "default") async throws -> Workspace {
        try await workspaces.ensure(tenant: tenant, workspace: name, ids: samples.ids, now: samples.clock.now)
    }

    /// A new key of the workspace, stored.
    func key(
        in workspace: Workspace, user: UserID? = nil, scopes: KeyScopes = .usual, expires: Instant? = nil
    ) async throws -> APIKey {
        let key = newKey(in: workspace, user: user, scopes: scopes, expires: expires)
        try await keys.insert(key, audit: entry("key.create", of: workspace.tenant))
        return key
    }

    func newKey(
        in workspace: Workspace, user: UserID? = nil, scopes: KeyScopes = .usual, expires: Instant? = nil
    ) -> APIKey {
        let id: KeyID = samples.ids.next()
        return APIKey(
            id: id, tenant: workspace.tenant, workspace: workspace.id, user: user, name: "laptop",
            prefix: String(id.description.suffix(10)).lowercased(), hash: "plain:\(id)", scopes: scopes,
            created: samples.clock.now, expires: expires)
    }

    func person(_ name: String) async throws -> User {
        let user = User(id: samples.ids.next(), kind: .person, name: name, created: samples.clock.now)
        try await users.insert(user, audit: entry("user.create"))
        return user
    }

    /// An act that no other is the same as.
    func entry(_ action: String = "test.act", of tenant: TenantID? = nil) -> AuditEntry {
        AuditEntry(
            id: samples.ids.next(), tenant: tenant, at: samples.clock.now, actor: "operator", action: action,
            subject: "thing")
    }

    func actions(in chain: TenantID?) async throws -> [String] {
        try await audit.events(of: chain, after: 0, limit: 1000).map(\.entry.action)
    }

    /// What the feed has after `sequence`.
    func subjects(after sequence: Int64 = 0) async throws -> [Revocation.Subject] {
        try #require(try await revocations.after(sequence, limit: 1000)).map(\.subject)
    }
}
