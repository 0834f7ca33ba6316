import Billing
import Database
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct LimitStoreContract {
    private func store(_ world: StoreWorld) throws -> DatabaseLimitStore {
        DatabaseLimitStore(try #require(world.database), sealing: PlainSealer())
    }

    private func act(_ world: StoreWorld) -> MoneyAct {
        MoneyAct(
            id: world.samples.ids.next(), actor: "operator", address: nil, request: nil, at: world.samples.clock.now,
            details: [:])
    }

    private func version(_ world: StoreWorld) async throws -> Int64 {
        let row = try await world.database?.read(.system) { tx in try tx.row("SELECT last FROM spending_counter") }
        return try #require(row ?? nil).value("last")
    }

    @Test("what is set comes back, changes in place, and is removed", arguments: StoreAdapter.databases)
    func roundTrip(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (home, store, ids) = (try await world.workspace(), try store(world), world.samples.ids)
        let key: KeyID = ids.next()
        let first = try await store.set(
            [.requestsPerMinute: 60, .concurrency: 5], on: .key(key), model: nil, of: home.tenant,
            workspace: home.id, ids: ids, by: act(world))
        #expect(first.map(\.quantity).sorted { $0.rawValue < $1.rawValue } == [.concurrency, .requestsPerMinute])
        #expect(first.allSatisfy { $0.subject == .key(key) && $0.model == nil })
        let changed = try await store.set(
            [.requestsPerMinute: 30, .concurrency: nil, .tokensPerMinute: 1000], on: .key(key), model: nil,
            of: home.tenant, workspace: home.id, ids: ids, by: act(world))
        let amounts = Dictionary(uniqueKeysWithValues: changed.map { ($0.quantity, $0.amount) })
        #expect(amounts == [.requestsPerMinute: 30, .tokensPerMinute: 1000])
        let identifier = try #require(first.first { $0.quantity == .requestsPerMinute }).id
        #expect(changed.contains { $0.id == identifier }, "what was used of it would be forgotten")
        let ofModel = try await store.set(
            [.requestsPerMinute: 0], on: .workspace(home.id), model: "llama-*", of: home.tenant, workspace: home.id,
            ids: ids, by: act(world))
        #expect(ofModel.map(\.model) == ["llama-*"])
        #expect(Set(try await store.list(of: home.tenant, workspace: home.id)) == Set(changed + ofModel))
        #expect(try await world.actions(in: home.tenant) == Array(repeating: "limit.set", count: 3))
        #expect(try await version(world) == 3)
    }

    @Test("what changes nothing is not told and not written down", arguments: StoreAdapter.databases)
    func noChange(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (home, store, ids) = (try await world.workspace(), try store(world), world.samples.ids)
        for _ in 0..<2 {
            let limits = try await store.set(
                [.requestsPerMinute: 60, .concurrency: nil], on: .tenant(home.tenant), model: nil, of: home.tenant,
                workspace: nil, ids: ids, by: act(world))
            #expect(limits.map(\.amount) == [60])
        }
        #expect(try await version(world) == 1)
        #expect(try await world.actions(in: home.tenant) == ["limit.set"])
    }

    @Test("a person's limits in two tenants are two, and each tenant sees its own", arguments: StoreAdapter.databases)
    func tenants(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (home, other) = (try await world.workspace(), try await world.workspace("w", of: "other"))
        let (store, ids) = (try store(world), world.samples.ids)
        let user: UserID = ids.next()
        for (workspace, amount) in [(home, 60), (other, 90)] as [(Workspace, Int64)] {
            _ = try await store.set(
                [.requestsPerMinute: amount], on: .user(user), model: nil, of: workspace.tenant, workspace: nil,
                ids: ids, by: act(world))
        }
        #expect(try await store.list(of: home.tenant, workspace: nil).map(\.amount) == [60])
        #expect(try await store.list(of: other.tenant, workspace: nil).map(\.amount) == [90])
        #expect(try await store.list(of: home.tenant, workspace: home.id) == [])
        _ = try await store.set(
            [.requestsPerMinute: nil], on: .user(user), model: nil, of: other.tenant, workspace: nil, ids: ids,
            by: act(world))
        #expect(try await store.list(of: home.tenant, workspace: nil).count == 1)
        #expect(try await store.list(of: other.tenant, workspace: nil).isEmpty)
    }

    @Test("an amount that is none is refused, and nothing is set", arguments: StoreAdapter.databases)
    func badAmounts(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (home, store) = (try await world.workspace(), try store(world))
        for amount in [-1, RateBucket.most + 1, .max] as [Int64] {
            let refused = await code {
                _ = try await store.set(
                    [.concurrency: 5, .tokensPerMinute: amount], on: .tenant(home.tenant), model: nil, of: home.tenant,
                    workspace: nil, ids: world.samples.ids, by: act(world))
            }
            #expect(refused == .validationError)
        }
        #expect(try await store.list(of: home.tenant, workspace: nil).isEmpty)
        #expect(try await version(world) == 0)
    }
}
