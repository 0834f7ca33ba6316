import Inference
import Kernel
import TestKit
import Testing

@Suite struct RegistryTests {
    private let samples = Samples()

    private func name(_ text: String) throws -> ModelName { try #require(ModelName(text)) }

    private func endpoint(_ port: Int) -> Endpoint { Endpoint(scheme: .http, host: "127.0.0.1", port: port) }

    @Test("a model is found by its own name and by an alias")
    func alias() throws {
        let tiny = samples.deployment(try name("tiny"), at: endpoint(1), aliases: [try name("default")])
        let snapshot = RegistrySnapshot(deployments: [tiny])
        #expect(snapshot.deployments(of: try name("tiny")) == [tiny])
        #expect(snapshot.deployments(of: try name("default")) == [tiny])
        #expect(snapshot.deployments(of: try name("other")).isEmpty)
        #expect(snapshot.deployments(of: try name("tiny"), in: .staging).isEmpty)
    }

    @Test("a model's own name wins over another model's alias, in whatever order they come")
    func ownNameWins() throws {
        let own = samples.deployment(try name("default"), at: endpoint(1))
        let other = samples.deployment(try name("tiny"), at: endpoint(2), aliases: [try name("default")])
        for deployments in [[own, other], [other, own]] {
            #expect(RegistrySnapshot(deployments: deployments).deployments(of: try name("default")) == [own])
        }
    }

    @Test("what an alias does not lead to has no such name, so that nothing is allowed or limited by it")
    func shadowedAlias() throws {
        let own = samples.deployment(try name("default"), at: endpoint(1))
        let tiny = samples.deployment(
            try name("tiny"), at: endpoint(2), aliases: [try name("default"), try name("small")])
        let staged = samples.deployment(
            try name("tiny"), at: endpoint(3), environment: .staging, aliases: [try name("default")])
        let snapshot = RegistrySnapshot(deployments: [own, tiny, staged])
        #expect(snapshot.deployments(of: try name("tiny"))[0].names == ModelNames("tiny", aliases: ["small"]))
        #expect(snapshot.deployments(of: try name("default"), in: .staging)[0].names.aliases == ["default"])
    }

    @Test("several deployments of one model are one service, in order of their identifiers")
    func several() throws {
        let first = samples.deployment(try name("tiny"), at: endpoint(1))
        samples.clock.advance(by: .seconds(1))
        let second = samples.deployment(try name("tiny"), at: endpoint(2))
        let staged = samples.deployment(try name("tiny"), at: endpoint(3), environment: .staging)
        let snapshot = RegistrySnapshot(deployments: [second, staged, first])
        #expect(snapshot.deployments(of: try name("tiny")) == [first, second])
        #expect(snapshot.models().map(\.id) == [first.id])
        #expect(snapshot.models(in: .staging).map(\.id) == [staged.id])
    }

    @Test("each source replaces only its own part")
    func sources() throws {
        let builtIn = samples.deployment(try name("demo-echo"), at: endpoint(1))
        let runtime = samples.deployment(try name("tiny"), at: endpoint(2))
        let registered = samples.deployment(try name("remote"), at: endpoint(3))
        let registry = Registry(builtIn: [builtIn])
        let before = registry.snapshot
        registry.replaceRuntimes([runtime], loading: [try name("big"): "starting"])
        registry.replaceRegistered([registered])
        #expect(Set(registry.snapshot.deployments.map(\.model.text)) == ["demo-echo", "tiny", "remote"])
        #expect(registry.snapshot.loading == [try name("big"): "starting"])
        registry.replaceRuntimes([], loading: [:])
        #expect(Set(registry.snapshot.deployments.map(\.model.text)) == ["demo-echo", "remote"])
        #expect(before.deployments == [builtIn], "a snapshot that was taken stays as it was")
    }
}
