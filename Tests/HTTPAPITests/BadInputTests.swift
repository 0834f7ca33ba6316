import HTTPAPI
import HTTPTypes
import HummingbirdTesting
import Kernel
import Testing

@Suite struct BadInputTests {
    let house: House

    init() async throws { house = try await House() }

    @Test("an unknown path is 404: OpenAI's shape on inference paths, problem details elsewhere")
    func unknownPath() async throws {
        let inference = try await house.ask(.get, "/v1/chat/nonsense", token: nil)
        #expect(inference.status == .notFound)
        #expect(inference.field("content-type") == "application/json")
        let error = try #require(try inference.json()["error"] as? [String: Any])
        #expect(error["code"] as? String == "NOT_FOUND")
        #expect(error["request_id"] as? String == inference.field("x-request-id"))
        for path in ["/", "/nowhere", "/v1/admin/nonsense", "/v1/admin"] {
            let other = try await house.ask(.get, path, token: nil)
            #expect(other.status == .notFound, "\(path)")
            #expect(other.field("content-type") == "application/problem+json", "\(path)")
            #expect(try other.json()["code"] as? String == "NOT_FOUND", "\(path)")
        }
    }

    @Test(
        "a wrong method is 405 with the methods that there are",
        arguments: [
            ("DELETE", "/livez", "GET, HEAD"), ("PUT", "/v1/admin/keys", "GET, HEAD, POST"),
            ("PUT", "/v1/admin/keys/key_01", "DELETE, GET, HEAD"), ("GET", "/v1/chat/completions", "POST"),
            ("GET", "/v1/admin/rules/test", "POST"),
        ])
    func wrongMethod(method: String, path: String, allowed: String) async throws {
        let response = try await house.ask(try #require(HTTPRequest.Method(rawValue: method)), path)
        #expect(response.status == .methodNotAllowed)
        #expect(response.field("allow") == allowed)
    }

    struct BadBody: Sendable, CustomTestStringConvertible {
        let text: String
        let parameter: String
        var testDescription: String { text }
    }

    @Test(
        "a bad body is refused with the field's path",
        arguments: [
            BadBody(text: "", parameter: "body"), BadBody(text: "{", parameter: "body"),
            BadBody(text: "[]", parameter: "body"), BadBody(text: "\"x\"", parameter: "body"),
            BadBody(text: "{}", parameter: "model"),
            BadBody(text: #"{"model": 7, "endpoint": "http://x", "protocol": "openai"}"#, parameter: "model"),
            BadBody(text: #"{"model": null, "endpoint": "http://x", "protocol": "openai"}"#, parameter: "model"),
            BadBody(
                text: #"{"model": "m", "endpoint": "http://x", "protocol": "openai", "aliases": ["a", 2]}"#,
                parameter: "aliases[1]"),
            BadBody(
                text: #"{"model": "m", "endpoint": "http://x", "protocol": "openai", "contextlimit": 2}"#,
                parameter: "contextlimit"),
            BadBody(
                text: #"{"model": "m", "endpoint": "http://x", "protocol": "openai", "context_limit": 1.5}"#,
                parameter: "context_limit"),
        ])
    func badBodies(bad: BadBody) async throws {
        let response = try await house.ask(.post, "/v1/admin/registry", body: bad.text)
        #expect(response.status == .badRequest)
        let body = try response.json()
        #expect(body["code"] as? String == "VALIDATION_ERROR")
        #expect(body["param"] as? String == bad.parameter)
        #expect((body["hint"] as? String)?.isEmpty == false)
    }

    @Test("a time that is none is refused with an example")
    func badTime() async throws {
        let response = try await house.ask(.post, "/v1/admin/keys", body: #"{"name": "x", "expires": "soon"}"#)
        #expect(try response.json()["param"] as? String == "expires")
        #expect((try response.json()["hint"] as? String)?.contains("RFC 3339") == true)
    }

    @Test("a body that is too long is 413, another content type 415")
    func sizeAndType() async throws {
        let long = #"{"name": ""# + String(repeating: "x", count: 1 << 20) + #""}"#
        #expect(try await house.ask(.post, "/v1/admin/keys", body: long).status == .contentTooLarge)
        let form = try await house.ask(
            .post, "/v1/admin/keys", body: "name=x", type: "application/x-www-form-urlencoded")
        #expect(form.status == .unsupportedMediaType)
        let charset = try await house.ask(
            .post, "/v1/admin/keys", body: #"{"name": "x"}"#, type: "Application/JSON; charset=utf-8")
        #expect(charset.status == .created)
    }

    @Test(
        "a bad question is refused with its parameter",
        arguments: [
            ("/v1/admin/keys?limit=0", "limit"), ("/v1/admin/keys?limit=many", "limit"),
            ("/v1/admin/keys?limit=1&limit=2", "limit"), ("/v1/admin/keys?after=dep_01", "after"),
            ("/v1/admin/usage?each=maybe", "each"), ("/v1/admin/usage?days=0", "days"),
            ("/v1/admin/usage?each=true&limit=1001", "limit"), ("/v1/admin/keys?workspace=main", "workspace"),
            ("/v1/admin/keys?workspace_id=x", "workspace_id"), ("/v1/admin/audit?after=aud_1", "after"),
            ("/v1/admin/audit/export?after=-1", "after"), ("/v1/admin/audit/export?limit=0", "limit"),
            ("/v1/admin/rules?after=rul_1", "after"), ("/v1/admin/models?limit=0", "limit"),
        ])
    func badQuestions(path: String, parameter: String) async throws {
        let response = try await house.ask(.get, path)
        #expect(response.status == .badRequest)
        #expect(try response.json()["param"] as? String == parameter)
    }

    @Test(
        "an identifier that cannot exist is told like one that does not",
        arguments: ["key_x", "dep_01JZ0000000000000000000000"])
    func badIdentifier(id: String) async throws {
        #expect(try await house.ask(.delete, "/v1/admin/keys/\(id)").status == .notFound)
    }
}
