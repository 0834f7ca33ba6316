import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct TenancyStoreContract {
    private func key(
        _ world: StoreWorld, in workspace: Workspace, seed: UInt64, expires: Instant? = nil
    ) -> APIKey {
        world.samples.key(for: KeyToken.make(random: SeededRandom(seed: seed)), in: workspace, expires: expires)
    }

    @Test(
        "a key is found by its prefix as it was stored; repeating it changes nothing", arguments: StoreAdapter.allCases)
    func insertAndFind(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let workspace = try await world.workspace()
        let key = key(world, in: workspace, seed: 1, expires: world.samples.clock.now + .seconds(60))
        try await world.keys.insert(key, audit: Samples.entry)
        try await world.keys.insert(key, audit: Samples.entry)
        #expect(try await world.keys.find(prefix: key.prefix)?.key == key)
        #expect(try await world.keys.find(prefix: "0000000000") == nil)
        #expect(try await world.keys.list(in: workspace.id, page: PageRequest()).data == [key])
    }

    @Test("of many who add a first key at once, one does", arguments: StoreAdapter.allCases)
    func firstKey(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let workspace = try await world.workspace()
        let keys = (1...16).map { key(world, in: workspace, seed: $0) }
        let added = try await withThrowingTaskGroup(of: Bool.self) { group in
            for key in keys { group.addTask { try await world.keys.insertFirst(key, audit: Samples.entry) } }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(added == 1)
        #expect(try await world.keys.list(in: workspace.id, page: PageRequest()).data.count == 1)
        #expect(try await !world.keys.insertFirst(key(world, in: workspace, seed: 99), audit: Samples.entry))
    }

    @Test("another key with the same prefix is refused", arguments: StoreAdapter.allCases)
    func samePrefix(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let workspace = try await world.workspace()
        try await world.keys.insert(key(world, in: workspace, seed: 1), audit: Samples.entry)
        let other = key(world, in: workspace, seed: 1)
        #expect(await code { try await world.keys.insert(other, audit: Samples.entry) } == .alreadyExists)
    }

    @Test("keys are listed newest first, page by page, and only the workspace's own", arguments: StoreAdapter.allCases)
    func paging(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let workspace = try await world.workspace()
        let other = try await world.workspace("other")
        var keys: [APIKey] = []
        for seed in 1...7 as ClosedRange<UInt64> {
            world.samples.clock.advance(by: .milliseconds(1))
            keys.append(key(world, in: workspace, seed: seed))
            try await world.keys.insert(keys[keys.count - 1], audit: Samples.entry)
            try await world.keys.insert(key(world, in: other, seed: seed + 100), audit: Samples.entry)
        }
        var seen: [APIKey] = []
        var after: String?
        while true {
            let page = try await world.keys.list(in: workspace.id, page: PageRequest(limit: 3, after: after))
            seen += page.data
            guard page.hasMore else { break }
            after = page.lastID
        }
        #expect(seen == keys.reversed())
        let wrong = try PageRequest(after: "req_01ARZ3NDEKTSV4RRFFQ69G5FAV")
        #expect(await code { _ = try await world.keys.list(in: workspace.id, page: wrong) } == .validationError)
    }

    @Test("revoking keeps the first time, and reaches no other workspace's key", arguments: StoreAdapter.allCases)
    func revoke(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let workspace = try await world.workspace()
        let other = try await world.workspace("other")
        let key = key(world, in: workspace, seed: 1)
        try await world.keys.insert(key, audit: Samples.entry)
        let now = world.samples.clock.now
        #expect(try await world.keys.revoke(key.id, in: other.id, at: now, audit: Samples.entry) == nil)
        #expect(try await world.keys.find(prefix: key.prefix)?.key.revoked == nil)
        #expect(try await world.keys.revoke(key.id, in: workspace.id, at: now, audit: Samples.entry)?.revoked == now)
        let later = now + .seconds(9)
        #expect(try await world.keys.revoke(key.id, in: workspace.id, at: later, audit: Samples.entry)?.revoked == now)
        #expect(try await world.keys.find(prefix: key.prefix)?.isUsable(at: now) == false)
    }

    @Test("only usable keys are counted", arguments: StoreAdapter.allCases)
    func count(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let workspace = try await world.workspace()
        let now = world.samples.clock.now
        let revoked = key(world, in: workspace, seed: 1)
        try await world.keys.insert(revoked, audit: Samples.entry)
        try await world.keys.insert(key(world, in: workspace, seed: 2), audit: Samples.entry)
        try await world.keys.insert(
            key(world, in: workspace, seed: 3, expires: now + .seconds(5)), audit: Samples.entry)
        _ = try await world.keys.revoke(revoked.id, in: workspace.id, at: now, audit: Samples.entry)
        #expect(try await world.keys.countUsable(in: workspace.id, at: now) == 2)
        #expect(try await world.keys.countUsable(in: workspace.id, at: now + .seconds(5)) == 1)
        #expect(try await world.keys.countUsable(in: world.samples.ids.next(), at: now) == 0)
    }

    @Test("a workspace is made once, also when many ask together", arguments: StoreAdapter.allCases)
    func ensure(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let found = try await withThrowingTaskGroup(of: Workspace.self) { group in
            for _ in 0..<20 { group.addTask { try await world.workspace() } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(found.count == 1)
        let other = try await world.workspace("other")
        #expect(other.tenant == found.first?.tenant && other.id != found.first?.id)
    }
}
