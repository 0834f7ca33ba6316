import Foundation
import Gateway
import Inference
import Kernel
import NIOCore
import NIOSSL
import Testing

/// The same port with TLS in front of it.
@Suite struct TLSTests {
    private func withCertificates(_ body: (Certificates) async throws -> Void) async throws {
        let certificates = try Certificates()
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(certificates))
        } catch {
            result = .failure(error)
        }
        try certificates.remove()
        try result.get()
    }

    private func models(_ gateway: GatewayFixture, _ client: NIOSSLContext) async throws -> RawAnswer {
        let request = GatewayFixture.request("GET", "/v1/models")
        return RawAnswer(try await RawClient.connect(to: gateway.port, tls: client).send(request))
    }

    /// Whether a connection comes about at all.
    private func isServed(_ gateway: GatewayFixture, _ client: NIOSSLContext) async -> Bool {
        do {
            return try await models(gateway, client).status == 200
        } catch {
            return false
        }
    }

    @Test("both planes answer over TLS 1.3, streams too, and browsers are told to stay with it")
    func answers() async throws {
        try await withCertificates { certificates in
            let pair = try certificates.make("one")
            let options = EdgeOptions(tls: try EdgeTLS(certificate: pair.certificate, key: pair.key))
            let client = try Certificates.client(trusting: pair.certificate, protocols: ["h2", "http/1.1"])
            try await GatewayFixture.run(scheme: .builtIn, options: options) { gateway in
                let requests = [
                    GatewayFixture.request("GET", "/v1/models"), GatewayFixture.request("GET", "/cold"),
                    GatewayFixture.request(body: GatewayFixture.chat(#","stream":true"#)),
                ]
                for request in requests {
                    let answer = RawAnswer(try await RawClient.connect(to: gateway.port, tls: client).send(request))
                    #expect(answer.status == 200)
                    #expect(answer.headers["strict-transport-security"] == "max-age=31536000")
                }
            }
        }
    }

    @Test("an older TLS is refused, and so are words in the clear")
    func older() async throws {
        try await withCertificates { certificates in
            let pair = try certificates.make("one")
            let options = EdgeOptions(tls: try EdgeTLS(certificate: pair.certificate, key: pair.key))
            let old = try Certificates.client(trusting: pair.certificate, most: .tlsv12)
            try await GatewayFixture.run(options: options) { gateway in
                #expect(await !isServed(gateway, old))
                let plain = try await RawClient.connect(to: gateway.port).send(
                    GatewayFixture.request("GET", "/v1/models"))
                #expect(!plain.contains("HTTP/1.1 200"))
                // The port serves on.
                let current = try Certificates.client(trusting: pair.certificate)
                #expect(await isServed(gateway, current))
            }
        }
    }

    @Test("a client that opens a connection and never speaks TLS is closed in time", .timeLimit(.minutes(5)))
    func silent() async throws {
        try await withCertificates { certificates in
            let pair = try certificates.make("one")
            let options = EdgeOptions(tls: try EdgeTLS(certificate: pair.certificate, key: pair.key))
            var limits = GatewayLimits()
            limits.headTimeout = .milliseconds(100)
            try await GatewayFixture.run(limits: limits, options: options) { gateway in
                let text = try await RawClient.connect(to: gateway.port).send("")
                #expect(text.isEmpty)
                try await eventually { gateway.core.openConnections == 0 }
                #expect(gateway.core.openConnections == 0)
            }
        }
    }

    @Test("a replaced certificate serves new connections, while one that is open lives on")
    func replaced() async throws {
        try await withCertificates { certificates in
            let (first, second) = (try certificates.make("one"), try certificates.make("two"))
            let live = Certificates.Pair(certificate: certificates.path("live.pem"), key: certificates.path("live.key"))
            try certificates.copy(first.certificate, to: live.certificate)
            try certificates.copy(first.key, to: live.key)
            let tls = try EdgeTLS(certificate: live.certificate, key: live.key)
            let clients = try [first, second].map { try Certificates.client(trusting: $0.certificate) }
            try await GatewayFixture.run(options: EdgeOptions(tls: tls)) { gateway in
                let open = try await RawClient.connect(to: gateway.port, tls: clients[0])
                let kept = GatewayFixture.request("GET", "/v1/models", closes: false)
                let last = GatewayFixture.request("GET", "/v1/models")
                let text = try await open.converse(kept, until: { $0.contains("test-model") }, then: last) {
                    #expect(try !tls.reload())
                    try certificates.copy(second.certificate, to: live.certificate)
                    try certificates.copy(second.key, to: live.key)
                    #expect(try tls.reload())
                    #expect(await isServed(gateway, clients[1]))
                    #expect(await !isServed(gateway, clients[0]))
                }
                #expect(text.components(separatedBy: "HTTP/1.1 200 OK").count == 3)
            }
        }
    }

    enum Damage: CaseIterable {
        case noCertificate, noKey, otherKey, missing
    }

    @Test(
        "a broken pair is refused once and the one before it stays; it also stops a start", arguments: Damage.allCases)
    func broken(damage: Damage) async throws {
        try await withCertificates { certificates in
            let (pair, other) = (try certificates.make("one"), try certificates.make("two"))
            let tls = try EdgeTLS(certificate: pair.certificate, key: pair.key)
            let client = try Certificates.client(trusting: pair.certificate)
            try await GatewayFixture.run(options: EdgeOptions(tls: tls)) { gateway in
                switch damage {
                case .noCertificate: try Data("-----BEGIN".utf8).write(to: URL(filePath: pair.certificate))
                case .noKey: try Data().write(to: URL(filePath: pair.key))
                case .otherKey: try certificates.copy(other.key, to: pair.key)
                case .missing: try FileManager.default.removeItem(atPath: pair.key)
                }
                let problem = #expect(throws: Problem.self) { try tls.reload() }
                #expect(problem?.code == .configurationInvalid)
                #expect(await isServed(gateway, client))
                #expect(throws: Problem.self) { try EdgeTLS(certificate: pair.certificate, key: pair.key) }
                if damage != .missing { #expect(try !tls.reload()) }
            }
        }
    }
}
