import Database
import Inference
import Kernel
import TestKit
import Testing

@testable import Stores

/// Decisions as a settlement's usage rows bring them.
@Suite struct RouteBatchContract {
    /// A request that was made in that second, and its decision.
    private func record(
        _ world: StoreWorld, second: Int64 = 1_700_000_000, _ workspace: WorkspaceID, _ route: [UInt8] = [1, 0, 255]
    ) -> UsageRecord {
        let id: RequestID = world.samples.ids.next()
        let ulid = ULID(milliseconds: UInt64(second * 1000), random: (id.ulid.high, id.ulid.low))
        let plain = world.samples.record(
            in: workspace, key: world.samples.ids.next(), started: Instant(microseconds: second * 1_000_000))
        return plain.with(request: RequestID(ulid), route: route)
    }

    private func route(of record: UsageRecord) -> StoredRoute {
        StoredRoute(
            request: record.request, workspace: record.workspace, key: record.key, accepted: record.started,
            record: record.route)
    }

    private func expectEach(of records: some Sequence<UsageRecord>, _ world: StoreWorld) async throws {
        for record in records { #expect(try await world.routes.route(of: record.request) == route(of: record)) }
    }

    private func rows(_ world: StoreWorld) async throws -> Int {
        let database = try #require(world.database)
        return try await database.read(.system) { tx in try tx.rows("SELECT second FROM routing_batch").count }
    }

    @Test("each is found, whoever else asked in its second", arguments: StoreAdapter.databases)
    func mixed(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let workspaces: [WorkspaceID] = (0..<3).map { _ in world.samples.ids.next() }
        let records = (0..<90).map { place in
            record(
                world, second: 1_700_000_000 + Int64(place / 30), workspaces[place % 3],
                Array(repeating: 7, count: place + 1))
        }
        try await world.usage.insert(records.reversed())
        try await world.usage.insert(records)
        #expect(try await rows(world) == 9)
        try await expectEach(of: records, world)
        let stranger = record(world, workspaces[0])
        #expect(try await world.routes.route(of: stranger.request) == nil)
    }

    @Test("what comes with some that are there stands beside them", arguments: StoreAdapter.databases)
    func later(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let workspace: WorkspaceID = world.samples.ids.next()
        let records = (0..<3).map { _ in record(world, workspace) }
        try await world.usage.insert(Array(records[..<2]))
        try await world.usage.insert(records)
        #expect(try await rows(world) == 2)
        try await expectEach(of: records, world)
    }

    @Test("a row holds no more than it should", arguments: StoreAdapter.databases)
    func large(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let workspace: WorkspaceID = world.samples.ids.next()
        let records = (0..<30).map { _ in record(world, workspace, Array(repeating: 9, count: 10 << 10)) }
        try await world.usage.insert(records)
        #expect(try await rows(world) == 3)
        try await expectEach(of: records, world)
    }

    @Test("what is older goes with its second, and counts with the single ones", arguments: StoreAdapter.databases)
    func pruning(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let workspace: WorkspaceID = world.samples.ids.next()
        let batched = (0..<6).map { record(world, second: 1_700_000_000 + $0, workspace) }
        let single = (0..<2).map { route(of: record(world, second: 1_700_000_000 + $0, workspace)) }
        try await world.usage.insert(batched)
        try await world.routes.insert(single)
        let limit = Instant(microseconds: 1_700_000_004_000_000)
        #expect(try await world.routes.prune(before: limit, limit: 3) == 3)
        #expect(try await world.routes.prune(before: limit, limit: 3) == 3)
        #expect(try await world.routes.prune(before: limit, limit: 3) == 0)
        let gone = single.map(\.request) + batched.prefix(4).map(\.request)
        for request in gone { #expect(try await world.routes.route(of: request) == nil) }
        try await expectEach(of: batched[4...], world)
    }

    @Test("bytes that end early, or of another version, are said to be broken")
    func broken() throws {
        let workspace = WorkspaceID(ULID(high: 1, low: 2))
        let request = RequestID(ULID(high: 3, low: 4))
        var bytes = RouteBatchCoding.empty
        let route = StoredRoute(
            request: request, workspace: workspace, key: KeyID(ULID(high: 5, low: 6)),
            accepted: Instant(microseconds: -1), record: [1, 2, 3])
        let keyless = StoredRoute(
            request: RequestID(ULID(high: 3, low: 3)), workspace: workspace, key: nil, accepted: route.accepted,
            record: [])
        RouteBatchCoding.append(keyless, to: &bytes)
        let first = bytes.count
        RouteBatchCoding.append(route, to: &bytes)
        #expect(try RouteBatchCoding.route(of: keyless.request, in: workspace, bytes) == keyless)
        #expect(try RouteBatchCoding.route(of: request, in: workspace, bytes) == route)
        #expect(try RouteBatchCoding.route(of: RequestID(ULID(high: 3, low: 5)), in: workspace, bytes) == nil)
        #expect(try RouteBatchCoding.route(of: request, in: workspace, RouteBatchCoding.empty) == nil)
        for end in bytes.indices where end != 1 && end != first {
            #expect(throws: DatabaseFailure.self) {
                try RouteBatchCoding.route(of: request, in: workspace, Array(bytes[..<end]))
            }
        }
        bytes[0] = 2
        #expect(throws: DatabaseFailure.self) { try RouteBatchCoding.route(of: request, in: workspace, bytes) }
    }
}
