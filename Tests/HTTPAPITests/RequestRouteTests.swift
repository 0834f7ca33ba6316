import Flows
import Foundation
import HTTPAPI
import HTTPTypes
import HummingbirdTesting
import Inference
import Kernel
import Tenancy
import TestKit
import Testing

/// Who may ask why a request went where it went, and what they are told.
@Suite struct RequestRouteTests {
    private struct Asked {
        let house: House
        let request: Kernel.RequestID
        let workspace: WorkspaceID
        /// Made the request; may call models and nothing else.
        let maker: String
        /// Of the same workspace; may call models and nothing else.
        let neighbour: String
        /// Of the same workspace; may read usage.
        let reader: String
        /// Of another tenant; may do everything there.
        let stranger: String
    }

    private func asked() async throws -> Asked {
        let house = try await House()
        let flow = house.flow
        _ = try await flow.createTenant(NewTenant(name: "acme"))
        let workspace = try await flow.createWorkspace(NewWorkspace(name: "main", tenant: "acme")).id
        _ = try await flow.createTenant(NewTenant(name: "other"))
        let elsewhere = try await flow.createWorkspace(NewWorkspace(name: "main", tenant: "other")).id
        func key(_ name: String, in workspace: WorkspaceID, _ scopes: [String]) async throws -> (KeyID, String) {
            let made = try await flow.createKey(
                NewKey(name: name, workspace: workspace.description, scopes: scopes))
            return (made.view.id, made.token.reveal())
        }
        let maker = try await key("maker", in: workspace, ["inference:execute"])
        let neighbour = try await key("neighbour", in: workspace, ["inference:execute"])
        let reader = try await key("reader", in: workspace, ["usage:read"])
        let stranger = try await key("stranger", in: elsewhere, ["*"])
        let plain = house.samples.record(in: workspace, key: maker.0)
        let record = UsageRecord(
            request: plain.request, clientRequest: nil, workspace: workspace, key: maker.0, operation: .chat,
            model: "tiny", deployment: RouteSamples.first, isStream: false, status: .succeeded, httpStatus: 200,
            errorCode: nil, usage: plain.usage, started: plain.started, latency: .zero, firstToken: nil,
            attempts: [
                Attempt(
                    number: 1, deployment: RouteSamples.first, provider: house.samples.ids.next(), upstream: "c-1",
                    cost: .confirmed)
            ], route: RouteSamples.bytes(of: RouteSamples.record()))
        try await house.usage.insert([record])
        return Asked(
            house: house, request: record.request, workspace: workspace, maker: maker.1, neighbour: neighbour.1,
            reader: reader.1, stranger: stranger.1)
    }

    @Test("a key sees what it asked itself, and whoever may read usage sees all of the workspace's")
    func whoMay() async throws {
        let asked = try await asked()
        for token in [asked.maker, asked.reader, House.token] {
            let answer = try await asked.house.ask(.get, "/v1/requests/\(asked.request)/route", token: token)
            #expect(answer.status == .ok)
            let body = try answer.json()
            #expect(body["request_id"] as? String == "\(asked.request)" && body["status"] as? String == "succeeded")
            let decision = try #require(body["decision"] as? [String: Any])
            #expect(decision["strategy"] as? String == "priority" && decision["replay"] as? String == "same")
            #expect(decision["deployment"] as? String == "\(RouteSamples.first)")
            #expect(decision["model"] as? String == "tiny" && decision["asked"] as? String == "llm:fast")
            #expect(decision["most_cost"] is NSNull)
            let candidates = try #require(body["candidates"] as? [[String: Any]])
            #expect(candidates.map { $0["taken"] as? Bool } == [true, false, false])
            #expect(candidates.map { $0["code"] as? String } == ["taken", "fallback", "breaker_open"])
            #expect(candidates[2]["rank"] is NSNull)
        }
    }

    @Test("what it costs the platform, and its provider, are shown to the operator alone")
    func costs() async throws {
        let asked = try await asked()
        for (token, isShown) in [(asked.reader, false), (House.token, true)] {
            let body = try await asked.house.ask(.get, "/v1/requests/\(asked.request)/route", token: token).json()
            let candidate = try #require((body["candidates"] as? [[String: Any]])?.first)
            #expect((candidate["cost"] is NSNull) != isShown)
            let attempt = try #require((body["attempts"] as? [[String: Any]])?.first)
            #expect((attempt["provider_id"] is NSNull) != isShown && (attempt["upstream_id"] is NSNull) != isShown)
            #expect(attempt["cost_state"] as? String == "confirmed")
            let usage = try await asked.house.ask(
                .get, "/v1/usage/rows?workspace=\(asked.workspace)", token: token
            ).json()
            let row = try #require((usage["data"] as? [[String: Any]])?.first?["attempts"] as? [[String: Any]])
            #expect((row.first?["provider_id"] is NSNull) != isShown)
        }
    }

    @Test("for everybody else there is no such request: the same words as for one that never was")
    func whoMayNot() async throws {
        let asked = try await asked()
        let never: Kernel.RequestID = asked.house.samples.ids.next()
        for token in [asked.neighbour, asked.stranger] {
            let hidden = try await asked.house.ask(.get, "/v1/requests/\(asked.request)/route", token: token)
            let absent = try await asked.house.ask(.get, "/v1/requests/\(never)/route", token: token)
            #expect(hidden.status == .notFound && absent.status == .notFound)
            #expect(
                try hidden.words(without: "\(asked.request)") == absent.words(without: "\(never)"),
                "they tell the same")
            #expect(try hidden.json()["hint"] as? String != nil)
        }
        #expect(
            try await asked.house.ask(.get, "/v1/requests/req_nonsense/route", token: asked.maker).status == .notFound)
        #expect(
            try await asked.house.ask(.get, "/v1/requests/\(asked.request)/route?x=1", token: asked.maker).status
                == .badRequest)
    }
}

extension TestResponse {
    /// What is said, without the identifiers that differ in any case.
    fileprivate func words(without request: String) throws -> [String: String] {
        try json().filter { !["request_id", "instance"].contains($0.key) }
            .mapValues { "\($0)".replacingOccurrences(of: request, with: "R") }
    }
}
