import Inference
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

/// What belongs to the platform: providers, sealed values, and what is remembered of the master key.
@Suite struct PlatformStoreContract {
    @Test("a provider is kept while deployments use it", arguments: StoreAdapter.databases)
    func providers(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let providers = DatabaseProviderStore(try #require(world.database))
        let endpoint = try Endpoint(checking: "https://openrouter.ai/api/v1")
        let now = world.samples.clock.now
        func provider(_ name: String) -> Provider {
            Provider(id: world.samples.ids.next(), name: name, wire: .openAI, endpoint: endpoint, created: now)
        }
        let (router, groq) = (provider("openrouter"), provider("groq"))
        for provider in [router, groq, router] { try await providers.insert(provider) }
        let twin = provider("groq")
        #expect(await code { try await providers.insert(twin) } == .alreadyExists)
        #expect(try await providers.all() == [groq, router])
        let deployment = Deployment(
            id: world.samples.ids.next(), model: try #require(ModelName("big")), wire: .openAI, endpoint: endpoint,
            upstreamModel: "b", capabilities: [.chat], provider: router.id, origin: .registered, registered: now)
        try await world.registry.insert(deployment)
        #expect(try await world.registry.all() == [deployment])
        #expect(await code { _ = try await providers.remove(router.id) } == .conflict)
        _ = try await world.registry.remove(deployment.id)
        #expect(try await providers.remove(router.id) == router)
        #expect(try await providers.all() == [groq])
    }

    @Test("a sealed value is replaced, found and removed by name", arguments: StoreAdapter.databases)
    func sealedRows(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let rows = DatabaseSealedRows(try #require(world.database))
        let now = world.samples.clock.now
        let row = SealedRow(name: "provider/b", sealed: [0, 1, 255], stored: now)
        try await rows.put(SealedRow(name: "provider/b", sealed: [7], stored: now - .seconds(9)))
        try await rows.put(row)
        #expect(try await rows.row(named: "provider/b") == row)
        #expect(try await rows.row(named: "provider/c") == nil)
        let first = SealedRow(name: "a", sealed: [], stored: now)
        #expect(try await rows.add(first) == first)
        #expect(try await rows.add(SealedRow(name: "a", sealed: [2], stored: now)) == first)
        #expect(try await !rows.replace("a", [9], with: [3]))
        #expect(try await rows.replace("a", [], with: [3]))
        #expect(try await rows.all() == [SealedRow(name: "a", sealed: [3], stored: now), row])
        try await rows.remove(named: "a")
        #expect(try await rows.all() == [row])
    }

    @Test("the first master key is remembered, by many nodes that start together", arguments: StoreAdapter.databases)
    func masterKey(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let record = DatabaseMasterKeyRecord(try #require(world.database))
        #expect(try await record.check() == nil)
        let seen = try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for node in 0..<8 as Range<UInt8> { group.addTask { try await record.remember([node]) } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        let first = try #require(seen.first)
        #expect(seen.count == 1)
        #expect(try await record.check() == first)
        #expect(try await !record.replace([99], with: [1, 2]))
        #expect(try await record.replace(first, with: [1, 2]))
        #expect(try await record.check() == [1, 2])
    }

    @Test("a shared secret is sealed anew where it stands, if it is still the same", arguments: StoreAdapter.databases)
    func codes(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let codes = DatabaseSealedCodes(try #require(world.database))
        let (ada, bob) = (try await world.person("ada"), try await world.person("bob"))
        for (user, sealed) in [(ada, [UInt8]?([1, 2])), (bob, nil)] {
            try await world.users.setSecrets(
                SignInSecrets(passwordHash: "x", sealedTOTP: sealed, lastTOTPStep: 5), of: user.id,
                at: world.samples.clock.now, audit: world.entry())
        }
        let all = try await codes.all()
        #expect(all.map(\.user) == [ada.id] && all.map(\.sealed) == [[1, 2]])
        #expect(try await !codes.replace([9], with: [3], of: ada.id))
        #expect(try await codes.replace([1, 2], with: [3], of: ada.id))
        let secrets = try await world.users.secrets(of: ada.id)
        #expect(secrets == SignInSecrets(passwordHash: "x", sealedTOTP: [3], lastTOTPStep: 5))
    }
}
