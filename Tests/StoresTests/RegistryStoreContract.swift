import Inference
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct RegistryStoreContract {
    private func name(_ text: String) throws -> ModelName { try #require(ModelName(text)) }

    private func deployment(_ world: StoreWorld, _ port: Int = 1, upstream: String? = nil) throws -> Deployment {
        let sample = world.samples.deployment(
            try name("qwen"), at: Endpoint(scheme: .http, host: "127.0.0.1", port: port))
        guard let upstream else { return sample }
        return Deployment(
            id: sample.id, model: sample.model, wire: .anthropic, endpoint: sample.endpoint, upstreamModel: upstream,
            capabilities: sample.capabilities, origin: .registered, registered: sample.registered)
    }

    private var everyTerm: DeploymentChange {
        var change = DeploymentChange()
        change.version = .set("2025-11")
        change.weight = 7
        change.priority = 3
        change.region = .set("eu-west")
        change.dataPolicies = ["no-training", "eu-only"]
        change.promisedFirstToken = .set(.milliseconds(250))
        change.concurrency = .set(.adaptive(most: 16))
        change.isEnabled = false
        return change
    }

    @Test("every term comes back as it went in, set at once or later", arguments: StoreAdapter.allCases)
    func terms(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let plain = try deployment(world)
        let full = try deployment(world, 2).changed(by: everyTerm)
        for deployment in [plain, full] { try await world.registry.insert(deployment) }
        #expect(Set(try await world.registry.all()) == [plain, full])
        let changed = try #require(try await world.registry.update(plain.id, everyTerm, revision: nil))
        #expect(changed.terms == full.terms && changed.revision == 2)
        var clearing = DeploymentChange()
        clearing.version = .clear
        clearing.region = .clear
        clearing.dataPolicies = []
        clearing.promisedFirstToken = .clear
        clearing.concurrency = .set(.fixed(4))
        clearing.contextLimit = .clear
        clearing.aliases = [try name("fast")]
        let cleared = try #require(try await world.registry.update(plain.id, clearing, revision: nil))
        #expect(cleared.terms.version == nil && cleared.terms.region == nil && cleared.contextLimit == nil)
        #expect(cleared.terms.promisedFirstToken == nil && cleared.terms.concurrency == .fixed(4))
        #expect(cleared.terms.weight == 7 && !cleared.terms.isEnabled, "what is not named stays")
        #expect(Set(try await world.registry.all()) == [cleared, full])
    }

    @Test("a change meant for an older deployment changes nothing", arguments: StoreAdapter.allCases)
    func revisions(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let deployment = try deployment(world)
        try await world.registry.insert(deployment)
        var change = DeploymentChange()
        change.weight = 10
        #expect(try await world.registry.update(deployment.id, change, revision: 1)?.revision == 2)
        change.weight = 20
        let late = change
        #expect(await code { _ = try await world.registry.update(deployment.id, late, revision: 1) } == .conflict)
        #expect(try await world.registry.all().map(\.terms.weight) == [10])
        #expect(try await world.registry.update(world.samples.ids.next(), late, revision: nil) == nil)
    }

    @Test(
        "two who change different things at the same time both have what they wanted",
        arguments: StoreAdapter.allCases)
    func together(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let other = try await world.otherNode()
        let deployment = try deployment(world)
        try await world.registry.insert(deployment)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...8 {
                group.addTask {
                    var change = DeploymentChange()
                    if number % 2 == 0 { change.weight = number } else { change.priority = number }
                    let store = number < 5 ? world.registry : other.registry
                    _ = try await store.update(deployment.id, change, revision: nil)
                }
            }
            try await group.waitForAll()
        }
        let last = try #require(try await world.registry.all().first)
        #expect(last.terms.weight.isMultiple(of: 2) && last.terms.weight < 100 && last.terms.priority % 2 == 1)
        #expect(last.revision == 9)
    }

    @Test("disabling and enabling are repeated without an effect", arguments: StoreAdapter.allCases)
    func enabling(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let deployment = try deployment(world)
        try await world.registry.insert(deployment)
        for (isEnabled, revision) in [(true, 1), (false, 2), (false, 2), (true, 3)] as [(Bool, Int64)] {
            let changed = try #require(try await world.registry.setEnabled(deployment.id, isEnabled))
            #expect(changed.terms.isEnabled == isEnabled && changed.revision == revision)
        }
    }

    @Test("one endpoint serves a model as several of its own, each of them once", arguments: StoreAdapter.allCases)
    func twins(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (first, second) = (try deployment(world, upstream: "a"), try deployment(world, upstream: "b"))
        for deployment in [first, second] { try await world.registry.insert(deployment) }
        let again = try deployment(world, upstream: "a")
        #expect(await code { try await world.registry.insert(again) } == .alreadyExists)
        var change = DeploymentChange()
        change.upstreamModel = "a"
        let turning = change
        #expect(
            await code { _ = try await world.registry.update(second.id, turning, revision: nil) } == .alreadyExists)
        #expect(Set(try await world.registry.all()) == [first, second])
    }

    @Test(
        "a workspace's routing comes back as it went in, is replaced whole, and is removed once",
        arguments: StoreAdapter.allCases)
    func routing(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (home, other) = (try await world.workspace(), try await world.workspace("second"))
        let now = world.samples.clock.now
        let full = StoredRouting(
            workspace: home.id,
            routing: WorkspaceRouting(
                policy: RoutingPolicy(
                    strategy: .cheapest, regions: ["eu-west", "eu-north"], dataPolicies: ["no-training"],
                    mostCost: 5_000_000, mostLatency: .seconds(3)),
                currency: .eur, sticky: .user, mostAttempts: 2, outputCap: 700, priority: .high,
                hints: [try name("llm:fa-medium"): try name("qwen@2"), try name("a"): try name("b/c:7b")]),
            changed: now)
        let bare = StoredRouting(workspace: other.id, routing: .usual, changed: now)
        #expect(try await world.routings.routing(of: home.id) == nil)
        let before = try await world.routings.version()
        for stored in [full, bare] { try await world.routings.put(stored) }
        #expect(Set(try await world.routings.all()) == [full, bare])
        #expect(try await world.routings.routing(of: home.id) == full)
        let later = StoredRouting(workspace: home.id, routing: .usual, changed: now + .seconds(1))
        try await world.routings.put(later)
        #expect(try await world.routings.remove(home.id) == later)
        #expect(try await world.routings.remove(home.id) == nil)
        #expect(try await world.routings.all() == [bare])
        #expect(try await world.routings.version() >= before + 4)
    }

    @Test("what a workspace set goes with it", arguments: StoreAdapter.databases)
    func purge(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let gone = try await world.workspace("gone")
        let now = world.samples.clock.now
        try await world.routings.put(StoredRouting(workspace: gone.id, routing: .usual, changed: now))
        let change = DirectoryChange(standing: .deleted(since: now, purge: now))
        _ = try await world.workspaces.change(gone.id, in: gone.tenant, change, audit: world.entry())
        let entry = world.entry()
        #expect(try await world.workspaces.purge(at: now + .seconds(1), limit: 10) { _ in entry } == 1)
        #expect(try await world.routings.all().isEmpty)
        #expect(try await world.routings.version() == 2)
    }
}
