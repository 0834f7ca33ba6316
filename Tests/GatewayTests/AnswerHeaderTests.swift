import Gateway
import Kernel
import NIOCore
import Testing

/// Headers that every answer carries, whichever plane it comes from and however it ends.
@Suite struct AnswerHeaderTests {
    private static let page = "https://app.example.com"
    private static let streamed = [
        ScriptedUpstream.streamHead, ScriptedUpstream.chunk("data: {\"choices\":[]}\n\ndata: [DONE]\n\n"),
        ScriptedUpstream.lastChunk,
    ]

    /// One of each kind of answer.
    private func answers(
        origins: [String], from origin: String?
    ) async throws -> [(what: String, answer: RawAnswer)] {
        let upstream = try await ScriptedUpstream.start(Self.streamed)
        let line = origin.map { "origin: \($0)\r\n" } ?? ""
        let seen = Shared<[(what: String, answer: RawAnswer)]>([])
        let options = EdgeOptions(origins: CrossOrigin(origins: origins))
        try await GatewayFixture.run(upstream: upstream.port, options: options) { gateway in
            func get(_ path: String, token: String? = OneKeyStore.token) -> String {
                GatewayFixture.request("GET", path, headers: line, token: token)
            }
            let requests = [
                ("listing", get("/v1/models")), ("no credential", get("/v1/models", token: nil)),
                ("wrong key", get("/v1/models", token: "sk-x")), ("no such model", get("/v1/models/none")),
                (
                    "stream",
                    GatewayFixture.request(body: GatewayFixture.chat(#","stream":true"#), headers: line)
                ),
                ("upstream's fault", GatewayFixture.request(body: GatewayFixture.chat(), headers: line)),
                ("wrong method", GatewayFixture.request("PUT", "/v1/chat/completions", headers: line)),
                ("control plane", get("/cold")), ("nothing there", get("/nothing")),
            ]
            var all: [(what: String, answer: RawAnswer)] = []
            for (what, text) in requests { all.append((what, try await gateway.send(text))) }
            seen.set(all)
        }
        try await upstream.stop()
        return seen.value
    }

    @Test("every answer forbids guessing its type, and none names the server")
    func always() async throws {
        for (what, answer) in try await answers(origins: [], from: Self.page) {
            #expect(answer.headers["x-content-type-options"] == "nosniff", "\(what)")
            #expect(answer.headers["server"] == nil, "\(what)")
            #expect(answer.headers["strict-transport-security"] == nil, "\(what)")
            let said = answer.headers.keys.filter { $0.hasPrefix("access-control") || $0 == "vary" }
            #expect(said.isEmpty, "\(what)")
        }
    }

    @Test("answers of the control plane are not kept by anybody and run nothing in a browser")
    func control() async throws {
        for (what, answer) in try await answers(origins: [], from: nil)
        where ["control plane", "nothing there"].contains(what) {
            #expect(answer.headers["cache-control"] == "no-store")
            #expect(answer.headers["referrer-policy"] == "no-referrer")
            #expect(answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'")
        }
    }

    @Test("a page on the list may read every answer, also streams and errors")
    func listed() async throws {
        for (what, answer) in try await answers(origins: [Self.page, "http://localhost:3000"], from: Self.page) {
            #expect(answer.headers["access-control-allow-origin"] == Self.page, "\(what)")
            #expect(answer.headers["access-control-expose-headers"]?.contains("x-request-id") == true, "\(what)")
            #expect(answer.headers["vary"] == "origin", "\(what)")
            #expect(answer.headers["access-control-allow-credentials"] == nil, "\(what)")
        }
    }

    @Test(
        "a page that is not on the list may read none",
        arguments: ["https://evil.example.com", "null", "https://app.example.com.evil.com", "http://app.example.com"])
    func stranger(origin: String) async throws {
        for (what, answer) in try await answers(origins: [Self.page], from: origin) {
            #expect(answer.headers["access-control-allow-origin"] == nil, "\(what)")
            // A cache must not give this answer to the page that may.
            #expect(answer.headers["vary"] == "origin", "\(what)")
        }
    }

    @Test("with * every page may, and the answer is the same for all")
    func wildcard() async throws {
        for (what, answer) in try await answers(origins: ["*"], from: "https://any.example.org") {
            #expect(answer.headers["access-control-allow-origin"] == "*", "\(what)")
            #expect(answer.headers["vary"] == nil, "\(what)")
        }
    }

    private func preflight(
        _ path: String, from origin: String, on gateway: GatewayFixture
    ) async throws -> RawAnswer {
        try await gateway.send(
            GatewayFixture.request(
                "OPTIONS", path,
                headers: "origin: \(origin)\r\naccess-control-request-method: POST\r\n"
                    + "access-control-request-headers: authorization,content-type,x-stainless-os\r\n", token: nil))
    }

    @Test("a preflight needs no credential, on both planes; a strange page is told nothing")
    func preflights() async throws {
        let options = EdgeOptions(origins: CrossOrigin(origins: [Self.page]))
        try await GatewayFixture.run(options: options) { gateway in
            for path in ["/v1/chat/completions", "/v1/models", "/cold", "/nothing"] {
                let answer = try await preflight(path, from: Self.page, on: gateway)
                #expect(answer.status == 204)
                #expect(answer.body.isEmpty)
                #expect(answer.headers["access-control-allow-origin"] == Self.page)
                #expect(answer.headers["access-control-allow-methods"]?.contains("DELETE") == true)
                #expect(
                    answer.headers["access-control-allow-headers"] == "authorization,content-type,x-stainless-os")
                let other = try await preflight(path, from: "https://evil.example.com", on: gateway)
                #expect(other.headers["access-control-allow-origin"] == nil)
                #expect(other.headers["access-control-allow-headers"] == nil)
            }
        }
    }

    @Test("a connection serves the request that its preflight was about")
    func keptAlive() async throws {
        let options = EdgeOptions(origins: CrossOrigin(origins: [Self.page]))
        try await GatewayFixture.run(options: options) { gateway in
            let ask = "origin: \(Self.page)\r\naccess-control-request-method: GET\r\n"
            let both =
                GatewayFixture.request("OPTIONS", "/v1/models", headers: ask, token: nil, closes: false)
                + GatewayFixture.request("GET", "/v1/models", headers: "origin: \(Self.page)\r\n")
            let text = try await RawClient.connect(to: gateway.port).send(both)
            #expect(text.hasPrefix("HTTP/1.1 204") && text.contains("HTTP/1.1 200 OK") && text.contains("test-model"))
        }
    }

    @Test("without a list an OPTIONS request is like any other method that a path does not have")
    func off() async throws {
        try await GatewayFixture.run { gateway in
            let answer = try await preflight("/v1/chat/completions", from: Self.page, on: gateway)
            #expect(answer.status == 405)
            #expect(answer.headers["access-control-allow-origin"] == nil)
        }
    }
}
