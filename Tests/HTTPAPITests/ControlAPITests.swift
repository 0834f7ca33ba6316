import Flows
import Foundation
import HTTPAPI
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Inference
import Kernel
import Logging
import NIOCore
import Tenancy
import TestKit
import Testing

/// The API over stores in memory, asked through its router.
struct House {
    static let token = "vo_" + String(repeating: "7", count: 40)

    let workspace: Workspace
    let samples: Samples
    let usage = MemoryUsageStore()
    let app: Application<RouterResponder<ControlContext>>

    init(readiness: Readiness? = nil) {
        let samples = Samples()
        let keys = MemoryKeyStore()
        let deployments = MemoryRegistryStore()
        workspace = samples.workspace()
        self.samples = samples
        let flow = ControlFlow(
            workspace: workspace,
            parts: ControlFlow.Parts(
                keys: keys, hasher: TransparentHasher(), verifier: nil, deployments: deployments,
                registry: RegistryRefresh(registry: Registry(), store: deployments), usage: usage, runtimes: { [] },
                clock: samples.clock, ids: samples.ids, random: SeededRandom(seed: 5)))
        let shown =
            readiness
            ?? Readiness(
                registry: RegistrySnapshot(), services: [], isDraining: false, blocked: [], version: "0.1.0")
        let api = ControlAPI(
            control: flow, readiness: { shown }, openAPI: Array("openapi: 3.1.0\n".utf8),
            operatorToken: Secret(Self.token), ids: samples.ids, clock: samples.clock,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        app = Application(router: api.makeRouter())
    }

    func ask(
        _ method: HTTPRequest.Method, _ path: String, token: String? = House.token, body: String? = nil,
        type: String? = "application/json", fields: HTTPFields = [:]
    ) async throws -> TestResponse {
        var headers = fields
        if let token { headers[.authorization] = "Bearer \(token)" }
        if body != nil { headers[.contentType] = type }
        return try await app.test(.router) { [headers] client in
            try await client.execute(
                uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) })
        }
    }
}

extension TestResponse {
    func json() throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(body.readableBytesView)) as? [String: Any])
    }

    func field(_ name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }
}

@Suite struct ControlAPITests {
    let house = House()

    @Test("livez answers without a credential, also to HEAD, and carries a request id of ours")
    func livez() async throws {
        let mine = try #require(HTTPField.Name("x-request-id"))
        let response = try await house.ask(.get, "/livez", token: nil, fields: [mine: "chosen-by-the-client"])
        #expect(response.status == .ok)
        #expect(try response.json()["status"] as? String == "live")
        #expect(RequestID(response.field("x-request-id") ?? "") != nil)
        #expect(try await house.ask(.head, "/livez", token: nil).status == .ok)
    }

    @Test("readyz is 503 until something can be served, and says what there is")
    func readyz() async throws {
        let response = try await house.ask(.get, "/readyz", token: nil)
        #expect(response.status == .serviceUnavailable)
        #expect(try response.json()["status"] as? String == "starting")
        let endpoint = try Inference.Endpoint(checking: "http://127.0.0.1:9")
        let snapshot = RegistrySnapshot(
            deployments: [house.samples.deployment(try ModelName(checking: "echo"), at: endpoint)])
        let ready = House(
            readiness: Readiness(registry: snapshot, services: [], isDraining: false, blocked: [], version: "1"))
        #expect(try await ready.ask(.get, "/readyz", token: nil).status == .ok)
    }

    @Test("every code of the catalog has a page", arguments: ErrorCode.allCases)
    func errorPages(code: ErrorCode) async throws {
        let response = try await house.ask(.get, ProblemBody.page(of: code), token: nil)
        #expect(response.status == .ok)
        #expect(response.field("content-type") == "text/markdown; charset=utf-8")
        #expect(String(buffer: response.body).contains(code.remedy))
    }

    @Test("the API's description is served as it was handed in")
    func openAPI() async throws {
        #expect(String(buffer: try await house.ask(.get, "/openapi.yaml", token: nil).body) == "openapi: 3.1.0\n")
    }

