import Flows
import Gateway
import Inference
import Kernel
import NIOCore
import Tenancy
import Testing

/// What a key may do is decided after routing and before anything is opened.
@Suite struct AccessTests {
    private static let answer = ScriptedUpstream.json(#"{"model":"upstream-name","choices":[]}"#)

    /// Sends one chat with the key of these facts.
    private func chat(
        _ facts: KeyFacts, model: String = GatewayFixture.model, options: EdgeOptions = EdgeOptions(),
        headers: String = "", deployments: ((Int) -> [Deployment])? = nil
    ) async throws -> (answer: RawAnswer, upstreamRequests: Int, records: Int) {
        let upstream = try await ScriptedUpstream.start([Self.answer])
        let answer = Shared<RawAnswer?>(nil)
        let records = Shared(0)
        try await GatewayFixture.run(
            upstream: upstream.port, keys: KnownKeys(facts), options: options,
            deployments: deployments?(upstream.port)
        ) { gateway in
            let text = GatewayFixture.request(
                body: GatewayFixture.chat(model: model), headers: headers, token: KnownKeys.token(0))
            let raw = try await gateway.send(text)
            answer.set(raw)
            records.set(gateway.journal.records.count)
        }
        try await upstream.stop()
        return (try #require(answer.value), upstream.seen.requests.count, records.value)
    }

    private func expectDenied(
        _ result: (answer: RawAnswer, upstreamRequests: Int, records: Int), _ words: String
    ) {
        #expect(result.answer.status == 403)
        #expect(result.answer.body.contains("POLICY_DENIED"))
        #expect(result.answer.body.contains(words))
        #expect(result.upstreamRequests == 0)
        #expect(result.records == 0)
    }

    @Test("a key with the usual scopes calls the model")
    func usual() async throws {
        let result = try await chat(KnownKeys.facts())
        #expect(result.answer.status == 200)
        #expect(result.upstreamRequests == 1)
    }

    @Test("a key without the permission is told which one, and nothing is opened")
    func noPermission() async throws {
        let scopes = KeyScopes(permissions: [.modelRead])
        expectDenied(try await chat(KnownKeys.facts(scopes: scopes)), "inference:execute")
    }

    @Test("a key for another endpoint is refused")
    func endpoint() async throws {
        let scopes = KeyScopes(permissions: KeyScopes.usual.permissions, endpoints: [.embeddings])
        expectDenied(try await chat(KnownKeys.facts(scopes: scopes)), "endpoint `chat`")
    }

    @Test(
        "a key for another model is refused, by whatever name the model is called", arguments: ["test-model", "alias"])
    func model(name: String) async throws {
        let other = try KeyScopes(checking: ["model=other*"])
        expectDenied(try await chat(KnownKeys.facts(scopes: other), model: name), "not made for this model")
        for scope in ["model=test-*", "model=alias"] {
            let own = try KeyScopes(checking: [scope])
            #expect(try await chat(KnownKeys.facts(scopes: own), model: name).answer.status == 200)
        }
    }

    @Test("of the deployments behind a name only those that the key may use answer")
    func someDeployments() async throws {
        let deployments: (Int) -> [Deployment] = { port in
            // Nobody listens at the other one.
            [
                GatewayFixture.deployment(port: 1, model: "closed", alias: "both"),
                GatewayFixture.deployment(port: port, model: "open", alias: "both"),
            ]
        }
        let scopes = try KeyScopes(checking: ["model=open"])
        for _ in 0..<4 {
            let result = try await chat(KnownKeys.facts(scopes: scopes), model: "both", deployments: deployments)
            #expect(result.answer.status == 200 && result.upstreamRequests == 1)
        }
        let neither = try KeyScopes(checking: ["model=third"])
        expectDenied(
            try await chat(KnownKeys.facts(scopes: neither), model: "both", deployments: deployments),
            "not made for this model")
    }

    @Test("a key is refused from an address that is not on its list")
    func address() async throws {
        let elsewhere = try #require(AddressRange("192.0.2.0/24"))
        expectDenied(try await chat(KnownKeys.facts(addresses: [elsewhere])), "address")
        let here = try #require(AddressRange("127.0.0.0/8"))
        #expect(try await chat(KnownKeys.facts(addresses: [here])).answer.status == 200)
    }

    @Test("behind a trusted proxy the client's address counts, and only what that proxy said")
    func proxied() async throws {
        let allowed = try #require(AddressRange("192.0.2.0/24"))
        let facts = KnownKeys.facts(addresses: [allowed])
        let trusting = EdgeOptions(addresses: ClientAddress(trusting: [try #require(AddressRange("127.0.0.1"))]))
        let said = "x-forwarded-for: 198.51.100.9, 192.0.2.7\r\n"
        #expect(try await chat(facts, options: trusting, headers: said).answer.status == 200)
        expectDenied(try await chat(facts, headers: said), "address")
        let forged = "x-forwarded-for: 192.0.2.7, 198.51.100.9\r\n"
        expectDenied(try await chat(facts, options: trusting, headers: forged), "address")
    }

    @Test("a tenant's rule is told by its name")
    func rule() async throws {
        let rule = AccessRule(
            id: RuleID(ULID(high: 9, low: 9)), tenant: KnownKeys.tenant, workspace: nil, name: "no tests",
            effect: .deny, actions: [.inferenceExecute],
            conditions: RuleConditions(models: [try #require(ModelPattern("test-*"))]),
            created: Instant(microseconds: 0))
        expectDenied(try await chat(KnownKeys.facts(rules: [rule])), "no tests")
    }

    @Test("a key reaches the models of its own environment and of no other")
    func environment() async throws {
        let staged: (Int) -> [Deployment] = {
            [GatewayFixture.deployment(port: $0, model: "test-model", environment: .staging)]
        }
        let production = try await chat(KnownKeys.facts(), deployments: staged)
        #expect(production.answer.status == 404)
        #expect(production.answer.body.contains("MODEL_NOT_FOUND"))
        let staging = try await chat(KnownKeys.facts(environment: .staging), deployments: staged)
        #expect(staging.answer.status == 200)
    }

    // MARK: Listings

    private func listing(_ facts: KeyFacts, path: String = "/v1/models") async throws -> RawAnswer {
        let answer = Shared<RawAnswer?>(nil)
        let deployments = ["llama-1", "llama-2", "whisper"].map {
            GatewayFixture.deployment(port: 1, model: $0, alias: "\($0)-alias")
        }
        try await GatewayFixture.run(keys: KnownKeys(facts), deployments: deployments) { gateway in
            let raw = try await gateway.send(GatewayFixture.request("GET", path, token: KnownKeys.token(0)))
            answer.set(raw)
        }
        return try #require(answer.value)
    }

    @Test("a listing holds the models that the key may use")
    func models() async throws {
        let all = try await listing(KnownKeys.facts())
        #expect(["llama-1", "llama-2", "whisper"].allSatisfy { all.body.contains("\"\($0)\"") })
        let some = try await listing(KnownKeys.facts(scopes: try KeyScopes(checking: ["model=llama-*"])))
        #expect(some.status == 200)
        #expect(some.body.contains("\"llama-2\"") && !some.body.contains("whisper"))
        let byAlias = try await listing(KnownKeys.facts(scopes: try KeyScopes(checking: ["model=whisper-alias"])))
        #expect(byAlias.body.contains("\"whisper\"") && !byAlias.body.contains("llama"))
        let none = try await listing(KnownKeys.facts(scopes: try KeyScopes(checking: ["model=gpt-*"])))
        #expect(none.status == 200)
        #expect(none.body.contains(#""data":[]"#))
    }

    @Test("a model that the key may not use is told like one that is not there, without naming it")
    func hiddenModel() async throws {
        let scopes = try KeyScopes(checking: ["model=llama-*"])
        let hidden = try await listing(KnownKeys.facts(scopes: scopes), path: "/v1/models/whisper-alias")
        #expect(hidden.status == 404)
        #expect(hidden.body.contains("MODEL_NOT_FOUND") && hidden.body.contains("llama-1"))
        #expect(!hidden.body.contains("`whisper`"))
        let seen = try await listing(KnownKeys.facts(scopes: scopes), path: "/v1/models/llama-1-alias")
        #expect(seen.status == 200)
    }

    @Test("a key that may not see models is refused the listing", arguments: ["/v1/models", "/v1/models/whisper"])
    func noListing(path: String) async throws {
        let scopes = KeyScopes(permissions: [.inferenceExecute])
        let denied = try await listing(KnownKeys.facts(scopes: scopes), path: path)
        #expect(denied.status == 403)
        #expect(denied.body.contains("model:read"))
        let narrowed = KeyScopes(permissions: KeyScopes.usual.permissions, endpoints: [.chat])
        #expect(try await listing(KnownKeys.facts(scopes: narrowed), path: path).status == 403)
    }
}
