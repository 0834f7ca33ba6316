import Kernel
import Tenancy
import TestKit
import Testing

/// What keys have beside what `TenancyStoreContract` asks: limits, holders, rotation, use.
@Suite struct KeyStoreContract {
    @Test("a key comes back with all its limits", arguments: StoreAdapter.allCases)
    func limits(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        let user = try await world.person("ada")
        let scopes = KeyScopes(
            permissions: [.inferenceExecute, .usageRead], endpoints: [.chat, .models],
            models: try ["llama-*", "tiny"].map { try #require(ModelPattern($0)) })
        let key = APIKey(
            id: world.samples.ids.next(), tenant: home.tenant, workspace: home.id, user: user.id, name: "laptop",
            prefix: "abcdefghjk", hash: "plain:x", scopes: scopes, environment: .staging,
            addresses: try ["10.0.0.0/8", "2001:db8::7"].map { try #require(AddressRange($0)) },
            created: world.samples.clock.now, expires: world.samples.clock.now + .seconds(5))
        try await world.keys.insert(key, audit: world.entry("key.create"))
        #expect(try await world.keys.find(key.id, in: home.id) == key)
        #expect(try await world.keys.find(prefix: key.prefix)?.key == key)
        #expect(try await world.actions(in: home.tenant) == ["key.create"])
        let place = try await world.keys.workspace(of: key.id)
        #expect(place?.tenant == home.tenant && place?.workspace == home.id)
        #expect(try await world.keys.workspace(of: world.samples.ids.next()) == nil)
    }

    @Test("a key without a permission never reads as the usual one", arguments: StoreAdapter.allCases)
    func noPermission(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        let key = try await world.key(in: home, scopes: KeyScopes(permissions: []))
        #expect(try await world.keys.find(prefix: key.prefix)?.key.scopes.permissions == [])
    }

    @Test("what bears on a key is read with it", arguments: StoreAdapter.allCases)
    func facts(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let (home, second) = (try await world.workspace(), try await world.workspace("second"))
        let other = try await world.workspace("w", of: "other")
        let user = try await world.person("ada")
        func place(_ workspace: Workspace) -> Member {
            Member(
                id: world.samples.ids.next(), tenant: workspace.tenant, workspace: workspace.id, user: user.id,
                role: .developer, created: now)
        }
        let (mine, foreign) = (place(home), place(other))
        for member in [mine, foreign] { try await world.members.insert(member, audit: world.entry()) }
        func rule(_ tenant: TenantID, _ workspace: WorkspaceID?) -> AccessRule {
            AccessRule(
                id: world.samples.ids.next(), tenant: tenant, workspace: workspace, name: "r", effect: .deny,
                actions: [], conditions: RuleConditions(), created: now)
        }
        let (wide, narrow) = (rule(home.tenant, nil), rule(home.tenant, home.id))
        for rule in [wide, narrow, rule(home.tenant, second.id), rule(other.tenant, nil)] {
            try await world.rules.insert(rule, audit: world.entry())
        }
        let key = try await world.key(in: home, user: user.id)
        let facts = try #require(try await world.keys.find(prefix: key.prefix))
        #expect(facts.members == [mine] && Set(facts.rules) == [wide, narrow])
        #expect(facts.user == .active && facts.tenant == .active && facts.workspace == .active)
        #expect(facts.isUsable(at: now))
        let suspended = Standing.suspended(since: now)
        let change = DirectoryChange(standing: suspended)
        _ = try await world.users.change(user.id, to: suspended, audit: world.entry())
        #expect(try await world.keys.find(prefix: key.prefix)?.user == suspended)
        _ = try await world.workspaces.change(home.id, in: home.tenant, change, audit: world.entry())
        #expect(try await world.keys.find(prefix: key.prefix)?.workspace == suspended)
        _ = try await world.tenants.change(home.tenant, change, audit: world.entry(of: home.tenant))
        #expect(try await world.keys.find(prefix: key.prefix)?.tenant == suspended)
        #expect(try await world.keys.find(prefix: key.prefix)?.isUsable(at: now) == false)
    }

    @Test("a rotation names the successor and ends the older key, once", arguments: StoreAdapter.allCases)
    func rotation(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let (home, other) = (try await world.workspace(), try await world.workspace("other"))
        let key = try await world.key(in: home)
        let (next, late) = (world.newKey(in: home), world.newKey(in: home))
        let end = now + .seconds(60)
        let entry = world.entry("key.rotate")
        let foreign = try await world.keys.rotate(key.id, in: other.id, to: next, oldEndsAt: end, audit: entry)
        #expect(foreign == nil)
        let older = try await world.keys.rotate(key.id, in: home.id, to: next, oldEndsAt: end, audit: entry)
        #expect(older?.successor == next.id && older?.expires == end)
        #expect(try await world.keys.find(prefix: key.prefix)?.key == older)
        #expect(try await world.keys.find(prefix: next.prefix)?.key == next)
        #expect(
            try await world.keys.rotate(key.id, in: home.id, to: late, oldEndsAt: end, audit: world.entry()) == nil)
        #expect(try await world.keys.find(prefix: late.prefix) == nil)
        #expect(try await world.subjects() == [.key(key.id)])
        #expect(try await world.actions(in: home.tenant) == ["key.create", "key.rotate"])
    }

    @Test("a rotation never lets a key live longer, and follows none that is over", arguments: StoreAdapter.allCases)
    func rotationOfExpiring(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let home = try await world.workspace()
        let short = try await world.key(in: home, expires: now + .seconds(5))
        let next = world.newKey(in: home)
        let older = try await world.keys.rotate(
            short.id, in: home.id, to: next, oldEndsAt: now + .seconds(60), audit: world.entry())
        #expect(older?.expires == now + .seconds(5))
        let (expired, revoked) = (try await world.key(in: home, expires: now), try await world.key(in: home))
        _ = try await world.keys.revoke(revoked.id, in: home.id, at: now, audit: world.entry())
        for key in [expired, revoked] {
            let answer = try await world.keys.rotate(
                key.id, in: home.id, to: world.newKey(in: home), oldEndsAt: now + .seconds(60), audit: world.entry())
            #expect(answer == nil)
        }
        #expect(try await world.keys.list(in: home.id, page: PageRequest()).data.count == 4)
    }

    @Test(
        "a rule about a key is about what rotations put in its place, and about no other",
        arguments: StoreAdapter.allCases)
    func ruleFollows(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        let now = world.samples.clock.now
        let first = try await world.key(in: home)
        let rule = AccessRule(
            id: world.samples.ids.next(), tenant: home.tenant, workspace: nil, name: "no", effect: .deny,
            actions: [.inferenceExecute], keys: [first.id], conditions: RuleConditions(), created: now)
        try await world.rules.insert(rule, audit: world.entry())
        var last = first
        for _ in 1...2 {
            let next = world.newKey(in: home)
            let rotated = try await world.keys.rotate(
                last.id, in: home.id, to: next, oldEndsAt: now + .seconds(60), audit: world.entry())
            #expect(rotated != nil)
            last = next
        }
        let other = try await world.key(in: home)
        #expect(try await world.keys.find(prefix: last.prefix)?.rules.first?.keys.contains(last.id) == true)
        #expect(try await world.keys.find(prefix: other.prefix)?.rules.first?.keys.contains(other.id) == false)
    }

    @Test("of many who rotate one key at once, one does", arguments: StoreAdapter.allCases)
    func rotationTogether(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        let key = try await world.key(in: home)
        let end = world.samples.clock.now + .seconds(60)
        let done = try await withThrowingTaskGroup(of: APIKey?.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    try await world.keys.rotate(
                        key.id, in: home.id, to: world.newKey(in: home), oldEndsAt: end, audit: world.entry())
                }
            }
            return try await group.reduce(0) { $0 + ($1 == nil ? 0 : 1) }
        }
        #expect(done == 1)
        #expect(try await world.keys.list(in: home.id, page: PageRequest()).data.count == 2)
    }

