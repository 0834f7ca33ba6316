package import Fleet
package import Inference
package import Kernel
package import Tenancy

/// Where everything is kept that operators and tenants administer.
package struct ControlStores: Sendable {
    package let keys: any KeyStore
    package let tenants: any TenantStore
    package let workspaces: any WorkspaceStore
    package let users: any UserStore
    package let members: any MemberStore
    package let rules: any RuleStore
    package let audit: any AuditStore
    package let providers: any ProviderStore
    package let secrets: any SecretStore
    package let deployments: any RegistryStore
    package let routings: any RoutingStore
    package let usage: any UsageStore
    package let routes: any RouteStore

    package init(
        keys: any KeyStore, tenants: any TenantStore, workspaces: any WorkspaceStore, users: any UserStore,
        members: any MemberStore, rules: any RuleStore, audit: any AuditStore, providers: any ProviderStore,
        secrets: any SecretStore, deployments: any RegistryStore, routings: any RoutingStore,
        usage: any UsageStore, routes: any RouteStore
    ) {
        self.keys = keys
        self.tenants = tenants
        self.workspaces = workspaces
        self.users = users
        self.members = members
        self.rules = rules
        self.audit = audit
        self.providers = providers
        self.secrets = secrets
        self.deployments = deployments
        self.routings = routings
        self.usage = usage
        self.routes = routes
    }
}

/// What `ControlFlow` works with; the same for every caller.
package struct ControlParts: Sendable {
    /// Of the installation: what an operator means who names no other.
    package let home: Workspace
    package let stores: ControlStores
    /// Nil where a test has nothing to do with money.
    package let money: MoneyParts?
    package let access: any AccessDecider
    package let hasher: any SecretHasher
    package let sealer: any Sealer
    package let codes: any OneTimeCodes
    package let verification: AuditVerificationFlow
    /// Where the platform runs: its cache of verdicts forgets changed keys at once. Nil without a platform.
    package let verifier: KeyVerifier?
    /// Where the platform runs.
    package let revocations: (any RevocationListener)?
    package let registry: RegistryRefresh
    package let runtimes: @Sendable () async -> [ModelServiceStatus]
    /// How this node last saw a deployment do; nil where it knows nothing of it.
    package let health: @Sendable (DeploymentID) -> DeploymentHealth?
    package let clock: any Clock
    package let ids: IDSource
    package let random: any RandomSource
    package let denials: DenialLog
    package let exports: ExportLog

    package init(
        home: Workspace, stores: ControlStores, money: MoneyParts? = nil, access: any AccessDecider = BuiltInAccess(),
        hasher: any SecretHasher, sealer: any Sealer, codes: any OneTimeCodes,
        verification: AuditVerificationFlow, verifier: KeyVerifier?,
        revocations: (any RevocationListener)?, registry: RegistryRefresh,
        runtimes: @escaping @Sendable () async -> [ModelServiceStatus],
        health: @escaping @Sendable (DeploymentID) -> DeploymentHealth? = { _ in nil }, clock: any Clock,
        ids: IDSource, random: any RandomSource
    ) {
        self.home = home
        self.stores = stores
        self.money = money
        self.access = access
        self.hasher = hasher
        self.sealer = sealer
        self.codes = codes
        self.verification = verification
        self.verifier = verifier
        self.revocations = revocations
        self.registry = registry
        self.runtimes = runtimes
        self.health = health
        self.clock = clock
        self.ids = ids
        self.random = random
        denials = DenialLog(clock: clock)
        exports = ExportLog(clock: clock)
    }
}
