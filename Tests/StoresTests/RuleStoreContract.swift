import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct RuleStoreContract {
    private func rule(
        _ world: StoreWorld, of tenant: TenantID, workspace: WorkspaceID? = nil, name: String = "office hours"
    ) throws -> AccessRule {
        let conditions = RuleConditions(
            models: try ["llama-*", "tiny"].map { try #require(ModelPattern($0)) },
            environments: [.production, .staging],
            addresses: try ["10.0.0.0/8", "2001:db8::7"].map { try #require(AddressRange($0)) },
            times: try ["mon-fri 08:00-18:00 +03:30", "sat 22:00-02:00"].map { try #require(TimeWindow($0)) })
        return AccessRule(
            id: world.samples.ids.next(), tenant: tenant, workspace: workspace, name: name, effect: .require,
            actions: [.inferenceExecute, .modelRead], keys: [world.samples.ids.next(), world.samples.ids.next()],
            conditions: conditions, created: world.samples.clock.now)
    }

    @Test("a rule comes back with all that it says, also with nothing", arguments: StoreAdapter.allCases)
    func roundTrip(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        let full = try rule(world, of: home.tenant, workspace: home.id)
        world.samples.clock.advance(by: .milliseconds(1))
        let bare = AccessRule(
            id: world.samples.ids.next(), tenant: home.tenant, workspace: nil, name: "nothing", effect: .deny,
            actions: [], conditions: RuleConditions(), created: world.samples.clock.now)
        for rule in [full, bare] { try await world.rules.insert(rule, audit: world.entry("rule.create")) }
        #expect(try await world.rules.find(full.id, in: home.tenant) == full)
        #expect(try await world.rules.list(in: home.tenant) == [full, bare])
        #expect(try await world.rules.tenant(of: bare.id) == home.tenant)
        #expect(try await world.rules.tenant(of: world.samples.ids.next()) == nil)
    }

    @Test("every change of a rule is told to the nodes, and is its tenant's alone", arguments: StoreAdapter.allCases)
    func changes(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (home, other) = (try await world.workspace(), try await world.workspace("w", of: "other"))
        let before = try rule(world, of: home.tenant)
        try await world.rules.insert(before, audit: world.entry("rule.create"))
        let after = AccessRule(
            id: before.id, tenant: home.tenant, workspace: home.id, name: "renamed", effect: .deny, actions: [],
            conditions: RuleConditions(environments: [.development]), created: before.created)
        let stolen = AccessRule(
            id: before.id, tenant: other.tenant, workspace: nil, name: "stolen", effect: .deny, actions: [],
            conditions: RuleConditions(), created: before.created)
        #expect(try await world.rules.replace(stolen, audit: world.entry()) == nil)
        #expect(try await world.rules.remove(before.id, in: other.tenant, audit: world.entry()) == nil)
        #expect(try await world.rules.replace(after, audit: world.entry("rule.replace")) == after)
        #expect(try await world.rules.find(before.id, in: home.tenant) == after)
        #expect(try await world.rules.remove(before.id, in: home.tenant, audit: world.entry("rule.remove")) == after)
        #expect(try await world.rules.list(in: home.tenant) == [])
        #expect(try await world.subjects() == Array(repeating: .tenant(home.tenant), count: 3))
        #expect(try await world.actions(in: home.tenant) == ["rule.create", "rule.replace", "rule.remove"])
        #expect(try await world.actions(in: other.tenant) == [])
    }

    @Test("a tenant has a bounded number of rules, and another's do not count", arguments: StoreAdapter.allCases)
    func bounded(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (home, other) = (try await world.workspace(), try await world.workspace("w", of: "other"))
        for _ in 0..<mostRulesOfTenant {
            try await world.rules.insert(try rule(world, of: home.tenant), audit: world.entry())
        }
        let extra = try rule(world, of: home.tenant)
        #expect(await code { try await world.rules.insert(extra, audit: world.entry()) } == .validationError)
        #expect(try await world.rules.list(in: home.tenant).count == mostRulesOfTenant)
        try await world.rules.insert(try rule(world, of: other.tenant), audit: world.entry())
        #expect(try await world.rules.list(in: other.tenant).count == 1)
    }
}
