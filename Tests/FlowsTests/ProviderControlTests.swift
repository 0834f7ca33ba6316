import Flows
import Foundation
import Inference
import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct ProviderControlTests {
    let house: ControlHarness

    init() async throws { house = try await ControlHarness() }

    @Test("a provider's key is kept and never shown, and its deployments are at its address alone")
    func life() async throws {
        let key = "sk-or-" + String(repeating: "7", count: 30)
        let made = try await house.flow.addProvider(NewProvider(name: "openrouter", key: Secret(key)))
        #expect(made.host == "openrouter.ai")
        #expect(made.hasKey)
        let text = String(decoding: try JSONEncoder().encode(try await house.flow.listProviders()), as: UTF8.self)
        #expect(!text.contains(key))
        #expect(try await house.flow.listSecrets().map(\.name) == ["provider/\(made.id)"])
        let deployment = try await house.flow.registerDeployment(
            NewDeployment(model: "far", provider: "openrouter", upstreamModel: "meta/far"))
        #expect(deployment.provider == "openrouter")
        #expect(deployment.endpoint.hasPrefix("https://openrouter.ai"))
        #expect(try await house.flow.listDeployments() == [deployment])
        let stolen = NewDeployment(model: "far", endpoint: "https://evil.example/v1", provider: "openrouter")
        #expect(await problem { try await house.flow.registerDeployment(stolen) }?.parameter == "endpoint")
        let unknown = NewDeployment(model: "far", provider: "nobody")
        #expect(await problem { try await house.flow.registerDeployment(unknown) }?.parameter == "provider")
    }

    @Test(
        "a provider that cannot be trusted with a key is refused",
        arguments: [
            (NewProvider(name: "mine"), "endpoint"), (NewProvider(name: "My", endpoint: "https://x"), "name"),
            (NewProvider(name: "mine", endpoint: "http://192.0.2.1/v1"), "endpoint"),
            (NewProvider(name: "replicate"), "name"),
            (NewProvider(name: "openai", key: Secret("two words")), "key"),
            (NewProvider(name: "openai", key: Secret("line\nbreak")), "key"),
        ])
    func bad(request: NewProvider, parameter: String) async {
        let problem = await problem { try await house.flow.addProvider(request) }
        #expect(problem?.code == .validationError)
        #expect(problem?.parameter == parameter)
    }

    @Test("an act that fails leaves both its begin and its failure in the log")
    func failure() async throws {
        _ = try await house.flow.addProvider(NewProvider(name: "openai"))
        #expect(await problem { try await house.flow.addProvider(NewProvider(name: "openai")) }?.code == .alreadyExists)
        #expect(
            try await house.acts(of: nil).suffix(3) == ["provider.add", "provider.add", "provider.add ALREADY_EXISTS"])
    }
}
