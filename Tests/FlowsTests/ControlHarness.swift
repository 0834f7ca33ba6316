import Billing
import Fleet
import Flows
import Foundation
import Inference
import Kernel
import Synchronization
import Tenancy
import TestKit

/// A `ControlFlow` over stores in memory.
struct ControlHarness {
    let clock: ManualClock
    let directory: MemoryDirectory
    let keys: MemoryKeyStore
    let providers = MemoryProviderStore()
    let secrets = MemorySecretStore()
    let deployments = MemoryRegistryStore()
    let routings = MemoryRoutingStore()
    let usage = MemoryUsageStore()
    let shop = MemoryShop()
    let prices = MemoryPrices()
    let changes = Counter()
    let registry = Registry()
    let health = Shared<[DeploymentID: DeploymentHealth]>([:])
    let verifier: KeyVerifier
    let workspace: Workspace
    let samples: Samples
    let parts: ControlParts
    /// The operator's.
    let flow: ControlFlow

    init(runtimes: [ModelServiceStatus] = []) async throws {
        let clock = ManualClock()
        let samples = Samples(clock: clock)
        directory = MemoryDirectory(clock: clock)
        keys = MemoryKeyStore(in: directory)
        workspace = try await directory.ensure(
            tenant: "default", workspace: "default", ids: samples.ids, now: clock.now)
        verifier = KeyVerifier(store: keys, hasher: TransparentHasher(), digests: PlainDigest(), clock: clock)
        self.clock = clock
        self.samples = samples
        parts = ControlParts(
            home: workspace,
            stores: ControlStores(
                keys: keys, tenants: directory, workspaces: directory, users: directory, members: directory,
                rules: directory, audit: directory, providers: providers, secrets: secrets, deployments: deployments,
                routings: routings, usage: usage, routes: usage),
            money: MoneyParts(
                prices: prices, budgets: shop, limits: shop, wallets: shop, spending: shop, ledger: shop,
                reports: shop, usage: usage,
                actions: MoneyParts.Actions(
                    didChange: { [changes] in changes.add() }, verify: { .empty },
                    suspended: { Page(rows: [], limit: $0.limit) { "\($0.request)" } },
                    resolve: { SuspenseResolution(resolved: 1, left: 2) })),
            hasher: TransparentHasher(), sealer: PlainBox(), codes: PlainCodes(),
            verification: AuditVerificationFlow(store: directory, anchors: MemoryAnchors(), sealer: PlainSealer()),
            verifier: verifier, revocations: nil,
            registry: RegistryRefresh(registry: registry, store: deployments, routings: routings, clock: clock),
            runtimes: { runtimes }, health: { [health] id in health.value[id] }, clock: clock, ids: samples.ids,
            random: SeededRandom(seed: 7))
        flow = ControlFlow(caller: Caller(principal: .platformOperator), parts: parts)
    }

    /// A tenant with one workspace, and a person with a role in it.
    struct House {
        let tenant: TenantID
        let workspace: WorkspaceID
    }

    func house(_ name: String) async throws -> House {
        let tenant = try await flow.createTenant(NewTenant(name: name))
        let workspace = try await flow.createWorkspace(NewWorkspace(name: "main", tenant: name))
        return House(tenant: tenant.id, workspace: workspace.id)
    }

    /// The flow of a person who was just given the role in the tenant, or in the workspace.
    func person(
        _ name: String, _ role: Role, in tenant: TenantID, workspace: WorkspaceID? = nil
    ) async throws -> ControlFlow {
        let member = try await flow.addMember(
            NewMember(
                user: name, role: role.rawValue, tenant: tenant.description, workspace: workspace?.description))
        return try await signedIn(member.user)
    }

    /// The flow of a person as the stores have it now.
    func signedIn(_ user: UserID) async throws -> ControlFlow {
        let directory = PrincipalDirectory(
            users: directory, members: directory, tenants: directory, workspaces: directory, rules: directory)
        guard let principal = try await directory.principal(of: user, identity: .session(samples.ids.next())) else {
            throw Problem(.notFound)
        }
        return ControlFlow(caller: Caller(principal: principal), parts: parts)
    }

    /// The flow of whoever holds the key.
    func holder(of key: CreatedKey) async throws -> ControlFlow {
        guard case .accepted(let holder) = try await verifier.verify(key.token.reveal()) else {
            throw Problem(.invalidAPIKey)
        }
        return ControlFlow(caller: Caller(principal: holder.principal), parts: parts)
    }

    /// The actions of a chain, oldest first.
    func acts(of chain: TenantID?) async throws -> [String] {
        try await directory.events(of: chain, after: 0, limit: 1000).map {
            $0.entry.action + ($0.entry.outcome == .succeeded ? "" : " \($0.entry.outcome.text)")
        }
    }

    /// A model service as its listing shows it.
    static func service(_ name: String, state: String, aliases: [String] = []) throws -> ModelServiceStatus {
        let text = """
            {"name": "\(name)", "model": "\(name)", "aliases": [\(aliases.map { "\"\($0)\"" }.joined(separator: ","))],
             "kind": "chat", "state": "\(state)", "detail": "loading the model", "restarts": 0,
             "since": "2026-11-21T08:30:00.000Z", "licence": "apache-2.0", "context_limit": 2048, "memory_mib": 300,
             "bytes": 1000}
            """
        return try JSONDecoder().decode(ModelServiceStatus.self, from: Data(text.utf8))
    }
}

/// Counts calls.
final class Counter: Sendable {
    private let count = Atomic(0)

    func add() { count.add(1, ordering: .relaxed) }
    var value: Int { count.load(ordering: .relaxed) }
}

/// The problem that a call ends in; nil when it succeeds.
func problem(of call: () async throws -> some Any) async -> Problem? {
    do {
        _ = try await call()
        return nil
    } catch {
        return error as? Problem
    }
}