    @Test("a revocation is told once, with its act, and a repetition leaves no trace", arguments: StoreAdapter.allCases)
    func revocation(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let home = try await world.workspace()
        let key = try await world.key(in: home)
        for delay in [0, 9] {
            let revoked = try await world.keys.revoke(
                key.id, in: home.id, at: now + .seconds(delay), audit: world.entry("key.revoke"))
            #expect(revoked?.revoked == now)
        }
        #expect(try await world.subjects() == [.key(key.id)])
        #expect(try await world.actions(in: home.tenant) == ["key.create", "key.revoke"])
    }

    @Test("the last use only moves forward, in batches of any size", arguments: StoreAdapter.allCases)
    func lastUse(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let home = try await world.workspace()
        let (key, other) = (try await world.key(in: home), try await world.key(in: home))
        var uses: [KeyID: Instant] = [key.id: now + .seconds(5)]
        for _ in 0..<150 { uses[world.samples.ids.next()] = now }
        try await world.keys.touch(uses)
        try await world.keys.touch([key.id: now + .seconds(2), other.id: now])
        try await world.keys.touch([:])
        #expect(try await world.keys.find(key.id, in: home.id)?.lastUsed == now + .seconds(5))
        #expect(try await world.keys.find(other.id, in: home.id)?.lastUsed == now)
    }
}
