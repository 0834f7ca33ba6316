import Flows
import Inference
import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct RegistryRefreshTests {
    private let samples = Samples()
    private let store = MemoryRegistryStore()
    private let routings = MemoryRoutingStore()
    private let registry = Registry()
    private let refresh: RegistryRefresh

    init() {
        refresh = RegistryRefresh(registry: registry, store: store, routings: routings, clock: samples.clock)
    }

    private func deployment() throws -> Deployment {
        samples.deployment(try ModelName(checking: "qwen"), at: try Endpoint(checking: "http://127.0.0.1:9"))
    }

    @Test("deployments and routing of one look are one snapshot")
    func together() async throws {
        let (deployment, workspace) = (try deployment(), samples.workspace().id)
        try await store.insert(deployment)
        try await routings.put(StoredRouting(workspace: workspace, routing: .usual, changed: samples.clock.now))
        let before = registry.snapshot.number
        try await refresh.refresh()
        #expect(registry.snapshot.number == before + 1)
        #expect(registry.snapshot.deployments == [deployment] && registry.snapshot.routing(of: workspace) == .usual)
        #expect(
            refresh.freshness
                == RegistryFreshness(snapshot: before + 1, isCurrent: true, read: samples.clock.now))
    }

    @Test("the routing of all workspaces is read when it has changed, and not again and again")
    func reading() async throws {
        let workspace = samples.workspace().id
        for _ in 0..<3 { try await refresh.refresh() }
        #expect(routings.readings == 1)
        try await routings.put(StoredRouting(workspace: workspace, routing: .usual, changed: samples.clock.now))
        for _ in 0..<3 { try await refresh.refresh() }
        #expect(routings.readings == 2 && registry.snapshot.routing(of: workspace) == .usual)
        try await store.insert(try deployment())
        try await refresh.refresh()
        #expect(routings.readings == 2 && registry.snapshot.routing(of: workspace) == .usual)
        _ = try await routings.remove(workspace)
        try await refresh.refresh()
        #expect(routings.readings == 3 && registry.snapshot.routing(of: workspace) == nil)
    }

    @Test("while the database is away the last snapshot stays, and is told to be old")
    func away() async throws {
        try await store.insert(try deployment())
        try await refresh.refresh()
        let (snapshot, read) = (registry.snapshot, samples.clock.now)
        samples.clock.advance(by: .seconds(2))
        store.fail(with: Problem(.storageUnavailable))
        #expect(await problem { try await refresh.refresh() }?.code == .storageUnavailable)
        #expect(registry.snapshot.number == snapshot.number && registry.snapshot.deployments == snapshot.deployments)
        #expect(
            refresh.freshness == RegistryFreshness(snapshot: snapshot.number, isCurrent: false, read: read))
        store.fail(with: nil)
        try await refresh.refresh()
        #expect(refresh.freshness.isCurrent && refresh.freshness.read == samples.clock.now)
        #expect(registry.snapshot.number == snapshot.number)
    }

    @Test("a database that does not answer at all makes the snapshot old too")
    func silent() async throws {
        #expect(!refresh.freshness.isCurrent && refresh.freshness.read == nil)
        try await refresh.refresh()
        samples.clock.advance(by: .seconds(10))
        #expect(refresh.freshness.isCurrent)
        samples.clock.advance(by: .milliseconds(1))
        #expect(!refresh.freshness.isCurrent)
    }

    @Test("an old snapshot is told by the readiness, and keeps nothing from being served")
    func readiness() async throws {
        try await store.insert(try deployment())
        try await refresh.refresh()
        func readiness() -> Readiness {
            Readiness(
                registry: registry.snapshot, freshness: refresh.freshness, services: [], isDraining: false,
                blocked: [], version: "1")
        }
        #expect(readiness().registry?.state == .current && readiness().registry?.detail == nil)
        store.fail(with: Problem(.storageUnavailable))
        _ = await problem { try await refresh.refresh() }
        let stale = readiness().forEverybody
        #expect(stale.isReady && stale.registry?.state == .stale)
        #expect(stale.registry?.snapshot == registry.snapshot.number)
        #expect(stale.registry?.detail?.contains("\(samples.clock.now)") == true)
    }
}
