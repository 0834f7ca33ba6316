import Flows
import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct RuleControlTests {
    let house: ControlHarness

    init() async throws { house = try await ControlHarness() }

    @Test("a rule is made, replaced and removed, and says what it was asked for")
    func life() async throws {
        let made = try await house.flow.createRule(
            NewRule(
                name: "office", effect: "require", workspace: "default", actions: ["inference:execute"],
                models: ["tiny-*"], addresses: ["10.0.0.0/8"], times: ["mon-fri 08:00-18:00 +03:30"]))
        #expect(made.workspace == house.workspace.id)
        #expect(made.times == ["mon,tue,wed,thu,fri 08:00-18:00 +03:30"])
        #expect(try await house.flow.listRules(in: nil) == [made])
        let replaced = try await house.flow.replaceRule(
            made.id, NewRule(name: "no night", effect: "deny", times: ["22:00-06:00"]))
        #expect(replaced.id == made.id)
        #expect(replaced.workspace == nil)
        #expect(try await house.flow.rule(made.id) == replaced)
        #expect(try await house.flow.removeRule(made.id) == replaced)
        #expect(await problem { try await house.flow.rule(made.id) }?.code == .notFound)
    }

    @Test(
        "a bad rule is refused with its field",
        arguments: [
            (NewRule(name: "", effect: "deny"), "name"), (NewRule(name: "r", effect: "allow"), "effect"),
            (NewRule(name: "r", effect: "require"), "effect"),
            (NewRule(name: "r", effect: "deny", actions: ["fly"]), "actions[0]"),
            (NewRule(name: "r", effect: "deny", keys: ["k"]), "keys[0]"),
            (NewRule(name: "r", effect: "deny", models: ["a*b"]), "models[0]"),
            (NewRule(name: "r", effect: "deny", environments: ["prod"]), "environments[0]"),
            (NewRule(name: "r", effect: "deny", addresses: ["10.0.0.1/8"]), "addresses[0]"),
            (NewRule(name: "r", effect: "deny", times: ["always"]), "times[0]"),
        ])
    func badRules(request: NewRule, parameter: String) async {
        let problem = await problem { try await house.flow.createRule(request) }
        #expect(problem?.code == .validationError)
        #expect(problem?.parameter == parameter)
    }

    @Test("a question about a key has the answer that its request would have, with the reason")
    func questions() async throws {
        let key = try await house.flow.createKey(NewKey(name: "k", scopes: ["model=tiny-*"])).view
        func ask(_ action: String, model: String? = nil, address: String? = nil) async throws -> AccessAnswer {
            try await house.flow.testAccess(
                AccessQuestion(subject: key.id.description, action: action, model: model, address: address))
        }
        #expect(try await ask("inference:execute", model: "tiny-1") == AccessAnswer(allowed: true, reason: nil))
        #expect(try await ask("inference:execute", model: "large").reason?.contains("model") == true)
        #expect(try await ask("key:write").reason?.contains("key:write") == true)
        _ = try await house.flow.createRule(
            NewRule(name: "office", effect: "require", addresses: ["10.0.0.0/8"]))
        #expect(try await ask("inference:execute", model: "tiny-1", address: "10.1.1.1").allowed)
        let outside = try await ask("inference:execute", model: "tiny-1", address: "192.0.2.1")
        #expect(outside.reason?.contains("office") == true)
        _ = try await house.flow.revokeKey(key.id)
        #expect(try await ask("inference:execute").reason == "The key is revoked.")
    }

    @Test("a question by a model's other name is about the model, also while the model does not run")
    func questionsByAlias() async throws {
        let house = try await ControlHarness(
            runtimes: [ControlHarness.service("tiny", state: "stopped", aliases: ["default"])])
        for (scope, asked) in [("tiny", "default"), ("default", "tiny"), ("default", "default")] {
            let key = try await house.flow.createKey(NewKey(name: "k", scopes: ["model=\(scope)"])).view
            let question = AccessQuestion(subject: key.id.description, action: "inference:execute", model: asked)
            #expect(try await house.flow.testAccess(question).allowed)
        }
        _ = try await house.flow.createRule(NewRule(name: "none", effect: "deny", models: ["default"]))
        let key = try await house.flow.createKey(NewKey(name: "k")).view
        let question = AccessQuestion(subject: key.id.description, action: "inference:execute", model: "tiny")
        #expect(try await house.flow.testAccess(question).reason?.contains("none") == true)
    }

    @Test("nobody asks about another tenant's keys and people")
    func foreign() async throws {
        let acme = try await house.house("acme")
        let other = try await house.house("other")
        let admin = try await house.person("ann", .admin, in: acme.tenant)
        let bob = try await house.flow.addMember(NewMember(user: "bob", role: "admin", tenant: "other"))
        let key = try await house.flow.createKey(NewKey(name: "k", workspace: other.workspace.description)).view
        for subject in [key.id.description, bob.user.description, "key_01JZ0000000000000000000000"] {
            let question = AccessQuestion(subject: subject, action: "inference:execute")
            #expect(await problem { try await admin.testAccess(question) }?.code == .notFound)
        }
        // A foreign workspace is answered like one that never was, whomever the question is about.
        let members = try await admin.listMembers(in: nil, workspace: nil, PageRequest()).data
        let ann = try #require(members.first { $0.name == "ann" }).user
        let own = try await admin.createKey(NewKey(name: "k", workspace: acme.workspace.description)).view.id
        let never: WorkspaceID = house.samples.ids.next()
        let unknown: UserID = house.samples.ids.next()
        for subject in [ann, bob.user, unknown].map(\.description) + [own, key.id].map(\.description) {
            var said: [String?] = []
            for workspace in [other.workspace, never] {
                let question = AccessQuestion(
                    subject: subject, action: "key:read", workspace: workspace.description)
                let refused = await problem { try await admin.testAccess(question) }
                #expect(refused?.code == .notFound)
                said.append(refused?.message.replacing(workspace.description, with: "X"))
            }
            #expect(said[0] == said[1])
        }
    }
}
