import Flows
import Foundation
import HTTPAPI
import HTTPTypes
import HummingbirdTesting
import Kernel
import NIOCore
import Tenancy
import TestKit
import Testing

@Suite struct KeyedRequestTests {
    let house: House
    let key: HTTPField.Name

    init() async throws {
        house = try await House()
        key = try #require(HTTPField.Name("idempotency-key"))
    }

    private func post(_ path: String, _ body: String, token: String = House.token, key text: String) async throws
        -> TestResponse
    {
        try await house.ask(.post, path, token: token, body: body, fields: [key: text])
    }

    @Test("a repeated request has the first one's answer, and happens once")
    func replay() async throws {
        let first = try await post("/v1/admin/tenants", #"{"name": "acme"}"#, key: "one")
        #expect(first.status == .created)
        #expect(first.field("idempotent-replayed") == nil)
        let second = try await post("/v1/admin/tenants", #"{"name": "acme"}"#, key: "one")
        #expect(second.status == .created)
        #expect(second.field("idempotent-replayed") == "true")
        #expect(second.body == first.body)
        #expect(second.field("x-request-id") != first.field("x-request-id"))
        let other = try await post("/v1/admin/tenants", #"{"name": "other"}"#, key: "one")
        #expect(other.status == .conflict)
        #expect(try other.json()["code"] as? String == "IDEMPOTENCY_CONFLICT")
    }

    @Test("a repeated key creation tells the key's id, and never a second secret")
    func keys() async throws {
        let body = #"{"name": "laptop"}"#
        let first = try await post("/v1/admin/keys", body, key: "k-1")
        let id = try #require(try first.json()["id"] as? String)
        let secret = try #require(try first.json()["key"] as? String)
        #expect(first.field("cache-control") == "no-store")
        let again = try await post("/v1/admin/keys", body, key: "k-1")
        #expect(again.status == .conflict)
        #expect(again.field("idempotent-replayed") == "true")
        #expect(try again.json()["code"] as? String == "IDEMPOTENCY_CONFLICT")
        #expect(try again.json()["key_id"] as? String == id)
        #expect(!String(buffer: again.body).contains(secret))
        #expect(ProblemBody.read(Array(again.body.readableBytesView))?.members == ["key_id": id])
        let listed = try await house.flow.listKeys(PageRequest())
        #expect(listed.data.map(\.id.description) == [id])
        let rotated = try await post("/v1/admin/keys/\(id)/rotate", "", key: "r-1")
        let successor = try #require(try rotated.json()["id"] as? String)
        let twice = try await post("/v1/admin/keys/\(id)/rotate", "", key: "r-1")
        #expect(try twice.json()["key_id"] as? String == successor)
    }

    @Test("what came to a conflict is told again; what was refused before is tried again")
    func refusals() async throws {
        _ = try await house.flow.createTenant(NewTenant(name: "acme"))
        let taken = try await post("/v1/admin/tenants", #"{"name": "acme"}"#, key: "taken")
        #expect(taken.status == .conflict)
        let again = try await post("/v1/admin/tenants", #"{"name": "acme"}"#, key: "taken")
        #expect(again.field("idempotent-replayed") == "true")
        #expect(again.body == taken.body)
        let bad = try await post("/v1/admin/tenants", #"{"name": ""}"#, key: "bad")
        #expect(bad.status == .badRequest)
        let better = try await post("/v1/admin/tenants", #"{"name": "good"}"#, key: "bad")
        #expect(better.status == .created)
    }

    @Test("two callers with the same key text never meet")
    func callers() async throws {
        let world = try await AccessWorld()
        var ids: Set<String> = []
        for token in [House.token, world.owner] {
            let answer = try await world.house.ask(
                .post, "/v1/admin/workspaces", token: token,
                body: #"{"name": "same \#(ids.count)", "tenant": "\#(world.own.tenant)"}"#, fields: [key: "same"])
            #expect(answer.status == .created)
            ids.insert(try #require(try answer.json()["id"] as? String))
        }
        #expect(ids.count == 2)
        // Somebody who may not do it gets nobody's answer.
        let denied = try await world.house.ask(
            .post, "/v1/admin/workspaces", token: world.weakKey, body: #"{"name": "same 0"}"#, fields: [key: "same"])
        #expect(denied.status == .forbidden)
    }

    @Test("the same key for another thing at the same path is a conflict")
    func otherThing() async throws {
        let one = try await house.flow.createKey(NewKey(name: "one")).view.id
        let two = try await house.flow.createKey(NewKey(name: "two")).view.id
        #expect(try await post("/v1/admin/keys/\(one)/rotate", "", key: "x").status == .created)
        #expect(try await post("/v1/admin/keys/\(two)/rotate", "", key: "x").status == .conflict)
        #expect(try await house.flow.key(two).successor == nil)
    }

    @Test("a key that is none is refused", arguments: ["", "  ", String(repeating: "x", count: 256)])
    func badKeys(text: String) async throws {
        let answer = try await post("/v1/admin/tenants", #"{"name": "acme"}"#, key: text)
        #expect(answer.status == .badRequest)
        #expect(try answer.json()["param"] as? String == "Idempotency-Key")
    }
}
