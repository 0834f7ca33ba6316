import Flows
import Foundation
import Inference
import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct RegistryControlTests {
    let house: ControlHarness

    init() async throws { house = try await ControlHarness() }

    private func request(_ model: String = "qwen", port: Int = 9) -> NewDeployment {
        NewDeployment(model: model, endpoint: "http://127.0.0.1:\(port)/v1")
    }

    @Test("what is said of a deployment is routed by at once, and shown with absent values as null")
    func register() async throws {
        var request = request()
        request.wire = "anthropic"
        request.version = "2"
        request.weight = 10
        request.priority = 1
        request.region = "eu-west"
        request.dataPolicies = ["no-training", "no-training", "eu-only"]
        request.firstTokenMilliseconds = 300
        request.concurrency = ConcurrencyText("adaptive:8")
        request.enabled = false
        let view = try await house.flow.registerDeployment(request)
        let routed = try #require(house.registry.snapshot.deployments(of: try ModelName(checking: "qwen@2")).first)
        #expect(routed.terms.weight == 10 && routed.terms.priority == 1 && routed.terms.region == "eu-west")
        #expect(routed.terms.dataPolicies == ["no-training", "eu-only"] && !routed.terms.isEnabled)
        #expect(routed.terms.promisedFirstToken == .milliseconds(300))
        #expect(routed.terms.concurrency == .adaptive(most: 8) && routed.wire == .anthropic)
        #expect(try await house.flow.deployment(view.id) == view)
        #expect(try await house.flow.models().map(\.state) == ["disabled"])
        let plain = try await house.flow.registerDeployment(self.request(port: 8))
        let text = String(decoding: try JSONEncoder().encode(plain), as: UTF8.self)
        for field in ["model_version", "region", "first_token_ms", "concurrency", "health", "provider"] {
            #expect(text.contains("\"\(field)\":null"), "\(field)")
        }
        let decoded = try JSONDecoder().decode(DeploymentView.self, from: Data(text.utf8))
        #expect(decoded == plain)
    }

    struct Bad: Sendable {
        let parameter: String
        let change: @Sendable (inout NewDeployment) -> Void
    }

    @Test(
        "a bad term is refused with its name",
        arguments: [
            Bad(parameter: "model_version") { $0.version = "" },
            Bad(parameter: "model_version") { $0.version = "a@b" },
            Bad(parameter: "model_version") {
                ($0.model, $0.version) = (String(repeating: "m", count: 120), "123456789")
            },
            Bad(parameter: "weight") { $0.weight = -1 },
            Bad(parameter: "weight") { $0.weight = 1_000_001 },
            Bad(parameter: "priority") { $0.priority = 1001 },
            Bad(parameter: "region") { $0.region = "eu west" },
            Bad(parameter: "data_policies[1]") { $0.dataPolicies = ["ok", ""] },
            Bad(parameter: "first_token_ms") { $0.firstTokenMilliseconds = 0 },
            Bad(parameter: "concurrency") { $0.concurrency = ConcurrencyText("many") },
            Bad(parameter: "concurrency") { $0.concurrency = ConcurrencyText("0") },
        ])
    func badTerms(bad: Bad) async {
        var request = request()
        bad.change(&request)
        let problem = await problem { try await house.flow.registerDeployment(request) }
        #expect(problem?.code == .validationError && problem?.parameter == bad.parameter)
        #expect(problem?.hint.isEmpty == false)
    }

    @Test("a change is of what it names, is in force at once, and is refused when it comes too late")
    func update() async throws {
        let made = try await house.flow.registerDeployment(request())
        var change = DeploymentChangeRequest()
        change.weight = 5
        change.region = .set("eu-west")
        change.revision = 1
        let changed = try await house.flow.changeDeployment(made.id, change)
        #expect(changed.weight == 5 && changed.region == "eu-west" && changed.revision == 2)
        #expect(house.registry.snapshot.deployments.map(\.terms.weight) == [5])
        #expect(await problem { try await house.flow.changeDeployment(made.id, change) }?.code == .conflict)
        change = DeploymentChangeRequest()
        change.region = .clear
        #expect(try await house.flow.changeDeployment(made.id, change).region == nil)
        let nothing = await problem { try await house.flow.changeDeployment(made.id, DeploymentChangeRequest()) }
        #expect(nothing?.code == .validationError)
        change.weight = -5
        #expect(await problem { try await house.flow.changeDeployment(made.id, change) }?.parameter == "weight")
        let unknown: DeploymentID = house.samples.ids.next()
        change.weight = 5
        #expect(await problem { try await house.flow.changeDeployment(unknown, change) }?.code == .notFound)
        let acts = try await house.acts(of: nil)
        #expect(
            acts.suffix(4) == [
                "deployment.update", "deployment.update", "deployment.update CONFLICT", "deployment.update",
            ])
    }

    @Test("a change is read from JSON as it was written: null takes away, and what is left out stays")
    func changeAsJSON() throws {
        let text = #"{"region": null, "concurrency": "adaptive:4", "context_limit": 5, "weight": 3}"#
        let change = try JSONDecoder().decode(DeploymentChangeRequest.self, from: Data(text.utf8))
        #expect(change.region == .clear && change.contextLimit == .set(5) && change.version == nil)
        #expect(change.concurrency == .set(ConcurrencyText("adaptive:4")))
        let again = try JSONDecoder().decode(DeploymentChangeRequest.self, from: try JSONEncoder().encode(change))
        #expect(again == change)
    }

    @Test("a disabled deployment stays in the snapshot as disabled, until it is enabled again")
    func disable() async throws {
        let made = try await house.flow.registerDeployment(request())
        for enabled in [false, false, true] {
            let changed = try await house.flow.setDeployment(made.id, enabled: enabled)
            #expect(changed.enabled == enabled)
            #expect(house.registry.snapshot.deployments.map(\.terms.isEnabled) == [enabled])
        }
        let unknown: DeploymentID = house.samples.ids.next()
        #expect(await problem { try await house.flow.setDeployment(unknown, enabled: false) }?.code == .notFound)
        #expect(
            try await house.acts(of: nil).suffix(3) == [
                "deployment.disable", "deployment.disable", "deployment.enable",
            ])
    }

    @Test("the first of a service is promoted with its weight, one beside others stands by")
    func promote() async throws {
        var staged = request()
        staged.environment = "staging"
        staged.version = "2"
        staged.weight = 70
        let first = try await house.flow.registerDeployment(staged)
        staged.endpoint = "http://127.0.0.1:10"
        let second = try await house.flow.registerDeployment(staged)
        let promoted = try await house.flow.promoteDeployment(first.id, Promotion(to: "production"))
        #expect(promoted.environment == .production && promoted.weight == 70 && promoted.version == "2")
        #expect(promoted.id != first.id && promoted.endpoint == first.endpoint && promoted.revision == 1)
        #expect(try await house.flow.promoteDeployment(second.id, Promotion(to: "production")).weight == 0)
        let name = try ModelName(checking: "qwen")
        #expect(house.registry.snapshot.deployments(of: name).count == 2)
        #expect(house.registry.snapshot.deployments(of: name, in: .staging).count == 2)
        let twice = await problem { try await house.flow.promoteDeployment(second.id, Promotion(to: "production")) }
        #expect(twice?.code == .alreadyExists)
        let wrong = [(promoted.id, "staging"), (first.id, "staging"), (first.id, "development"), (first.id, "live")]
        for (id, to) in wrong {
            let refused = await problem { try await house.flow.promoteDeployment(id, Promotion(to: to)) }
            #expect(refused?.code == .validationError && refused?.parameter == "to", "\(to)")
        }
        let heavy = await problem {
            try await house.flow.promoteDeployment(second.id, Promotion(to: "production", weight: -1))
        }
        #expect(heavy?.parameter == "weight")
        #expect(try await house.acts(of: nil).contains("deployment.promote"))
    }

    @Test("health is what the node last saw, and null where it saw nothing")
    func health() async throws {
        let made = try await house.flow.registerDeployment(request())
        #expect(made.health == nil)
        let now = house.clock.now
        house.health.update { $0[made.id] = DeploymentHealth(.open, seen: now) }
        let seen = try await house.flow.listDeployments().map(\.health)
        #expect(seen == [DeploymentHealthView(DeploymentHealth(.open, seen: now))])
    }

    @Test("only operators look at or change deployments")
    func operatorsOnly() async throws {
        let made = try await house.flow.registerDeployment(request())
        let acme = try await house.house("acme")
        let owner = try await house.person("olga", .owner, in: acme.tenant)
        var change = DeploymentChangeRequest()
        change.weight = 1
        let codes = [
            await problem { try await owner.deployment(made.id) }?.code,
            await problem { try await owner.changeDeployment(made.id, change) }?.code,
            await problem { try await owner.setDeployment(made.id, enabled: false) }?.code,
            await problem { try await owner.promoteDeployment(made.id, Promotion(to: "production")) }?.code,
        ]
        #expect(codes == [.policyDenied, .policyDenied, .policyDenied, .policyDenied])
    }
}
