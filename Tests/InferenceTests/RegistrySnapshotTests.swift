import Inference
import Kernel
import TestKit
import Testing

@Suite struct RegistrySnapshotTests {
    private let samples = Samples()

    private func name(_ text: String) throws -> ModelName { try #require(ModelName(text)) }

    private func deployment(
        _ model: String, _ port: Int, version: String? = nil, aliases: [String] = [], isEnabled: Bool = true,
        environment: ModelEnvironment = .production
    ) throws -> Deployment {
        samples.clock.advance(by: .milliseconds(1))
        var change = DeploymentChange()
        change.version = version.map { .set($0) }
        change.isEnabled = isEnabled
        return samples.deployment(
            try name(model), at: Endpoint(scheme: .http, host: "127.0.0.1", port: port), environment: environment,
            aliases: try aliases.map(name)
        ).changed(by: change)
    }

    @Test("a version leads to the deployments that serve it, by the model's name and by its aliases")
    func versions() throws {
        let one = try deployment("qwen", 1, version: "1", aliases: ["fast"])
        let two = try deployment("qwen", 2, version: "2", aliases: ["fast"])
        let second = try deployment("qwen", 3, version: "2")
        let snapshot = RegistrySnapshot(deployments: [two, second, one])
        #expect(snapshot.deployments(of: try name("qwen")) == [one, two, second])
        #expect(snapshot.deployments(of: try name("qwen@2")) == [two, second])
        #expect(snapshot.deployments(of: try name("fast@1")) == [one])
        #expect(snapshot.service(of: try name("qwen@3")) == nil)
        #expect(snapshot.service(of: try name("qwen@2"), in: .staging) == nil)
        #expect(snapshot.service(of: try name("qwen"))?.targets == [one, two, second].map(RoutingTarget.init))
    }

    @Test("a name of its own wins over what reads like a version")
    func ownNameBeforeVersion() throws {
        let versioned = try deployment("qwen", 1, version: "2")
        let own = try deployment("qwen@2", 2)
        let aliased = try deployment("other", 3, aliases: ["qwen@3"])
        let third = try deployment("qwen", 4, version: "3")
        let snapshot = RegistrySnapshot(deployments: [versioned, own, aliased, third])
        #expect(snapshot.deployments(of: try name("qwen@2")) == [own])
        #expect(snapshot.deployments(of: try name("qwen@3")) == [aliased])
    }

    @Test("what is disabled is found, and listed for nobody")
    func disabled() throws {
        let on = try deployment("qwen", 1)
        let off = try deployment("qwen", 2, isEnabled: false)
        let alone = try deployment("llama", 3, isEnabled: false)
        let snapshot = RegistrySnapshot(deployments: [on, off, alone])
        #expect(snapshot.deployments(of: try name("qwen")) == [on, off])
        #expect(snapshot.deployments(of: try name("llama")) == [alone])
        #expect(snapshot.models() == [on])
        #expect(snapshot.disabledModels() == [alone])
    }

    @Test("a hint stands for a model or a version, and never for what has the name itself")
    func hints() throws {
        let one = try deployment("qwen", 1, version: "1")
        let two = try deployment("qwen", 2, version: "2", aliases: ["quick"])
        let llama = try deployment("llama", 3)
        let snapshot = RegistrySnapshot(deployments: [one, two, llama])
        let routing = WorkspaceRouting(hints: [
            try name("llm:medium"): try name("qwen"), try name("llm:new"): try name("qwen@2"),
            try name("llama"): try name("qwen"), try name("quick"): try name("llama"),
            try name("llm:lost"): try name("gone"),
        ])
        func reached(_ asked: String) throws -> [Deployment]? {
            snapshot.service(of: snapshot.meaning(of: try name(asked), by: routing))?.deployments
        }
        #expect(try reached("llm:medium") == [one, two])
        #expect(try reached("llm:new") == [two])
        #expect(try reached("llama") == [llama], "a model's own name wins")
        #expect(try reached("quick") == [llama], "a workspace's word wins over an alias of everybody's")
        #expect(try reached("llm:lost") == nil)
        #expect(snapshot.service(of: try name("llm:medium")) == nil, "nobody else's word")
    }

    @Test("the number grows with each change, and with nothing else")
    func numbers() throws {
        let registry = Registry()
        let one = try deployment("qwen", 1)
        let workspace: WorkspaceID = samples.ids.next()
        var seen = [registry.snapshot.number]
        func note() { seen.append(registry.snapshot.number) }
        registry.replaceRegistered([one])
        note()
        registry.replaceRegistered([one])
        note()
        registry.replaceRegistered([one], routings: [workspace: .usual])
        note()
        registry.replaceRegistered([one])
        note()
        registry.replaceRuntimes([], loading: [:])
        note()
        registry.replaceRuntimes([], loading: [try name("tiny"): "starting"])
        note()
        let first = seen[0]
        #expect(seen == [first, first + 1, first + 1, first + 2, first + 2, first + 2, first + 3])
        #expect(registry.snapshot.routing(of: workspace) == .usual)
        #expect(registry.snapshot.routing(of: samples.ids.next()) == nil)
    }

    @Test("a limit of requests at once reads as it is written", arguments: ["8", "adaptive:8", "1", "adaptive:100000"])
    func concurrency(text: String) {
        #expect(DeploymentTerms.Concurrency(text)?.description == text)
    }

    @Test(
        "what is no limit of requests at once is refused",
        arguments: ["", "0", "-1", "+8", "8.0", "adaptive:", "adaptive:0", "ADAPTIVE:8", "100001", "٨"])
    func noConcurrency(text: String) {
        #expect(DeploymentTerms.Concurrency(text) == nil)
    }
}