    @Test("every administrative path asks for the operator token", arguments: House.administrative)
    func authority(route: String) async throws {
        let parts = route.split(separator: " ")
        let method = try #require(HTTPRequest.Method(rawValue: String(parts[0])))
        let path = String(parts[1])
        let none = try await house.ask(method, path, token: nil)
        #expect(none.status == .unauthorized)
        #expect(none.field("www-authenticate") == #"Bearer realm="volery""#)
        #expect(try none.json()["code"] as? String == "AUTHENTICATION_REQUIRED")
        let wrong = try await house.ask(method, path, token: "vo_" + String(repeating: "8", count: 40))
        #expect(wrong.status == .unauthorized)
        #expect(try wrong.json()["code"] as? String == "INVALID_API_KEY")
        let key = KeyToken.make(random: SeededRandom(seed: 1)).text.reveal()
        let denied = try await house.ask(method, path, token: key)
        #expect(denied.status == .forbidden)
        #expect(try denied.json()["code"] as? String == "POLICY_DENIED")
    }

    @Test("keys are made, listed page by page, and revoked")
    func keys() async throws {
        var ids: [String] = []
        for name in ["one", "two", "three"] {
            let made = try await house.ask(.post, "/v1/admin/keys", body: #"{"name": "\#(name)"}"#)
            #expect(made.status == .created)
            #expect(made.field("cache-control") == "no-store")
            #expect(KeyToken(try #require(try made.json()["key"] as? String)) != nil)
            ids.append(try #require(try made.json()["id"] as? String))
        }
        let first = try await house.ask(.get, "/v1/admin/keys?limit=2").json()
        #expect(first["object"] as? String == "list")
        #expect(first["has_more"] as? Bool == true)
        let last = try #require(first["last_id"] as? String)
        let second = try await house.ask(.get, "/v1/admin/keys?limit=2&after=\(last)").json()
        let seen = [first, second].flatMap { $0["data"] as? [[String: Any]] ?? [] }
        #expect(Set(seen.compactMap { $0["id"] as? String }) == Set(ids))
        #expect(seen.allSatisfy { $0["key"] == nil })
        let revoked = try await house.ask(.delete, "/v1/admin/keys/\(ids[0])")
        #expect(revoked.status == .ok)
        #expect(try revoked.json()["revoked"] is String)
    }

    @Test("deployments are registered, listed and taken away; a second one at the same endpoint conflicts")
    func registry() async throws {
        let body = #"{"model": "far", "endpoint": "http://127.0.0.1:9/v1", "protocol": "openai"}"#
        let made = try await house.ask(.post, "/v1/admin/registry", body: body)
        #expect(made.status == .created)
        let id = try #require(try made.json()["id"] as? String)
        #expect(try await house.ask(.post, "/v1/admin/registry", body: body).status == .conflict)
        let listed = try await house.ask(.get, "/v1/admin/registry").json()["data"] as? [[String: Any]]
        #expect(listed?.count == 1)
        #expect(listed?.first?["context_limit"] is NSNull)
        #expect(try await house.ask(.get, "/v1/admin/models").status == .ok)
        #expect(try await house.ask(.get, "/v1/admin/runtimes").status == .ok)
        #expect(try await house.ask(.delete, "/v1/admin/registry/\(id)").status == .ok)
        #expect(try await house.ask(.delete, "/v1/admin/registry/\(id)").status == .notFound)
    }

    @Test("usage comes row by row or summed")
    func usage() async throws {
        let record = house.samples.record(in: house.workspace.id, key: house.samples.ids.next())
        try await house.usage.insert([record])
        let rows = try await house.ask(.get, "/v1/admin/usage?each=true&limit=10").json()["data"] as? [[String: Any]]
        #expect(rows?.first?["request_id"] as? String == record.request.description)
        #expect(rows?.first?["token_source"] as? String == "provider")
        let sums = try await house.ask(.get, "/v1/admin/usage?days=7").json()["data"] as? [[String: Any]]
        #expect(sums?.first?["input_tokens"] as? Int == record.usage.inputTokens)
    }
}

extension House {
    static let administrative = [
        "POST /v1/admin/keys", "GET /v1/admin/keys", "DELETE /v1/admin/keys/key_x", "POST /v1/admin/registry",
        "GET /v1/admin/registry", "DELETE /v1/admin/registry/dep_x", "GET /v1/admin/runtimes",
        "GET /v1/admin/models", "GET /v1/admin/usage",
    ]
}
