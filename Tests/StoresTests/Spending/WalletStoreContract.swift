import Billing
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct WalletStoreContract {
    @Test("credit is a row, an account and a transfer, once", arguments: StoreAdapter.databases)
    func grant(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let grant = try await world.grant(500, expires: .seconds(60), workspace: world.home.id)
        try await world.wallets.grant(grant, by: world.act)
        let found = try await world.wallets.grants(of: world.home.tenant, workspace: nil)
        #expect(found.map(\.grant) == [grant] && found.map(\.sums) == [AccountSums(credits: 500)])
        let account = try #require(try await world.money.ledger.account(grant.account)).account
        #expect(account.kind == .credit && account.limit == 0 && account.ends == grant.expires)
        #expect(try await world.stores.actions(in: world.home.tenant) == ["credit.grant"])
        #expect(try await world.spending.version() == 1)
        try await world.money.expectSound()
    }

    @Test("credit that is nothing, over, or another tenant's is refused", arguments: StoreAdapter.databases)
    func refused(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let other = try await world.stores.workspace("w", of: "other")
        #expect(await code { _ = try await world.grant(0) } == .validationError)
        #expect(await code { _ = try await world.grant(1, expires: .zero) } == .validationError)
        #expect(await code { _ = try await world.grant(1, workspace: other.id) } == .validationError)
        #expect(try await world.wallets.grants(of: world.home.tenant, workspace: nil).isEmpty)
        #expect(try await world.stores.actions(in: world.home.tenant) == [])
    }

    @Test("a workspace is shown its own credit and its tenant's", arguments: StoreAdapter.databases)
    func listed(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let sibling = try await world.stores.workspace("sibling")
        let own = try await world.grant(1, priority: 1, workspace: world.home.id)
        let shared = try await world.grant(1, priority: 2)
        let theirs = try await world.grant(1, priority: 3, workspace: sibling.id)
        let (tenant, wallets) = (world.home.tenant, world.wallets)
        #expect(try await wallets.grants(of: tenant, workspace: nil).map(\.grant) == [own, shared, theirs])
        #expect(try await wallets.grants(of: tenant, workspace: world.home.id).map(\.grant) == [own, shared])
    }

    @Test("what is left of credit at its end goes back, once and without slices", arguments: StoreAdapter.databases)
    func lapse(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let grant = try await world.grant(100, expires: .seconds(60))
        let holder = try await world.money.begin()
        let slice = try await world.money.slice(of: grant.account, 10, for: holder)
        #expect(try await world.wallets.lapse(at: world.clock.now, limit: 10) == 0)
        world.clock.advance(by: .seconds(60))
        // A node holds a slice: requests that it accepted before may still be charged.
        #expect(try await world.wallets.lapse(at: world.clock.now, limit: 10) == 0)
        let back = try await world.money.ledger.giveBack(10, of: slice, by: holder, id: TransferID("back"))
        #expect(back)
        let other = try await world.otherNode()
        let lapsed = try await withThrowingTaskGroup(of: Int.self) { group in
            for node in [world, other, world, other] {
                group.addTask { try await node.wallets.lapse(at: node.clock.now, limit: 10) }
            }
            return try await group.reduce(0, +)
        }
        #expect(lapsed == 1)
        #expect(try await world.money.sums(grant.account) == AccountSums(debits: 100, credits: 100))
        #expect(try await world.wallets.grants(of: world.home.tenant, workspace: nil).isEmpty)
        try await world.money.expectSound()
    }

    @Test("credit that was used up lapses without a transfer", arguments: StoreAdapter.databases)
    func usedUp(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let grant = try await world.grant(7, expires: .seconds(60))
        let charge = world.money.transfer("c", .charge, 7, from: grant.account, to: world.money.platform(.revenue))
        #expect(try await world.money.ledger.post([TransferGroup([charge])]) == [.posted])
        world.clock.advance(by: .seconds(60))
        #expect(try await world.wallets.lapse(at: world.clock.now, limit: 10) == 1)
        #expect(try await world.wallets.lapse(at: world.clock.now, limit: 10) == 0)
        #expect(try await world.money.sums(grant.account) == AccountSums(debits: 7, credits: 7))
    }

    @Test("a wallet's rule is changed in its place, and told once", arguments: StoreAdapter.databases)
    func rules(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let tenant = world.home.tenant
        let whole = WalletRule(tenant: tenant, workspace: nil, mode: .prepaid, currency: .usd)
        let own = WalletRule(tenant: tenant, workspace: world.home.id, mode: .postpaid, currency: .eur)
        for rule in [whole, own, own] { try await world.wallets.set(rule, by: world.act) }
        #expect(try await world.wallets.rules(of: tenant) == [whole, own])
        #expect(try await world.spending.version() == 2)
        let changed = WalletRule(tenant: tenant, workspace: nil, mode: .postpaid, currency: .irr)
        try await world.wallets.set(changed, by: world.act)
        #expect(try await world.wallets.rules(of: tenant) == [changed, own])
        #expect(try await world.stores.actions(in: tenant) == ["wallet.set", "wallet.set", "wallet.set"])
        let other = try await world.stores.workspace("w", of: "other")
        let foreign = WalletRule(tenant: tenant, workspace: other.id, mode: .prepaid, currency: .usd)
        #expect(await code { try await world.wallets.set(foreign, by: world.act) } == .validationError)

        let version = try await world.spending.version()
        #expect(try await world.wallets.removeRule(of: tenant, workspace: nil, by: world.act))
        #expect(try await world.wallets.rules(of: tenant) == [own])
        let again = try await world.wallets.removeRule(of: tenant, workspace: nil, by: world.act)
        #expect(!again, "it is gone")
        #expect(try await world.spending.version() == version + 1)
        #expect(try await world.stores.actions(in: tenant).filter { $0 == "wallet.remove" }.count == 1)
    }

    @Test("revoked credit pays for nothing more, and what is left goes back", arguments: StoreAdapter.databases)
    func revoked(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let grant = try await world.grant(100)
        let holder = try await world.money.begin()
        let slice = try await world.money.slice(of: grant.account, 10, for: holder)
        let version = try await world.spending.version()
        let ended = try #require(try await world.wallets.revoke(grant.id, by: world.act))
        #expect(ended.grant.expires != nil && ended.sums == AccountSums(credits: 100, pending: 10))
        #expect(try await world.spending.version() == version + 1)
        #expect(try await world.rules().funds == [])
        #expect(try await world.money.ledger.account(grant.account)?.account.ends == ended.grant.expires)
        // A request that runs may still be charged.
        #expect(try await world.wallets.lapse(at: world.clock.now, limit: 10) == 0)
        let back = try await world.money.ledger.giveBack(10, of: slice, by: holder, id: TransferID("back"))
        #expect(back)
        let again = try #require(try await world.wallets.revoke(grant.id, by: world.act))
        #expect(again.grant == ended.grant, "twice is no fault")
        #expect(try await world.wallets.grants(of: world.home.tenant, workspace: nil).isEmpty)
        #expect(try await world.money.sums(grant.account) == AccountSums(debits: 100, credits: 100))
        let unknown = try await world.wallets.revoke(world.ids.next(), by: world.act)
        #expect(unknown == nil)
        #expect(try await world.stores.actions(in: world.home.tenant) == ["credit.grant", "credit.revoke"])
        try await world.money.expectSound()
    }
}

