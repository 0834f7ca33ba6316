import Flows
import Foundation
import Inference
import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct RoutingControlTests {
    let house: ControlHarness

    init() async throws { house = try await ControlHarness() }

    private var full: NewRouting {
        var request = NewRouting(strategy: "cheapest")
        request.regions = ["eu-west"]
        request.dataPolicies = ["no-training"]
        request.maxCost = DecimalInput("0.05")
        request.currency = "EUR"
        request.maxLatencyMilliseconds = 2500
        request.sticky = "user"
        request.attempts = 2
        request.priority = "high"
        request.hints = ["llm:fa-medium": "qwen@2"]
        return request
    }

    @Test("what is set is routed by at once, shown as it would be set again, listed, and removed once")
    func life() async throws {
        let id = house.workspace.id
        let usual = try await house.flow.routing(of: id)
        #expect(usual.changed == nil && usual.strategy == .priority && usual.attempts == 3)
        let set = try await house.flow.setRouting(of: id, full)
        #expect(set.changed == house.clock.now && set.maxCost == "0.05" && set.currency == .eur)
        let routed = try #require(house.registry.snapshot.routing(of: id))
        #expect(routed.policy.strategy == .cheapest && routed.policy.regions == ["eu-west"])
        #expect(routed.policy.mostCost == 50_000_000 && routed.policy.mostLatency == .milliseconds(2500))
        #expect(routed.sticky == .user && routed.mostAttempts == 2 && routed.priority == .high)
        #expect(routed.hints == [try ModelName(checking: "llm:fa-medium"): try ModelName(checking: "qwen@2")])
        #expect(try await house.flow.setRouting(of: id, set.request) == set)
        #expect(try await house.flow.routing(of: id) == set)
        #expect(try await house.flow.listRouting(in: nil) == [set])
        #expect(try await house.flow.listRouting(in: house.house("acme").tenant) == [])
        #expect(try await house.flow.removeRouting(of: id) == set)
        #expect(house.registry.snapshot.routing(of: id) == nil)
        #expect(await problem { try await house.flow.removeRouting(of: id) }?.code == .notFound)
        let text = String(decoding: try JSONEncoder().encode(usual), as: UTF8.self)
        for field in ["max_cost", "max_latency_ms", "sticky", "changed"] { #expect(text.contains("\"\(field)\":null")) }
        #expect(
            try await house.acts(of: house.workspace.tenant).suffix(3) == [
                "routing.set", "routing.set", "routing.remove",
            ])
    }

    struct Bad: Sendable {
        let parameter: String
        let change: @Sendable (inout NewRouting) -> Void
    }

    @Test(
        "a bad field is refused with its name, and a hint",
        arguments: [
            Bad(parameter: "strategy") { $0.strategy = nil },
            Bad(parameter: "strategy") { $0.strategy = "fastest" },
            Bad(parameter: "regions[0]") { $0.regions = ["eu west"] },
            Bad(parameter: "data_policies[1]") { $0.dataPolicies = ["a", "-"] },
            Bad(parameter: "max_cost") { $0.maxCost = DecimalInput("0") },
            Bad(parameter: "max_cost") { $0.maxCost = DecimalInput("cheap") },
            Bad(parameter: "currency") { $0.currency = "XYZ" },
            Bad(parameter: "max_latency_ms") { $0.maxLatencyMilliseconds = 0 },
            Bad(parameter: "sticky") { $0.sticky = "session" },
            Bad(parameter: "attempts") { $0.attempts = 0 },
            Bad(parameter: "attempts") { $0.attempts = 11 },
            Bad(parameter: "priority") { $0.priority = "urgent" },
            Bad(parameter: "hints.a b") { $0.hints = ["a b": "qwen"] },
            Bad(parameter: "hints.a") { $0.hints = ["a": ""] },
            Bad(parameter: "hints.a") { $0.hints = ["a": "b", "b": "qwen"] },
            Bad(parameter: "hints.a") { $0.hints = ["a": "a"] },
            Bad(parameter: "hints") {
                $0.hints = Dictionary(uniqueKeysWithValues: (0...256).map { ("h\($0)", "qwen") })
            },
        ])
    func badRouting(bad: Bad) async {
        var request = full
        bad.change(&request)
        let problem = await problem { try await house.flow.setRouting(of: house.workspace.id, request) }
        #expect(problem?.code == .validationError)
        #expect(problem?.parameter == bad.parameter)
    }

    @Test("a hint cannot be a model's own name, and may be another name of a model")
    func hintsAndModels() async throws {
        _ = try await house.flow.registerDeployment(
            NewDeployment(
                model: "qwen", endpoint: "http://127.0.0.1:9", environment: "staging", aliases: ["quick"]))
        var request = NewRouting(strategy: "weighted")
        request.hints = ["qwen": "other"]
        let refused = await problem { try await house.flow.setRouting(of: house.workspace.id, request) }
        #expect(refused?.code == .validationError && refused?.parameter == "hints.qwen")
        request.hints = ["quick": "qwen"]
        #expect(try await house.flow.setRouting(of: house.workspace.id, request).hints == ["quick": "qwen"])
    }

    @Test("a tenant's admin sets what is the workspace's own; cost bounds and a higher priority are the operator's")
    func admins() async throws {
        let acme = try await house.house("acme")
        let admin = try await house.person("ada", .admin, in: acme.tenant)
        var request = NewRouting(strategy: "lowest_latency")
        request.regions = ["eu-west"]
        #expect(try await admin.setRouting(of: acme.workspace, request).regions == ["eu-west"])
        for change in [{ $0.priority = "high" }, { $0.maxCost = DecimalInput("1") }] as [(inout NewRouting) -> Void] {
            var more = request
            change(&more)
            #expect(await problem { try await admin.setRouting(of: acme.workspace, more) }?.code == .policyDenied)
        }
        var bound = request
        (bound.priority, bound.maxCost) = ("high", DecimalInput("1"))
        _ = try await house.flow.setRouting(of: acme.workspace, bound)
        let kept = try await admin.setRouting(of: acme.workspace, NewRouting(strategy: "weighted"))
        #expect(kept.priority == .high && kept.maxCost == "1.00" && kept.strategy == .weighted && kept.regions == [])
        #expect(await problem { try await admin.removeRouting(of: acme.workspace) }?.code == .policyDenied)
        var lower = NewRouting(strategy: "weighted")
        lower.priority = "low"
        #expect(try await admin.setRouting(of: acme.workspace, lower).priority == .low)
        #expect(try await house.flow.setRouting(of: acme.workspace, lower).maxCost == nil, "an operator leaves it out")
    }

    @Test("developers and analysts look and do not set, and nobody learns of another tenant's workspace")
    func others() async throws {
        let (acme, other) = (try await house.house("acme"), try await house.house("other"))
        for (name, role) in [("dan", .developer), ("ann", .analyst)] as [(String, Role)] {
            let flow = try await house.person(name, role, in: acme.tenant)
            #expect(try await flow.routing(of: acme.workspace).changed == nil)
            let set = await problem { try await flow.setRouting(of: acme.workspace, NewRouting(strategy: "weighted")) }
            #expect(set?.code == .policyDenied)
        }
        let owner = try await house.person("olga", .owner, in: acme.tenant)
        #expect(await problem { try await owner.routing(of: other.workspace) }?.code == .notFound)
        #expect(await problem { try await owner.listRouting(in: other.tenant) }?.code == .notFound)
        let set = await problem { try await owner.setRouting(of: other.workspace, NewRouting(strategy: "weighted")) }
        #expect(set?.code == .notFound)
    }
}
