import Flows
import Gateway
import Kernel
import Tenancy
import Testing

/// Guessing is slowed down for each address, before anything expensive is done for a guess.
@Suite struct ThrottleTests {
    private func models(_ gateway: GatewayFixture, _ token: String) async throws -> RawAnswer {
        try await gateway.send(GatewayFixture.request("GET", "/v1/models", token: token))
    }

    @Test("after some wrong keys an address is told to wait, while its good key goes on")
    func throttled() async throws {
        let keys = KnownKeys(KnownKeys.facts())
        try await GatewayFixture.run(keys: keys, failuresPerMinute: 5) { gateway in
            #expect(try await models(gateway, KnownKeys.token(0)).status == 200)
            for attempt in 0..<5 {
                #expect(try await models(gateway, KnownKeys.wrong(0, attempt)).status == 401)
            }
            let asked = keys.asked
            for attempt in 5..<10 {
                let answer = try await models(gateway, KnownKeys.wrong(0, attempt))
                #expect(answer.status == 429)
                #expect(answer.body.contains("RATE_LIMITED"))
                #expect((answer.headers["retry-after"].flatMap { Int($0) } ?? 0) >= 1)
            }
            // Not even the store was asked.
            #expect(keys.asked == asked)
            #expect(gateway.core.flow.keys.failures.failures == 5)
            #expect(gateway.core.flow.keys.failures.refusals == 5)
            #expect(try await models(gateway, KnownKeys.token(0)).status == 200)
        }
    }

    @Test("repeating one wrong key counts too, although its refusal is remembered")
    func repeated() async throws {
        try await GatewayFixture.run(keys: KnownKeys(KnownKeys.facts()), failuresPerMinute: 3) { gateway in
            var seen: [Int] = []
            for _ in 0..<5 { seen.append(try await models(gateway, KnownKeys.wrong(0, 1)).status) }
            #expect(seen == [401, 401, 401, 429, 429])
        }
    }

    @Test("text that is no key counts, and a missing credential does not")
    func nonsense() async throws {
        try await GatewayFixture.run(keys: KnownKeys(KnownKeys.facts()), failuresPerMinute: 2) { gateway in
            var seen: [Int] = []
            for _ in 0..<5 {
                seen.append(try await gateway.send(GatewayFixture.request("GET", "/v1/models", token: nil)).status)
            }
            for text in ["sk-anything", "sk-anything-else", "sk-anything"] {
                seen.append(try await models(gateway, text).status)
            }
            #expect(seen == [401, 401, 401, 401, 401, 401, 401, 429])
        }
    }

    @Test("behind a trusted proxy every client has a measure of its own")
    func proxied() async throws {
        let options = EdgeOptions(addresses: ClientAddress(trusting: [try #require(AddressRange("127.0.0.1"))]))
        try await GatewayFixture.run(
            keys: KnownKeys(KnownKeys.facts()), options: options, failuresPerMinute: 1
        ) { gateway in
            func status(_ client: String) async throws -> Int {
                try await gateway.send(
                    GatewayFixture.request(
                        "GET", "/v1/models", headers: "x-forwarded-for: \(client)\r\n", token: KnownKeys.wrong(0, 1))
                ).status
            }
            let clients = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]
            var seen: [Int] = []
            for client in clients { seen.append(try await status(client)) }
            #expect(seen == [401, 429, 401, 401, 429])
        }
    }
}
