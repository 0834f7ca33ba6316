import Flows
import Foundation
import HTTPAPI
import HTTPTypes
import HummingbirdTesting
import Inference
import Kernel
import NIOCore
import Tenancy
import TestKit
import Testing

@Suite struct ControlAPITests {
    let house: House

    init() async throws { house = try await House() }

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
        let ready = try await House(
            readiness: Readiness(registry: snapshot, services: [], isDraining: false, blocked: [], version: "1"))
        let open = try await ready.ask(.get, "/readyz", token: nil)
        #expect(open.status == .ok)
        #expect(try open.json()["version"] is NSNull)
        #expect(try await ready.ask(.get, "/readyz").json()["version"] as? String == "1")
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

    @Test("what is listed in full can be had page by page too")
    func complete() async throws {
        for name in ["a", "b", "c"] {
            _ = try await house.flow.createRule(NewRule(name: name, effect: "deny", models: [name]))
        }
        let all = try await house.ask(.get, "/v1/admin/rules").json()
        #expect((all["data"] as? [[String: Any]])?.count == 3)
        #expect(all["has_more"] as? Bool == false)
        let first = try await house.ask(.get, "/v1/admin/rules?limit=2").json()
        #expect(first["has_more"] as? Bool == true)
        let last = try #require(first["last_id"] as? String)
        let rest = try await house.ask(.get, "/v1/admin/rules?limit=2&after=\(last)").json()
        #expect((rest["data"] as? [[String: Any]])?.compactMap { $0["name"] as? String } == ["c"])
        #expect(rest["has_more"] as? Bool == false)
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
