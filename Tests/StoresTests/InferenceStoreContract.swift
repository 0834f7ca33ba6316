import Inference
import Kernel
import TestKit
import Testing

@Suite struct InferenceStoreContract {
    private func name(_ text: String) throws -> ModelName { try #require(ModelName(text)) }

    @Test("a deployment comes back as it went in, and is removed once", arguments: StoreAdapter.allCases)
    func registry(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let endpoint = try Endpoint(checking: "https://[::1]:9000/openai/v1")
        let aliases = [try name("default"), try name("fast")]
        let tiny = world.samples.deployment(try name("tiny"), at: endpoint, aliases: aliases)
        let big = world.samples.deployment(try name("big"), at: endpoint, environment: .staging)
        try await world.registry.insert(tiny)
        try await world.registry.insert(big)
        #expect(try await world.registry.all() == [big, tiny])
        #expect(try await world.registry.remove(tiny.id) == tiny)
        #expect(try await world.registry.remove(tiny.id) == nil)
        #expect(try await world.registry.all() == [big])
    }

    @Test("one endpoint serves a model service once", arguments: StoreAdapter.allCases)
    func duplicate(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let endpoint = try Endpoint(checking: "http://127.0.0.1:1")
        let other = try Endpoint(checking: "http://127.0.0.1:2")
        try await world.registry.insert(world.samples.deployment(try name("tiny"), at: endpoint))
        let again = world.samples.deployment(try name("tiny"), at: endpoint)
        #expect(await code { try await world.registry.insert(again) } == .alreadyExists)
        try await world.registry.insert(world.samples.deployment(try name("tiny"), at: other))
        try await world.registry.insert(world.samples.deployment(try name("tiny"), at: endpoint, environment: .staging))
        #expect(try await world.registry.all().count == 3)
    }

    @Test("a request has one row, however often its record is handed over", arguments: StoreAdapter.allCases)
    func idempotent(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let workspace: WorkspaceID = world.samples.ids.next()
        let key: KeyID = world.samples.ids.next()
        let records = (0..<50).map { _ in
            world.samples.clock.advance(by: .milliseconds(1))
            return world.samples.record(in: workspace, key: key)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { try await world.usage.insert(records) } }
            try await group.waitForAll()
        }
        try await world.usage.insert([])
        #expect(try await world.usage.list(in: workspace, page: PageRequest()).data == records.reversed())
        let page = try await world.usage.list(
            in: workspace, page: PageRequest(limit: 10, after: records[20].request.description))
        #expect(page.data == records[10..<20].reversed() && page.hasMore)
        #expect(try await world.usage.list(in: world.samples.ids.next(), page: PageRequest()).data.isEmpty)
    }

    @Test("a batch of any size becomes its rows, repeats and absent values within", arguments: StoreAdapter.allCases)
    func batches(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        for count in [1, 2, 9, 10, 11, 49, 50, 51, 60, 61, 127] {
            let workspace: WorkspaceID = world.samples.ids.next()
            let key: KeyID = world.samples.ids.next()
            let records = (0..<count).map { index in
                world.samples.clock.advance(by: .milliseconds(1))
                return world.samples.record(in: workspace, key: key, status: index % 3 == 0 ? .interrupted : .succeeded)
            }
            let repeated = (records + records.prefix(7)).reversed()
            try await world.usage.insert(Array(repeated))
            let rows = try await world.usage.list(in: workspace, page: PageRequest(limit: 200)).data
            #expect(rows == records.reversed(), "\(count) records")
        }
    }

    @Test("absent values stay absent", arguments: StoreAdapter.allCases)
    func absent(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let sample = world.samples.record(in: world.samples.ids.next(), key: world.samples.ids.next())
        let bare = UsageRecord(
            request: sample.request, clientRequest: nil, workspace: sample.workspace, key: sample.key,
            operation: .embeddings, model: "m", deployment: sample.deployment, isStream: false, status: .clientClosed,
            httpStatus: 0, errorCode: nil, usage: Usage(inputTokens: 0, outputTokens: 0, source: .estimated),
            started: sample.started, latency: .zero, firstToken: nil)
        try await world.usage.insert([bare])
        #expect(try await world.usage.list(in: bare.workspace, page: PageRequest()).data == [bare])
    }

    @Test("usage is summed by day, model and key, newest day first", arguments: StoreAdapter.allCases)
    func summary(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let samples = world.samples
        let workspace: WorkspaceID = samples.ids.next()
        let key: KeyID = samples.ids.next()
        let now = samples.clock.now
        let day = Duration.seconds(86_400)
        try await world.usage.insert([
            samples.record(in: workspace, key: key, tokens: 1),
            samples.record(in: workspace, key: key, status: .failed, tokens: 2),
            samples.record(in: workspace, key: key, model: "big", tokens: 4),
            samples.record(in: workspace, key: key, started: now - day, tokens: 8),
            samples.record(in: workspace, key: key, started: now - day * 2, tokens: 16),
            samples.record(in: samples.ids.next(), key: key, tokens: 32),
        ])
        let rows = try await world.usage.summary(in: workspace, days: 2, until: now)
        #expect(rows.map(\.day) == ["2026-11-21", "2026-11-21", "2026-11-20"])
        #expect(rows.map(\.model) == ["big", "tiny", "tiny"])
        #expect(rows.map(\.requests) == [1, 2, 1])
        #expect(rows.map(\.unsuccessful) == [0, 1, 0])
        #expect(rows.map(\.inputTokens) == [4, 3, 8])
        #expect(rows.map(\.outputTokens) == [8, 6, 16])
        #expect(try await world.usage.summary(in: workspace, days: 0, until: now).count == 2)
    }
}
