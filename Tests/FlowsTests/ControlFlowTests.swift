import Flows
import Foundation
import Inference
import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct ControlFlowTests {
    let house: ControlHarness

    init() async throws { house = try await ControlHarness() }

    @Test("a new key works, and its token is in the answer only")
    func createKey() async throws {
        let created = try await house.flow.createKey(NewKey(name: "laptop"))
        #expect(try await house.verifier.verify(created.token.reveal()) != .refused)
        let listed = try await house.flow.listKeys(PageRequest())
        #expect(listed.data == [created.view])
        let text = String(decoding: try JSONEncoder().encode(listed), as: UTF8.self)
        #expect(!text.contains(created.token.reveal()))
    }

    @Test("a revoked key is refused at once, although it was just verified")
    func revoke() async throws {
        let created = try await house.flow.createKey(NewKey(name: "laptop"))
        #expect(try await house.verifier.verify(created.token.reveal()) != .refused)
        let revoked = try await house.flow.revokeKey(created.view.id)
        #expect(revoked.revoked == house.clock.now)
        #expect(house.verifier.cached(created.token.reveal()) == nil)
        #expect(try await house.verifier.verify(created.token.reveal()) == .refused)
        house.clock.advance(by: .seconds(5))
        #expect(try await house.flow.revokeKey(created.view.id) == revoked)
    }

    @Test("an unknown key is NOT_FOUND")
    func revokeUnknown() async {
        let id: KeyID = house.samples.ids.next()
        #expect(await problem { try await house.flow.revokeKey(id) }?.code == .notFound)
    }

    @Test(
        "a name that cannot be shown is refused",
        arguments: ["", "  ", "a\nb", "a\u{1B}[2J", String(repeating: "x", count: 101)])
    func badNames(name: String) async {
        let problem = await problem { try await house.flow.createKey(NewKey(name: name)) }
        #expect(problem?.code == .validationError)
        #expect(problem?.parameter == "name")
    }

    @Test("a key cannot be born expired")
    func expired() async {
        let expires = house.clock.now
        let problem = await problem { try await house.flow.createKey(NewKey(name: "x", expires: expires)) }
        #expect(problem?.parameter == "expires")
    }

    @Test("a registered deployment is routed to at once, and no more once it is gone")
    func registerAndDeregister() async throws {
        let view = try await house.flow.registerDeployment(
            NewDeployment(
                model: "far", endpoint: "http://127.0.0.1:9/v1", aliases: ["other", "far", "other"],
                upstreamModel: "far:7b", contextLimit: 4096, capabilities: ["chat"]))
        let name = try ModelName(checking: "far")
        let routed = try #require(house.registry.snapshot.deployments(of: name).first)
        #expect(routed.id == view.id)
        #expect(routed.upstreamModel == "far:7b")
        #expect(routed.capabilities == [.chat])
        #expect(view.aliases.map(\.text) == ["other"])
        #expect(try await house.flow.listDeployments() == [view])
        #expect(try await house.flow.models().map(\.model) == ["far"])
        _ = try await house.flow.deregister(view.id)
        #expect(house.registry.snapshot.deployments(of: name).isEmpty)
        #expect(await problem { try await house.flow.deregister(view.id) }?.code == .notFound)
    }

    @Test("the same endpoint twice is ALREADY_EXISTS")
    func twice() async throws {
        let request = NewDeployment(model: "far", endpoint: "http://127.0.0.1:9")
        _ = try await house.flow.registerDeployment(request)
        #expect(await problem { try await house.flow.registerDeployment(request) }?.code == .alreadyExists)
    }

    struct Bad: Sendable {
        let parameter: String
        let change: @Sendable (inout NewDeployment) -> Void
    }

    @Test(
        "a bad field is refused with its path",
        arguments: [
            Bad(parameter: "model") { $0.model = " x" },
            Bad(parameter: "endpoint") { $0.endpoint = "ftp://example.com" },
            Bad(parameter: "endpoint") { $0.endpoint = "builtin://demo-echo" },
            Bad(parameter: "protocol") { $0.wire = "echo" },
            Bad(parameter: "environment") { $0.environment = "prod" },
            Bad(parameter: "aliases[1]") { $0.aliases = ["ok", "not ok"] },
            Bad(parameter: "capabilities[0]") { $0.capabilities = ["fly"] },
            Bad(parameter: "capabilities") { $0.capabilities = [] },
            Bad(parameter: "context_limit") { $0.contextLimit = 0 },
            Bad(parameter: "upstream_model") { $0.upstreamModel = "" },
            Bad(parameter: "upstream_model") { $0.upstreamModel = "a\u{0}b" },
            Bad(parameter: "endpoint") { $0.endpoint = "http://a\u{0}b" },
        ])
    func badDeployments(bad: Bad) async {
        var request = NewDeployment(model: "far", endpoint: "http://127.0.0.1:9")
        bad.change(&request)
        let problem = await problem { try await house.flow.registerDeployment(request) }
        #expect(problem?.code == .validationError)
        #expect(problem?.parameter == bad.parameter)
    }

    @Test("a model that is not ready is listed with its state")
    func waitingModels() async throws {
        let house = try await ControlHarness(runtimes: [
            try ControlHarness.service("tiny", state: "starting", aliases: ["default"])
        ])
        let model = try #require(try await house.flow.models().first)
        #expect(model.model == "tiny")
        #expect(model.aliases == ["default"])
        #expect(model.state == "starting")
        #expect(model.detail == "loading the model")
    }

    @Test("usage is the workspace's own, newest first, with absent values as null")
    func usage() async throws {
        let record = house.samples.record(in: house.workspace.id, key: house.samples.ids.next())
        let other = house.samples.record(in: house.samples.ids.next(), key: house.samples.ids.next())
        try await house.usage.insert([record, other])
        let page = try await house.flow.usageRows(PageRequest())
        #expect(page.data.map(\.request) == [record.request])
        let text = String(decoding: try JSONEncoder().encode(page.data), as: UTF8.self)
        #expect(text.contains(#""error_code":null"#))
        #expect(await problem { try await house.flow.usageSummary(days: 0) }?.parameter == "days")
    }
}
