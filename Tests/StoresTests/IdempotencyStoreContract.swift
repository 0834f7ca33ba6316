import Kernel
import Tenancy
import TestKit
import Testing

private struct NotGranted: Error {}

@Suite struct IdempotencyStoreContract {
    private static let length = Duration.seconds(30)
    private let one = [UInt8](repeating: 1, count: 32)
    private let two = [UInt8](repeating: 2, count: 32)
    private let answer = StoredAnswer(status: 200, contentType: "application/json", body: Array("{}".utf8))

    private func claim(_ world: StoreWorld, _ key: IdempotencyKey, _ print: [UInt8]) async throws -> IdempotencyClaim {
        try await world.idempotency.claim(key, fingerprint: print, leaseFor: Self.length)
    }

    private func lease(_ world: StoreWorld, _ key: IdempotencyKey) async throws -> IdempotencyLease {
        guard case .granted(let lease) = try await claim(world, key, one) else {
            throw NotGranted()
        }
        return lease
    }

    private func key(_ workspace: Workspace?, _ text: String = "k") -> IdempotencyKey {
        IdempotencyKey(workspace: workspace?.id, route: "POST /v1/chat/completions", text: text)
    }

    @Test("a keyed request is carried out once and answered ever after", arguments: StoreAdapter.allCases)
    func life(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        for key in [key(try await world.workspace()), key(nil)] {
            let lease = try await lease(world, key)
            #expect(lease.epoch == 1 && lease.expires == world.samples.clock.now + Self.length)
            #expect(try await claim(world, key, one) == .running)
            #expect(try await claim(world, key, two) == .conflict)
            #expect(try await world.idempotency.complete(lease, with: answer))
            #expect(try await claim(world, key, one) == .answered(answer))
            #expect(try await claim(world, key, two) == .conflict)
            #expect(try await world.idempotency.complete(lease, with: answer), "said again, it still counts")
            #expect(try await world.idempotency.renew(lease, for: Self.length) == nil)
            try await world.idempotency.release(lease)
            #expect(try await claim(world, key, one) == .answered(answer))
        }
    }

    @Test("an answer of any length comes back byte for byte", arguments: StoreAdapter.allCases)
    func lengths(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        let part = 256 * 1024
        for size in [0, 1, part - 1, part, part + 1, 3 * part + 7] {
            let key = key(home, "size-\(size)")
            let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            let answer = StoredAnswer(status: 502, contentType: "text/event-stream", body: body)
            let lease = try await lease(world, key)
            #expect(try await world.idempotency.complete(lease, with: answer))
            #expect(try await claim(world, key, one) == .answered(answer), "\(size) bytes")
        }
    }

    @Test("of many twins on two nodes, exactly one carries the request out", arguments: StoreAdapter.allCases)
    func twins(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let nodes = [world, try await world.otherNode()]
        let home = try await world.workspace()
        for round in 0..<5 {
            let key = key(home, "round-\(round)")
            let claims = try await withThrowingTaskGroup(of: IdempotencyClaim.self) { group in
                for number in 0..<12 { group.addTask { try await claim(nodes[number % 2], key, one) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let granted = claims.count { if case .granted = $0 { true } else { false } }
            #expect(granted == 1 && claims.count { $0 == .running } == 11, "round \(round)")
        }
    }

    @Test(
        "an expired lease is taken by exactly one twin, and its old holder is fenced", arguments: StoreAdapter.allCases)
    func fencing(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let nodes = [world, try await world.otherNode()]
        let key = key(try await world.workspace())
        let stale = try await lease(world, key)
        world.samples.clock.advance(by: .seconds(29))
        #expect(try await claim(world, key, one) == .running)
        world.samples.clock.advance(by: .seconds(1))
        #expect(try await claim(world, key, two) == .conflict, "it was another request that began")
        let claims = try await withThrowingTaskGroup(of: IdempotencyClaim.self) { group in
            for number in 0..<8 { group.addTask { try await claim(nodes[number % 2], key, one) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let leases = claims.compactMap { if case .granted(let lease) = $0 { lease } else { nil } }
        let fresh = try #require(leases.first)
        #expect(leases.count == 1 && fresh.epoch == stale.epoch + 1)
        let late = StoredAnswer(status: 500, contentType: "text/plain", body: [1])
        #expect(try await !world.idempotency.complete(stale, with: late))
        #expect(try await world.idempotency.renew(stale, for: Self.length) == nil)
        try await world.idempotency.release(stale)
        #expect(try await claim(world, key, one) == .running)
        #expect(try await world.idempotency.complete(fresh, with: answer))
        #expect(try await !world.idempotency.complete(stale, with: late))
        #expect(try await claim(world, key, one) == .answered(answer))
    }

    @Test("a lease that is renewed goes on", arguments: StoreAdapter.allCases)
    func renewal(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let key = key(try await world.workspace())
        let lease = try await lease(world, key)
        world.samples.clock.advance(by: .seconds(20))
        let renewed = try #require(try await world.idempotency.renew(lease, for: Self.length))
        #expect(renewed.epoch == lease.epoch && renewed.expires == lease.expires + .seconds(20))
        world.samples.clock.advance(by: .seconds(20))
        #expect(try await claim(world, key, one) == .running)
        #expect(try await world.idempotency.complete(renewed, with: answer))
    }

    @Test("what was given up may be another request, and its epoch goes on growing", arguments: StoreAdapter.allCases)
    func release(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let key = key(try await world.workspace())
        let first = try await lease(world, key)
        try await world.idempotency.release(first)
        #expect(try await !world.idempotency.complete(first, with: answer))
        #expect(try await world.idempotency.renew(first, for: Self.length) == nil)
        guard case .granted(let second) = try await claim(world, key, two) else {
            throw NotGranted()
        }
        #expect(second.epoch == 2)
        try await world.idempotency.release(first)
        #expect(try await claim(world, key, two) == .running, "the older holder gives up what is not its own")
    }

    @Test("the same key in another workspace, or on another route, is another one", arguments: StoreAdapter.allCases)
    func scopes(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (home, other) = (try await world.workspace(), try await world.workspace("other"))
        let route = IdempotencyKey(workspace: home.id, route: "POST /v1/embeddings", text: "k")
        for key in [key(home), key(other), key(nil), route] { #expect(try await lease(world, key).epoch == 1) }
    }

    @Test("a record counts for a day, and then it is dropped", arguments: StoreAdapter.allCases)
    func lifetime(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        for text in ["a", "b", "c"] {
            let lease = try await lease(world, key(home, text))
            #expect(try await world.idempotency.complete(lease, with: answer))
        }
        world.samples.clock.advance(by: IdempotencyKey.lifetime - .seconds(1))
        #expect(try await world.idempotency.prune(limit: 10) == 0)
        #expect(try await claim(world, key(home, "a"), one) == .answered(answer))
        world.samples.clock.advance(by: .seconds(1))
        guard case .granted(let lease) = try await claim(world, key(home, "a"), two) else {
            throw NotGranted()
        }
        let other = StoredAnswer(status: 201, contentType: "text/plain", body: [])
        #expect(try await world.idempotency.complete(lease, with: other))
        #expect(try await world.idempotency.prune(limit: 1) == 1)
        #expect(try await world.idempotency.prune(limit: 10) == 1)
        #expect(try await world.idempotency.prune(limit: 10) == 0)
        #expect(try await claim(world, key(home, "a"), two) == .answered(other))
        for text in ["b", "c"] {
            let again = try await self.lease(world, key(home, text))
            #expect(try await world.idempotency.complete(again, with: answer), "nothing of the old answer is left")
        }
    }
}
