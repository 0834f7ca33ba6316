import Database
import Inference
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct RevocationStoreContract {
    @Test("the feed is read in parts, from anywhere", arguments: StoreAdapter.allCases)
    func parts(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        #expect(try await world.revocations.head() == 0)
        #expect(try await world.revocations.after(0, limit: 10) == [])
        var expected: [Revocation] = []
        for number in 1...5 as ClosedRange<Int64> {
            let key = try await world.key(in: home)
            _ = try await world.keys.revoke(key.id, in: home.id, at: key.created, audit: world.entry())
            expected.append(Revocation(sequence: number, subject: .key(key.id)))
        }
        #expect(try await world.revocations.head() == 5)
        #expect(try await world.revocations.after(0, limit: 10) == expected)
        #expect(try await world.revocations.after(2, limit: 2) == Array(expected[2..<4]))
        #expect(try await world.revocations.after(5, limit: 10) == [])
    }

    @Test(
        "who is behind what is kept, or ahead of what there is, has to forget everything",
        arguments: StoreAdapter.allCases)
    func gap(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        for _ in 1...2 {
            let key = try await world.key(in: home)
            _ = try await world.keys.revoke(key.id, in: home.id, at: key.created, audit: world.entry())
            world.samples.clock.advance(by: .seconds(10))
        }
        #expect(try await world.revocations.after(9, limit: 10) == nil)
        try await world.revocations.prune(before: world.samples.clock.now - .seconds(15))
        #expect(try await world.revocations.head() == 2)
        #expect(try await world.revocations.after(0, limit: 10) == nil)
        #expect(try await world.revocations.after(1, limit: 10)?.map(\.sequence) == [2])
        try await world.revocations.prune(before: world.samples.clock.now)
        #expect(try await world.revocations.after(1, limit: 10) == nil)
        #expect(try await world.revocations.after(2, limit: 10) == [])
    }

    @Test(
        "whoever follows the feed while two nodes write sees every number once, in order",
        arguments: StoreAdapter.allCases)
    func commitOrder(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let other = try await world.otherNode()
        let home = try await world.workspace()
        let elsewhere = try await world.workspace("w", of: "other")
        var keys: [(StoreWorld, Workspace, APIKey)] = []
        for number in 0..<20 {
            let workspace = number % 4 < 2 ? home : elsewhere
            keys.append((number.isMultiple(of: 2) ? world : other, workspace, try await world.key(in: workspace)))
        }
        let expected = Set(keys.map { $0.2.id })
        let seen = try await withThrowingTaskGroup(of: Void.self) { group in
            for (node, workspace, key) in keys {
                group.addTask {
                    _ = try await node.keys.revoke(key.id, in: workspace.id, at: key.created, audit: node.entry())
                }
            }
            // A number that became visible after a higher one would be a gap here.
            var seen: [Revocation] = []
            try await eventually("all revocations are seen") {
                seen += try #require(try await other.revocations.after(Int64(seen.count), limit: 3))
                return seen.count >= keys.count
            }
            try await group.waitForAll()
            return seen
        }
        #expect(seen.map(\.sequence) == Array(1...20))
        #expect(Set(seen.map(\.subject)) == Set(expected.map { .key($0) }))
    }

    @Test("providers and their sealed keys are told to the nodes", arguments: StoreAdapter.databases)
    func providers(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let database = try #require(world.database)
        let (providers, sealed) = (DatabaseProviderStore(database), DatabaseSealedRows(database))
        let now = world.samples.clock.now
        let provider = Provider(
            id: world.samples.ids.next(), name: "openrouter", wire: .openAI,
            endpoint: try Endpoint(checking: "https://openrouter.ai/api/v1"), created: now)
        try await providers.insert(provider)
        try await sealed.put(SealedRow(name: provider.secretName, sealed: [1], stored: now))
        try await sealed.put(SealedRow(name: "platform/audit-key", sealed: [1], stored: now))
        try await sealed.remove(named: provider.secretName)
        try await sealed.remove(named: provider.secretName)
        #expect(try await providers.remove(provider.id) == provider)
        #expect(try await providers.remove(provider.id) == nil)
        #expect(try await world.subjects() == [.providers, .providers, .providers, .providers])
    }
}
