import Foundation
import Inference
import Kernel
import Tenancy
import TestKit
import Testing

@testable import App

@Suite("the age of secrets")
struct SecretsAgesTests {
    @Test("is told by the provider's name, and never with the value")
    func named() async throws {
        let installation = try Installation()
        let provider = Provider(
            id: ID(ULID(high: 3, low: 3)), name: "openrouter", wire: .openAI,
            endpoint: try #require(Endpoint("https://openrouter.ai/api/v1")), created: installation.clock.now)
        let ages = try await installation.using { storage in
            try await storage.providers.insert(provider)
            try await storage.secrets.put(Secret("sk-1"), named: provider.secretName, at: installation.clock.now)
            try await storage.secrets.put(Secret("sk-2"), named: "other", at: installation.clock.now)
            installation.clock.advance(by: .seconds(60))
            let ages = SecretAges(
                providers: storage.providers, secrets: storage.secrets, clock: installation.clock)
            // No metrics system is set up here: that nothing fails is all that can be seen.
            try await ages.record()
            try await storage.secrets.remove(named: "other")
            try await ages.record()
            return try await ages.all()
        }
        #expect(ages == [Sealing.Secret(name: "openrouter", age: .seconds(60))])
    }
}

@Suite("the environment's secrets")
struct SecretsEnvironmentTests {
    @Test("are read once and overwritten where they were")
    func taken() {
        let name = "VOLERY_TEST_TAKEN"
        setenv(name, "sk-in-the-environment", 1)
        let values = SecretEnvironment.take(overwriting: [name, "VOLERY_TEST_ABSENT"])
        #expect(values[name] == "sk-in-the-environment")
        #expect(getenv(name).map { String(cString: $0) } == String(repeating: "*", count: 21))
        #expect(values["PATH"] == ProcessInfo.processInfo.environment["PATH"])
        unsetenv(name)
    }
}
