package import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1

/// Something on this machine that Volery could serve through, with the command that adopts it.
package struct Adoptable: Sendable, Equatable {
    package let text: String
    package let command: String

    init(text: String, command: String) {
        self.text = text
        self.command = command
    }

    static let ollamaURL = "http://127.0.0.1:11434"

    /// A running Ollama with these models; nil when it has none.
    static func ollama(models: [String]) -> Adoptable? {
        guard let first = models.first else { return nil }
        let count = models.count == 1 ? "1 model" : "\(models.count) models"
        return Adoptable(
            text: "Ollama with \(count) at \(ollamaURL)",
            command:
                "volery registry register --model \(Banner.quoted(first)) --endpoint \(ollamaURL)/v1 --protocol openai")
    }

    /// Keys of providers in the environment: their names, never their values. Nothing is done with them: this version
    /// registers only endpoints that need no key.
    package static func providerKeys(in environment: [String: String]) -> [Adoptable] {
        providers.compactMap { variable, provider in
            guard let value = environment[variable], !value.isEmpty else { return nil }
            return Adoptable(
                text: "\(variable) in the environment (\(provider))",
                command: "left alone: providers that need a key come with a later release")
        }
    }

    private static let providers: [(variable: String, provider: String)] = [
        ("OPENROUTER_API_KEY", "OpenRouter"), ("OPENAI_API_KEY", "OpenAI"), ("ANTHROPIC_API_KEY", "Anthropic"),
        ("HF_TOKEN", "Hugging Face"), ("FAL_KEY", "fal"), ("REPLICATE_API_TOKEN", "Replicate"),
        ("STABILITY_API_KEY", "Stability AI"),
    ]

    /// Asks whether Ollama runs here. Never takes longer than half a second.
    package static func findOllama(client: HTTPClient) async -> Adoptable? {
        struct Tags: Decodable {
            struct Model: Decodable { let name: String }
            let models: [Model]
        }
        let request = HTTPClientRequest(url: ollamaURL + "/api/tags")
        guard let response = try? await client.execute(request, timeout: .milliseconds(500)),
            response.status.code == 200, let body = try? await response.body.collect(upTo: 1 << 20),
            let tags = try? JSONDecoder().decode(Tags.self, from: Data(body.readableBytesView))
        else { return nil }
        return ollama(models: tags.models.map(\.name).sorted())
    }
}

extension HTTPClient.Configuration {
    /// For what is on this machine: nobody there is an answer, which another try would only delay.
    package static var sameMachine: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }
}
