import Database
import Inference
import Kernel
import TestKit
import Testing

@testable import Stores

/// Decisions as a settlement's usage rows bring them.
@Suite struct RouteBatchContract {
    private func route(
        _ world: StoreWorld, second: Int64 = 1_700_000_000, _ workspace: WorkspaceID, _ record: [UInt8] = [1, 0, 255]
    ) -> StoredRoute {
        let id: RequestID = world.samples.ids.next()
        let ulid = ULID(milliseconds: UInt64(second * 1000), random: (id.ulid.high, id.ulid.low))
        return StoredRoute(
            request: RequestID(ulid), workspace: workspace, key: world.samples.ids.next(),
            accepted: Instant(microseconds: second * 1_000_000), record: record)
    }

    private func insert(_ routes: [StoredRoute], _ database: any Database) async throws {
        var batches = RouteBatches()
        for route in routes.sorted(by: { $0.request < $1.request }) { batches.add(route) }
        try await database.write(.system) { [batches] tx in try batches.insert(tx) }
    }

    private func rows(_ database: any Database) async throws -> Int {
        try await database.read(.system) { tx in try tx.rows("SELECT second FROM routing_batch").count }
    }

    @Test("each is found, whoever else asked in its second", arguments: StoreAdapter.databases)
    func mixed(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let database = try #require(world.database)
        let workspaces: [WorkspaceID] = (0..<3).map { _ in world.samples.ids.next() }
        let routes = (0..<90).map { place in
            route(
                world, second: 1_700_000_000 + Int64(place / 30), workspaces[place % 3],
                Array(repeating: 7, count: place))
        }
        try await insert([], database)
        try await insert(routes, database)
        try await insert(routes, database)
        #expect(try await rows(database) == 9)
        for route in routes { #expect(try await world.routes.route(of: route.request) == route) }
        let stranger = route(world, workspaces[0])
        #expect(try await world.routes.route(of: stranger.request) == nil)
        // A later batch of the same second stands beside the earlier one.
        try await insert([stranger], database)
        #expect(try await rows(database) == 10)
        #expect(try await world.routes.route(of: stranger.request) == stranger)
    }

    @Test("a row holds no more than it should, and one without a key has none", arguments: StoreAdapter.databases)
    func large(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let database = try #require(world.database)
        let workspace: WorkspaceID = world.samples.ids.next()
        var routes = (0..<30).map { _ in route(world, workspace, Array(repeating: 9, count: 10 << 10)) }
        let known = routes[4]
        routes[4] = StoredRoute(
            request: known.request, workspace: workspace, key: nil, accepted: known.accepted, record: [])
        try await insert(routes, database)
        #expect(try await rows(database) == 3)
        for route in routes { #expect(try await world.routes.route(of: route.request) == route) }
    }

    @Test("what is older goes with its second, and counts with the single ones", arguments: StoreAdapter.databases)
    func pruning(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let database = try #require(world.database)
        let workspace: WorkspaceID = world.samples.ids.next()
        let batched = (0..<6).map { route(world, second: 1_700_000_000 + $0, workspace) }
        let single = (0..<2).map { route(world, second: 1_700_000_000 + $0, workspace) }
        try await insert(batched, database)
        try await world.routes.insert(single)
        let limit = Instant(microseconds: 1_700_000_004_000_000)
        #expect(try await world.routes.prune(before: limit, limit: 3) == 3)
        #expect(try await world.routes.prune(before: limit, limit: 3) == 3)
        #expect(try await world.routes.prune(before: limit, limit: 3) == 0)
        for route in single + batched.prefix(4) { #expect(try await world.routes.route(of: route.request) == nil) }
        for route in batched[4...] { #expect(try await world.routes.route(of: route.request) == route) }
    }

    @Test("bytes that end early, or of another version, are said to be broken")
    func broken() throws {
        let workspace = WorkspaceID(ULID(high: 1, low: 2))
        let request = RequestID(ULID(high: 3, low: 4))
        var bytes = RouteBatchCoding.empty
        let route = StoredRoute(
            request: request, workspace: workspace, key: KeyID(ULID(high: 5, low: 6)),
            accepted: Instant(microseconds: -1), record: [1, 2, 3])
        RouteBatchCoding.append(route, to: &bytes)
        #expect(try RouteBatchCoding.route(of: request, in: workspace, bytes) == route)
        #expect(try RouteBatchCoding.route(of: RequestID(ULID(high: 3, low: 5)), in: workspace, bytes) == nil)
        #expect(try RouteBatchCoding.route(of: request, in: workspace, RouteBatchCoding.empty) == nil)
        for end in bytes.indices where end != 1 {
            #expect(throws: DatabaseFailure.self) {
                try RouteBatchCoding.route(of: request, in: workspace, Array(bytes[..<end]))
            }
        }
        bytes[0] = 2
        #expect(throws: DatabaseFailure.self) { try RouteBatchCoding.route(of: request, in: workspace, bytes) }
    }
}