@Suite struct AllowanceContract {
    /// 0.02 USD for 1,000 credits, in force now.
    private func price(_ world: SpendingWorld) async throws {
        let content = PriceBook.Content(umuPrice: [UnitPrice(units: 20_000_000, currency: .usd, per: 1000)])
        let heads = try await world.prices.heads()
        _ = try await world.prices.add(
            content, to: .price, effective: world.clock.now, after: heads[.price] ?? 0, by: world.act)
    }

    private func given(_ world: SpendingWorld) async throws -> [Int64] {
        try await world.wallets.grants(of: world.home.tenant, workspace: nil).map(\.grant.amount)
    }

    private func everybodyGrants(_ world: SpendingWorld) async throws {
        let other = try await world.otherNode()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in [world, other, world, other] {
                group.addTask { _ = try await node.wallets.grantAllowances(at: node.clock.now, limit: 10) }
            }
            try await group.waitForAll()
        }
    }

    @Test("a plan's credits come once a month, by the book, and end with it", arguments: StoreAdapter.databases)
    func monthly(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        try await price(world)
        try await world.wallets.setPlan(.pro, of: world.home.tenant, by: world.act)
        try await everybodyGrants(world)
        let grant = try #require(try await world.wallets.grants(of: world.home.tenant, workspace: nil).first).grant
        #expect(try await given(world) == [20_000_000_000])
        #expect(grant.note == "plan pro 2026-11" && grant.priceVersion == 1 && grant.currency == .usd)
        world.move(to: try #require(grant.expires))
        try await everybodyGrants(world)
        #expect(try await world.wallets.lapse(at: world.clock.now, limit: 10) == 1)
        let next = try await world.wallets.grants(of: world.home.tenant, workspace: nil).map(\.grant)
        #expect(next.map(\.note) == ["plan pro 2026-12"] && next.map(\.amount) == [20_000_000_000])
        try await world.money.expectSound()
    }

    @Test("a change of plan gives what the new one has more, and no month twice", arguments: StoreAdapter.databases)
    func change(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        try await price(world)
        for plan in [Plan.Name.free, .pro, .free, .pro, .enterprise, .free] {
            try await world.wallets.setPlan(plan, of: world.home.tenant, by: world.act)
            try await everybodyGrants(world)
        }
        #expect(try await given(world).sorted() == [2_000_000_000, 18_000_000_000])
        let actions = try await world.stores.actions(in: world.home.tenant)
        #expect(actions == Array(repeating: "plan.set", count: 6))
    }

    @Test("without its plan a tenant keeps what it was given, and is given no more", arguments: StoreAdapter.databases)
    func removed(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        let tenant = world.home.tenant
        try await price(world)
        try await world.wallets.setPlan(.pro, of: tenant, by: world.act)
        for _ in 0..<2 { try await world.wallets.setPlan(nil, of: tenant, by: world.act) }
        #expect(try await world.wallets.plan(of: tenant) == nil)
        #expect(try await world.rules().limits == [])
        let grant = try #require(try await world.wallets.grants(of: tenant, workspace: nil).first).grant
        #expect(try await given(world) == [20_000_000_000])
        world.move(to: try #require(grant.expires))
        try await everybodyGrants(world)
        #expect(try await world.wallets.lapse(at: world.clock.now, limit: 10) == 1)
        #expect(try await given(world) == [])
        #expect(try await world.stores.actions(in: tenant) == ["plan.set", "plan.remove"])
    }

    @Test("where nothing says what a credit is worth, the month waits for it", arguments: StoreAdapter.databases)
    func unpriced(adapter: StoreAdapter) async throws {
        let world = try await SpendingWorld.open(adapter)
        try await world.wallets.setPlan(.free, of: world.home.tenant, by: world.act)
        #expect(try await world.wallets.grantAllowances(at: world.clock.now, limit: 10) == 0)
        #expect(try await given(world) == [])
        try await price(world)
        #expect(try await world.wallets.grantAllowances(at: world.clock.now, limit: 10) == 1)
        #expect(try await given(world) == [2_000_000_000])
        #expect(try await world.wallets.grantAllowances(at: world.clock.now, limit: 10) == 0)
    }
}
