import Flows
import Inference
import Kernel
import TestKit
import Testing

@Suite("Decisions that wait to be written")
struct PendingRoutesTests {
    private let samples = Samples()
    private let store = MemoryUsageStore()

    private func route(bytes: Int = 3, at accepted: Instant? = nil) -> StoredRoute {
        StoredRoute(
            request: samples.ids.next(), workspace: samples.ids.next(), key: nil,
            accepted: accepted ?? samples.clock.now, record: [UInt8](repeating: 7, count: bytes))
    }

    private func isStored(_ route: StoredRoute) async throws -> Bool {
        try await store.route(of: route.request) == route
    }

    @Test("all of them are written, in batches, and none twice")
    func write() async throws {
        let pending = PendingRoutes(store: store)
        let routes = (1..<PendingRoutes.most).map { _ in route() }
        for route in routes { pending.note(route) }
        try await pending.write()
        for route in routes { #expect(try await isStored(route)) }
        // Nothing waits any more: a store that is away is not asked.
        store.fail(with: Problem(.storageUnavailable))
        try await pending.write()
    }

    @Test("what cannot be written waits for the next time, before what came meanwhile")
    func failure() async throws {
        let pending = PendingRoutes(store: store)
        let (early, late) = (route(), route())
        pending.note(early)
        store.fail(with: Problem(.storageUnavailable))
        await #expect(throws: Problem.self) { try await pending.write() }
        pending.note(late)
        store.fail(with: nil)
        try await pending.write()
        #expect(try await isStored(early))
        #expect(try await isStored(late))
    }

    @Test("what finds no room is dropped: the newest, by number and by bytes")
    func bounds() async throws {
        let pending = PendingRoutes(store: store)
        let routes = (0...PendingRoutes.most).map { _ in route() }
        for route in routes { pending.note(route) }
        try await pending.write()
        #expect(try await isStored(routes[PendingRoutes.most - 1]))
        #expect(try await !isStored(routes[PendingRoutes.most]))
        let large = (0..<3).map { _ in route(bytes: PendingRoutes.mostBytes / 2) }
        for route in large { pending.note(route) }
        try await pending.write()
        #expect(try await isStored(large[1]))
        #expect(try await !isStored(large[2]))
    }

    @Test("what is put back takes no more room than there is")
    func putBack() async throws {
        let pending = PendingRoutes(store: store)
        let routes = (0..<PendingRoutes.most).map { _ in route() }
        for route in routes { pending.note(route) }
        store.fail(with: Problem(.storageUnavailable))
        await #expect(throws: Problem.self) { try await pending.write() }
        let newest = route()
        pending.note(newest)
        store.fail(with: nil)
        try await pending.write()
        #expect(try await isStored(routes[PendingRoutes.most - 1]))
        #expect(try await !isStored(newest))
    }

    @Test("decisions are removed batch by batch when their time is over, and not before")
    func pruning() async throws {
        let kept = Duration.seconds(100)
        let pruning = RoutePruning(store: store, retention: kept, clock: samples.clock)
        let old = (0..<RoutePruning.batch + 5).map { _ in route(at: samples.clock.now - .seconds(1)) }
        let young = route()
        try await store.insert(old + [young])
        samples.clock.advance(by: kept)
        #expect(try await pruning.prune() == RoutePruning.batch + 5)
        #expect(try await isStored(young))
        samples.clock.advance(by: .milliseconds(1))
        #expect(try await pruning.prune() == 1)
    }
}
