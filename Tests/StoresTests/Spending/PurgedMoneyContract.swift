import Billing
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

/// What becomes of the money of workspaces and tenants that go for good.
@Suite struct PurgedMoneyContract {
    private func delete(_ workspace: Workspace, in world: SpendingWorld) async throws {
        let change = DirectoryChange(standing: .deleted(since: world.clock.now, purge: world.clock.now))
        _ = try await world.stores.workspaces.change(
            workspace.id, in: workspace.tenant, change, audit: world.stores.entry())
    }

    private func purge(_ world: SpendingWorld) async throws -> Int {
        try await world.stores.workspaces.purge(at: world.clock.now, limit: 10) {
            world.stores.entry("workspace.purge", of: $0.tenant)
        }
    }

    private func limit(_ subject: RateLimit.Subject, of workspace: Workspace, _ world: SpendingWorld) async throws {
        _ = try await limits(world).set(
            [.requestsPerMinute: 5], on: subject, model: nil, of: workspace.tenant, workspace: workspace.id,
            ids: world.ids, by: world.act)
    }

    private func limits(_ world: SpendingWorld) -> DatabaseLimitStore {
        DatabaseLimitStore(world.money.database, sealing: PlainSealer())
    }

    @Test(
        "a workspace leaves its ledger, and neither budgets, limits nor credit that anybody could use",
        arguments: StoreAdapter.databases)
    func workspace(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let doomed = try await world.stores.workspace("doomed")
        let (key, kept) = (try await world.stores.key(in: doomed), try await world.stores.key(in: world.home))
        for scope in [Budget.Scope(workspace: doomed.id), Budget.Scope(key: key.id)] {
            _ = try await world.set(try world.budget(100, scope))
        }
        let staying = [
            try await world.set(try world.budget(100)),
            try await world.set(try world.budget(5, Budget.Scope(key: kept.id))),
        ]
        for subject in [RateLimit.Subject.key(key.id), .workspace(doomed.id)] {
            try await limit(subject, of: doomed, world)
        }
        try await limit(.key(kept.id), of: world.home, world)
        try await world.wallets.set(
            WalletRule(tenant: doomed.tenant, workspace: doomed.id, mode: .prepaid, currency: .usd), by: world.act)
        let (gone, own) = (
            try await world.grant(700, workspace: doomed.id), try await world.grant(30, workspace: world.home.id)
        )
        let spent = world.money.transfer(
            "spent", .charge, 200, from: gone.account, to: world.money.platform(.revenue))
        #expect(try await world.money.ledger.post([TransferGroup([spent])]) == [.posted])
        let version = try await world.spending.version()
        try await delete(doomed, in: world)
        #expect(try await purge(world) == 1)
        #expect(try await world.spending.version() > version, "nodes would go on with what they know")
        let budgets = try await world.budgets.list(of: doomed.tenant, workspace: nil, page: PageRequest()).data
        #expect(Set(budgets.map(\.id)) == Set(staying.map(\.id)))
        #expect(try await limits(world).list(of: doomed.tenant, workspace: nil).map(\.subject) == [.key(kept.id)])
        #expect(try await world.wallets.rules(of: doomed.tenant) == [])
        // What was spent stays spent, and the rest goes back.
        #expect(try await world.wallets.lapse(at: world.clock.now, limit: 10) == 1)
        #expect(try await world.money.sums(gone.account) == AccountSums(debits: 700, credits: 700))
        #expect(try await world.money.sums(own.account) == AccountSums(credits: 30))
        let issued = try await world.money.sums(world.money.platform(.issued))
        #expect(issued.debits - issued.credits == 230)
        try await world.money.expectSound()
    }

    @Test("what a node still holds of it comes back before its credit ends", arguments: StoreAdapter.databases)
    func held(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let doomed = try await world.stores.workspace("doomed")
        let grant = try await world.grant(700, workspace: doomed.id)
        let holder = try await world.money.begin()
        let slice = try await world.money.slice(of: grant.account, 300, for: holder)
        try await delete(doomed, in: world)
        #expect(try await purge(world) == 1)
        #expect(try await world.wallets.lapse(at: world.clock.now, limit: 10) == 0)
        let more = world.money.request(grant.account, slice, needed: 1)
        #expect(try await world.money.ledger.take(more, for: holder) == .closed)
        try await world.money.ledger.end(holder)
        #expect(try await world.wallets.lapse(at: world.clock.now, limit: 10) == 1)
        #expect(try await world.money.sums(grant.account) == AccountSums(debits: 700, credits: 700))
        try await world.money.expectSound()
    }

    @Test("a tenant takes what it had as a whole along", arguments: StoreAdapter.databases)
    func tenant(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let tenant = world.home.tenant
        _ = try await world.set(try world.budget(100, Budget.Scope()))
        _ = try await world.set(try world.budget(100, Budget.Scope(tag: "t")))
        try await limit(.tenant(tenant), of: world.home, world)
        try await world.wallets.set(
            WalletRule(tenant: tenant, workspace: nil, mode: .prepaid, currency: .usd), by: world.act)
        try await world.wallets.setPlan(.free, of: tenant, by: world.act)
        let grant = try await world.grant(700)
        let change = DirectoryChange(standing: .deleted(since: world.clock.now, purge: world.clock.now))
        _ = try await world.stores.tenants.change(tenant, change, audit: world.stores.entry(of: tenant))
        #expect(try await purge(world) == 1)
        #expect(try await world.stores.tenants.find(tenant) == nil)
        #expect(try await world.budgets.list(of: tenant, workspace: nil, page: PageRequest()).data == [])
        #expect(try await limits(world).list(of: tenant, workspace: nil) == [])
        #expect(try await world.wallets.rules(of: tenant) == [])
        #expect(try await world.wallets.plan(of: tenant) == nil)
        #expect(try await world.wallets.lapse(at: world.clock.now, limit: 10) == 1)
        #expect(try await world.money.sums(grant.account) == AccountSums(debits: 700, credits: 700))
        try await world.money.expectSound()
    }
}
