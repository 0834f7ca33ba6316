import Database
import Inference
import Kernel
import TestKit
import Testing

@Suite struct RouteStoreContract {
    private func route(_ world: StoreWorld, at accepted: Instant? = nil, _ record: [UInt8] = [1, 0, 255]) -> StoredRoute
    {
        StoredRoute(
            request: world.samples.ids.next(), workspace: world.samples.ids.next(), key: world.samples.ids.next(),
            accepted: accepted ?? world.samples.clock.now, record: record)
    }

    @Test("a decision comes back as it went in, whoever asked", arguments: StoreAdapter.allCases)
    func roundTrip(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let known = route(world)
        let unknown = StoredRoute(
            request: world.samples.ids.next(), workspace: known.workspace, key: nil, accepted: known.accepted,
            record: (0..<8192).map { UInt8(truncatingIfNeeded: $0) })
        try await world.routes.insert([])
        try await world.routes.insert([unknown, known])
        #expect(try await world.routes.route(of: known.request) == known)
        #expect(try await world.routes.route(of: unknown.request) == unknown)
        #expect(try await world.routes.route(of: world.samples.ids.next()) == nil)
    }

    @Test("a repeat changes nothing, also from several nodes at once", arguments: StoreAdapter.allCases)
    func repeated(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let routes = (0..<61).map { _ in route(world) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for turn in 0..<4 {
                group.addTask { try await world.routes.insert(turn % 2 == 0 ? routes : routes.reversed()) }
            }
            try await group.waitForAll()
        }
        let first = try #require(routes.first)
        let other = StoredRoute(
            request: first.request, workspace: world.samples.ids.next(), key: nil, accepted: first.accepted, record: [9]
        )
        try await world.routes.insert([other])
        for route in routes { #expect(try await world.routes.route(of: route.request) == route) }
    }

    @Test("usage rows bring their decisions, and those without one bring none", arguments: StoreAdapter.allCases)
    func fromUsage(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let workspace: WorkspaceID = world.samples.ids.next()
        let plain = world.samples.record(in: workspace, key: world.samples.ids.next())
        let routed = plain.with(request: world.samples.ids.next(), route: [1, 2, 3])
        try await world.usage.insert([plain, routed])
        let stored = try #require(try await world.routes.route(of: routed.request))
        #expect(stored.workspace == workspace && stored.key == routed.key && stored.accepted == routed.started)
        #expect(stored.record == [1, 2, 3])
        #expect(try await world.routes.route(of: plain.request) == nil)
    }

    @Test("a row is found in its own workspace alone, with its attempts", arguments: StoreAdapter.allCases)
    func rowOfRequest(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let plain = world.samples.record(in: world.samples.ids.next(), key: world.samples.ids.next())
        let attempts = [
            Attempt(
                number: 1, deployment: world.samples.ids.next(), provider: world.samples.ids.next(), upstream: nil,
                cost: .unknown),
            Attempt(number: 2, deployment: plain.deployment, upstream: "c-1", cost: .confirmed),
        ]
        let record = plain.with(request: plain.request, attempts: attempts)
        try await world.usage.insert([record])
        #expect(try await world.usage.record(of: record.request, in: record.workspace) == record)
        #expect(try await world.usage.record(of: record.request, in: world.samples.ids.next()) == nil)
        #expect(try await world.usage.record(of: world.samples.ids.next(), in: record.workspace) == nil)
    }

    @Test("the only attempt of a request is read back as one of several is", arguments: StoreAdapter.allCases)
    func onlyAttempt(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let plain = world.samples.record(in: world.samples.ids.next(), key: world.samples.ids.next())
        let told = Money(units: 1234, .eur)
        let other: DeploymentID = world.samples.ids.next()
        let all: [[Attempt]] = [
            [], [Attempt(number: 1, deployment: plain.deployment, upstream: nil, cost: .none)],
            [
                Attempt(
                    number: 1, deployment: plain.deployment, provider: world.samples.ids.next(), upstream: "c-1",
                    cost: .confirmed, told: told)
            ],
            [Attempt(number: 2, deployment: plain.deployment, upstream: nil, cost: .estimated)],
            [Attempt(number: 1, deployment: other, upstream: nil, cost: .unknown)],
            [
                Attempt(number: 1, deployment: other, upstream: "c-2", cost: .unknown, told: told),
                Attempt(number: 2, deployment: plain.deployment, upstream: nil, cost: .confirmed),
            ],
        ]
        let records = all.map { plain.with(request: world.samples.ids.next(), attempts: $0) }
        try await world.usage.insert(records)
        try await world.usage.insert(records)
        for record in records {
            #expect(try await world.usage.record(of: record.request, in: record.workspace) == record)
        }
        guard let database = world.database else { return }
        let rows = try await database.read(.system) { tx in
            try tx.rows("SELECT request_id FROM attempt").map { try $0.value("request_id", as: RequestID.self) }
        }
        #expect(rows.count == 4 && Set(rows) == Set(records[3...].map(\.request)))
    }

    @Test("what is older goes, the oldest first and never more than asked", arguments: StoreAdapter.allCases)
    func pruning(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let routes = (0..<10).map { place in
            let accepted = now - .seconds(10 - place)
            // Named when they were accepted, as requests are.
            let id = ULID(milliseconds: UInt64(accepted.microseconds / 1000), random: (UInt64(place), 7))
            return StoredRoute(
                request: RequestID(id), workspace: world.samples.ids.next(), key: nil, accepted: accepted, record: [1])
        }
        try await world.routes.insert(routes.reversed())
        #expect(try await world.routes.prune(before: now - .seconds(5), limit: 3) == 3)
        #expect(try await left(of: routes, world) == Array(3..<10))
        #expect(try await world.routes.prune(before: now - .seconds(5), limit: 3) == 2)
        #expect(try await world.routes.prune(before: now - .seconds(5), limit: 3) == 0)
        #expect(try await left(of: routes, world) == Array(5..<10))
    }

    private func left(of routes: [StoredRoute], _ world: StoreWorld) async throws -> [Int] {
        var left: [Int] = []
        for (place, route) in routes.enumerated() where try await world.routes.route(of: route.request) != nil {
            left.append(place)
        }
        return left
    }
}

extension UsageRecord {
    func with(request: RequestID, attempts: [Attempt] = [], route: [UInt8] = []) -> UsageRecord {
        UsageRecord(
            request: request, clientRequest: clientRequest, workspace: workspace, key: key, operation: operation,
            model: model, deployment: deployment, isStream: isStream, status: status, httpStatus: httpStatus,
            errorCode: errorCode, usage: usage, started: started, latency: latency, firstToken: firstToken,
            billing: billing, attempts: attempts, route: route)
    }
}
