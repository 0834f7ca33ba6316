package import AsyncHTTPClient
import Flows
import FoundationEssentials
import NIOCore
import NIOHTTP1

/// Something on this machine that Volery could serve through, with the command that adopts it.
package struct Adoptable: Sendable, Equatable {
    package enum Adoption: Sendable, Equatable {
        /// Without the program's name.
        case command(String)
        /// Why there is none.
        case none(String)
    }

    package let text: String
    package let adoption: Adoption

    init(text: String, adoption: Adoption) {
        self.text = text
        self.adoption = adoption
    }

    static let ollamaURL = "http://127.0.0.1:11434"

    /// A running Ollama with these models; nil when it has none.
    static func ollama(models: [String]) -> Adoptable? {
        guard let first = models.first else { return nil }
        let count = models.count == 1 ? "1 model" : "\(models.count) models"
        return Adoptable(
            text: "Ollama with \(count) at \(ollamaURL)",
            adoption: .command(
                "registry register --model \(Banner.quoted(first)) --endpoint \(ollamaURL)/v1 --protocol openai"))
    }

    /// Keys of providers in the environment: their names, never their values, and the command that takes one over.
    package static func providerKeys(in environment: [String: String]) -> [Adoptable] {
        KnownProviders.all.compactMap { provider in
            guard let value = environment[provider.variable], !value.isEmpty else { return nil }
            return Adoptable(
                text: "\(provider.variable) in the environment (\(provider.title))",
                adoption: provider.endpoint == nil
                    ? .none("left alone: this version does not speak \(provider.title)'s API")
                    : .command("providers add \(provider.name) --key-env \(provider.variable)"))
        }
    }

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
