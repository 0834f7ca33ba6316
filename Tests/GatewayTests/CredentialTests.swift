import Flows
import Gateway
import Inference
import Kernel
import Synchronization
import Tenancy
import Testing

/// A provider's key goes to the provider, and to nobody else.
@Suite struct CredentialTests {
    private struct Providers: ProviderStore {
        let list: [Provider]

        func insert(_ provider: Provider, audit: AuditEntry) async throws {}
        func insert(_ provider: Provider) async throws {}
        func all() async throws -> [Provider] { list }
        func remove(_ id: ProviderID, audit: AuditEntry) async throws -> Provider? { nil }
        func remove(_ id: ProviderID) async throws -> Provider? { nil }
    }

    private final class Secrets: SecretStore {
        private let values: Mutex<[String: Secret]>

        init(_ values: [String: String]) { self.values = Mutex(values.mapValues { Secret($0) }) }

        func put(_ secret: Secret, named name: String, at now: Instant) async throws {
            values.withLock { $0[name] = secret }
        }
        func secret(named name: String) async throws -> Secret? {
            let secret = values.withLock { $0[name] }
            if secret?.reveal() == "unreadable" { throw Problem(.configurationInvalid) }
            return secret
        }
        func list() async throws -> [SecretFacts] { [] }
        func remove(named name: String) async throws {}
        func reseal() async throws -> Int { 0 }
    }

    private static func provider(_ number: UInt64, _ endpoint: Endpoint) -> Provider {
        Provider(
            id: ProviderID(ULID(high: 8, low: number)), name: "provider\(number)", wire: .openAI, endpoint: endpoint,
            created: Instant(microseconds: 0))
    }

    private static func credentials(_ pairs: [(Provider, String)]) async throws -> (ProviderCredentials, [String]) {
        let secrets = Secrets(Dictionary(uniqueKeysWithValues: pairs.map { ($0.0.secretName, $0.1) }))
        let credentials = ProviderCredentials(providers: Providers(list: pairs.map(\.0)), secrets: secrets)
        return (credentials, try await credentials.refresh())
    }

    private func deployment(_ provider: Provider?, at endpoint: Endpoint) -> Deployment {
        Deployment(
            id: DeploymentID(ULID(high: 2, low: 2)), model: ModelName(known: "m"), wire: .openAI, endpoint: endpoint,
            upstreamModel: "m", capabilities: [.chat], provider: provider?.id, origin: .registered,
            registered: Instant(microseconds: 0))
    }

    @Test("the key goes to the provider's scheme, host and port, whatever the path, and nowhere else")
    func place() async throws {
        let home = Endpoint(scheme: .https, host: "api.example.com", port: 443, basePath: "/api")
        let provider = Self.provider(1, home)
        let (credentials, refused) = try await Self.credentials([(provider, "sk-secret")])
        #expect(refused.isEmpty)
        func sent(_ scheme: Endpoint.Scheme, _ host: String, _ port: Int, of owner: Provider?) -> String? {
            credentials.credential(
                for: deployment(owner, at: Endpoint(scheme: scheme, host: host, port: port, basePath: "/other"))
            )
            .map { "\($0.field): \($0.value.reveal())" }
        }
        #expect(sent(.https, "api.example.com", 443, of: provider) == "authorization: Bearer sk-secret")
        #expect(sent(.http, "api.example.com", 443, of: provider) == nil)
        #expect(sent(.https, "api.example.com", 8443, of: provider) == nil)
        #expect(sent(.https, "api.example.com.evil.com", 443, of: provider) == nil)
        #expect(sent(.https, "api.example.com", 443, of: nil) == nil)
        #expect(sent(.https, "api.example.com", 443, of: Self.provider(2, home)) == nil)
    }

    @Test("a key is never sent in the clear over a network, and never breaks out of its header")
    func clear() async throws {
        func refused(_ text: String, _ secret: String = "sk-secret") async throws -> Bool {
            let provider = Self.provider(1, try #require(Endpoint(text)))
            return try await Self.credentials([(provider, secret)]).1 == ["provider1"]
        }
        #expect(try await refused("http://api.example.com"))
        #expect(try await refused("http://192.0.2.1:8080"))
        #expect(try await !refused("http://127.0.0.1:8080"))
        #expect(try await !refused("http://localhost:8080"))
        #expect(try await !refused("http://[::1]:8080"))
        #expect(try await refused("https://api.example.com", "sk\r\nx-evil: 1"))
        #expect(try await refused("https://api.example.com", ""))
    }

    @Test("a key that cannot be unsealed does not keep the others from being used")
    func unreadable() async throws {
        let home = Endpoint(scheme: .https, host: "api.example.com", port: 443)
        let (credentials, refused) = try await Self.credentials([
            (Self.provider(1, home), "unreadable"), (Self.provider(2, home), "sk-good"),
        ])
        #expect(refused == ["provider1"])
        #expect(credentials.credential(for: deployment(Self.provider(1, home), at: home))?.field == nil)
        #expect(credentials.credential(for: deployment(Self.provider(2, home), at: home))?.field != nil)
    }

    @Test("a call carries its provider's key, never the caller's; another upstream gets neither")
    func onTheWire() async throws {
        let upstream = try await ScriptedUpstream.start([ScriptedUpstream.json(#"{"choices":[]}"#)])
        let endpoint = Endpoint(scheme: .http, host: "127.0.0.1", port: upstream.port)
        let provider = Self.provider(1, endpoint)
        let (credentials, _) = try await Self.credentials([(provider, "sk-secret")])
        let deployments = [
            GatewayFixture.deployment(port: upstream.port, model: "far", alias: "f", provider: provider.id),
            GatewayFixture.deployment(port: upstream.port, model: "near", alias: "n"),
        ]
        try await GatewayFixture.run(credentials: credentials, deployments: deployments) { gateway in
            for model in ["far", "near"] {
                let answer = try await gateway.chat(model: model)
                #expect(answer.status == 200)
            }
        }
        try await upstream.stop()
        let requests = upstream.seen.requests
        #expect(requests.count == 2)
        #expect(requests.first?.contains("authorization: Bearer sk-secret\r\n") == true)
        #expect(requests.last?.lowercased().contains("authorization") == false)
        #expect(requests.allSatisfy { !$0.contains(OneKeyStore.token) })
    }

    @Test(
        "what an upstream thinks of our credential never looks like a verdict on the caller's",
        arguments: ["401 Unauthorized", "403 Forbidden", "302 Found", "307 Temporary Redirect"])
    func refusedUpstream(status: String) async throws {
        let elsewhere = try await ScriptedUpstream.start([ScriptedUpstream.json("{}")])
        let upstream = try await ScriptedUpstream.start([
            ScriptedUpstream.json(
                #"{"error":{"message":"Incorrect API key sk-secret"}}"#, status: status,
                headers: "location: http://127.0.0.1:\(elsewhere.port)/\r\nwww-authenticate: Bearer\r\n")
        ])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.chat()
            #expect(answer.status == 502)
            #expect(answer.body.contains("UPSTREAM_ERROR") && !answer.body.contains("sk-secret"))
            #expect(answer.headers["www-authenticate"] == nil && answer.headers["location"] == nil)
        }
        // A redirect is not followed.
        #expect(elsewhere.seen.requests.isEmpty)
        try await upstream.stop()
        try await elsewhere.stop()
    }
}
