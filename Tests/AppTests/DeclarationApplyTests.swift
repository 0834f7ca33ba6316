import App
import AsyncHTTPClient
import Flows
import Inference
import Kernel
import Logging
import TestKit
import Testing

/// Declarations applied to a real database, through the same flows as the API.
@Suite("declaration: comparing and applying")
struct DeclarationApplyTests {
    let temporary: TemporaryFolder
    let folder: DataFolder
    let clock = SkippingClock()

    init() throws {
        temporary = try TemporaryFolder()
        folder = DataFolder(temporary.path("data"))
    }

    private func withControl<Value: Sendable>(
        _ body: @Sendable (any Control) async throws -> Value
    ) async throws -> Value {
        let configuration = Configuration.load(flags: ["data_dir": folder.path], environment: [:]).configuration
        return try await HTTPClient.withHTTPClient { client in
            try await ControlAccess(
                configuration: configuration, environment: [:], client: client, clock: clock,
                random: SeededRandom(seed: 11), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ).use(begins: true, body)
        }
    }

    private func work(_ yaml: String, environment: [String: String] = [:]) throws -> DeclarationWork {
        try DeclarationWork(
            DeclarationFile(path: temporary.path("volery.yaml"), yaml: yaml), environment: environment,
            folder: folder, random: SeededRandom(seed: 12))
    }

    private func lines(_ steps: [DeclarationStep]) -> [String] { steps.map(\.text) }

    private let start = """
        tenants:
          - name: acme
            workspaces: [production, {name: old, state: suspended}]
            members: [{user: ada, role: owner}, {user: bob, role: developer, workspace: production}]
            service_accounts: [{name: ci, role: developer, workspace: production}]
            rules: [{name: no gpt, effect: deny, workspace: production, models: [gpt-*]}]
        providers: [{name: groq}]
        models:
          - {name: llama, aliases: [small], deployments: [{provider: groq}, {endpoint: "http://127.0.0.1:9/v1"}]}
        """

    @Test("an empty platform becomes what the file says, in an order that works; the second time nothing is to do")
    func twice() async throws {
        let work = try work(start)
        let (planned, done, again) = try await withControl { control in
            let planned = try await work.plan(on: control, prunes: true).steps
            let done = try await work.apply(on: control, prunes: true)
            return (planned, done, try await work.apply(on: control, prunes: true))
        }
        #expect(lines(planned) == lines(done))
        #expect(
            lines(done) == [
                "+ tenant acme", "+ workspace acme/production", "+ workspace acme/old",
                "+ rule acme/no gpt  effect: deny, models: gpt-*, workspace: production",
                "+ service-account acme/ci", "+ member acme/ada  role: owner",
                "+ member acme/production/bob  role: developer", "+ member acme/production/ci  role: developer",
                "+ provider groq",
                "+ deployment llama  aliases: small, capabilities: all, protocol: openai, provider: groq, "
                    + "upstream_model: llama",
                "+ deployment llama  aliases: small, capabilities: all, endpoint: http://127.0.0.1:9, "
                    + "protocol: openai, upstream_model: llama",
                "~ workspace acme/old  state: active -> suspended",
            ])
        #expect(again.isEmpty, "\(lines(again))")
    }

    @Test("what differs is changed, what is more stays, and pruning takes it away")
    func changes() async throws {
        let first = try work(start)
        let second = try work(
            """
            tenants:
              - name: acme
                workspaces: [production, {name: old, state: active}, new]
                members: [{user: ada, role: owner}]
                service_accounts: []
                rules: [{name: no gpt, effect: deny, models: [gpt-*, o1]}]
            providers: []
            deployments: [{model: llama, endpoint: "http://127.0.0.1:9/v1", context_limit: 100}]
            """)
        let (changes, pruned, rest) = try await withControl { control in
            _ = try await first.apply(on: control, prunes: false)
            let changes = try await second.apply(on: control, prunes: false)
            let pruned = try await second.apply(on: control, prunes: true)
            return (changes, pruned, try await second.plan(on: control, prunes: true).steps)
        }
        #expect(
            lines(changes) == [
                "~ workspace acme/old  state: suspended -> active", "+ workspace acme/new",
                "~ rule acme/no gpt  models: gpt-* -> gpt-* | o1, workspace: production -> none",
                "~ deployment llama  aliases: small -> none, context_limit: 100",
            ])
        #expect(
            lines(pruned) == [
                "- member acme/production/bob  role: developer -> none",
                "- member acme/production/ci  role: developer -> none",
                "- deployment llama  endpoint: https://api.groq.com/openai -> none", "- provider groq",
                "~ service-account acme/ci  state: active -> suspended",
            ])
        #expect(rest.isEmpty, "\(lines(rest))")
    }

    @Test("terms are set and changed in place; what operators turn stays where the file says nothing of it")
    func terms() async throws {
        let place = #"endpoint: "http://127.0.0.1:9/v1""#
        let first = try work(
            """
            deployments:
              - {model: m, \(place), model_version: "1", region: eu, data_policies: [b, a], first_token_ms: 300,
                 concurrency: adaptive:8, weight: 10}
              - {model: m, \(place), upstream_model: big}
            """)
        let second = try work(
            """
            deployments:
              - {model: m, \(place), upstream_model: big, protocol: anthropic}
              - {model: m, \(place), model_version: "2", data_policies: [a], concurrency: 4, priority: 1}
            """)
        let (made, again, changed, before, after) = try await withControl { control in
            let made = try await first.apply(on: control, prunes: false)
            let before = try await control.listDeployments()
            for row in before {
                var turned = DeploymentChangeRequest()
                (turned.weight, turned.enabled) = (row.weight == 10 ? 10 : 55, false)
                _ = try await control.changeDeployment(row.id, turned)
            }
            let again = try await first.apply(on: control, prunes: true)
            let changed = try await second.apply(on: control, prunes: true)
            return (made, again, changed, before, try await control.listDeployments())
        }
        #expect(
            lines(made) == [
                "+ deployment m  capabilities: all, concurrency: adaptive:8, data_policies: a | b, "
                    + "endpoint: http://127.0.0.1:9, first_token_ms: 300, model_version: 1, protocol: openai, "
                    + "region: eu, upstream_model: m, weight: 10",
                "+ deployment m  capabilities: all, endpoint: http://127.0.0.1:9, "
                    + "protocol: openai, upstream_model: big",
            ])
        #expect(again.isEmpty, "\(lines(again))")
        #expect(
            lines(changed) == [
                "~ deployment m  protocol: openai -> anthropic",
                "~ deployment m  concurrency: adaptive:8 -> 4, data_policies: a | b -> a, "
                    + "first_token_ms: 300 -> none, model_version: 1 -> 2, priority: 0 -> 1, region: eu -> none",
            ])
        let kept = try #require(after.first { $0.upstreamModel == "m" })
        #expect(before.contains { $0.id == kept.id }, "changed in place")
        #expect(kept.weight == 10 && !kept.enabled && kept.priority == 1 && kept.version == "2" && kept.region == nil)
        let replaced = try #require(after.first { $0.upstreamModel == "big" })
        #expect(!before.contains { $0.id == replaced.id } && replaced.wire == .anthropic)
        #expect(replaced.weight == 55 && !replaced.enabled, "what was turned stays turned")
    }

    @Test("pruning never takes the default tenant, its default workspace, or a key; what was pruned can come back")
    func pruning() async throws {
        let none = try work("tenants: []")
        let bare = try work("tenants: [{name: acme, workspaces: []}]")
        let bareDefault = try work("tenants: [{name: default, workspaces: []}]")
        let first = try work(start)
        let (gone, kept, back, keys) = try await withControl { control in
            _ = try await first.apply(on: control, prunes: false)
            _ = try await control.createKey(NewKey(name: "mine"))
            let gone = try await none.apply(on: control, prunes: true)
            let kept = try await bareDefault.apply(on: control, prunes: true)
            let back = try await bare.apply(on: control, prunes: true)
            return (gone, kept, back, try await control.listKeys(in: nil, PageRequest()).data)
        }
        #expect(lines(gone) == ["- tenant acme"])
        #expect(lines(kept).isEmpty)
        #expect(
            lines(back) == [
                "~ tenant acme  state: deleted -> active", "- workspace acme/old", "- workspace acme/production",
            ])
        #expect(keys.map(\.name) == ["mine"])
        #expect(keys.allSatisfy { $0.revoked == nil })
    }

    @Test("a file that says nothing of the state leaves what is suspended suspended")
    func incident() async throws {
        let work = try work("tenants: [{name: acme, workspaces: [w]}]")
        let (steps, state) = try await withControl { control in
            _ = try await work.apply(on: control, prunes: false)
            let id = try #require(try await control.listTenants(PageRequest()).data.first { $0.name == "acme" }).id
            _ = try await control.changeTenant(id, DirectoryChangeRequest(state: "suspended"))
            let steps = try await work.apply(on: control, prunes: true)
            return (steps, try await control.tenant(id).state)
        }
        #expect(steps.isEmpty)
        #expect(state == "suspended")
    }

    @Test("a second rule of a declared name goes, and rules of other names stay")
    func secondRule() async throws {
        let work = try work("tenants: [{name: acme, rules: [{name: r, effect: deny, models: [x]}]}]")
        let (steps, names) = try await withControl { control in
            _ = try await work.apply(on: control, prunes: false)
            for name in ["r", "other"] {
                _ = try await control.createRule(
                    NewRule(name: name, effect: "deny", tenant: "acme", models: ["y"]))
            }
            let steps = try await work.apply(on: control, prunes: false)
            let id = try #require(try await control.listTenants(PageRequest()).data.first { $0.name == "acme" }).id
            return (steps, try await control.listRules(in: id).map(\.name).sorted())
        }
        // Which of the two came first is not told by identifiers of one millisecond.
        #expect(lines(steps).last == "- rule acme/r")
        #expect(names == ["other", "r"])
    }

    @Test("every step is in the audit log, as over the API")
    func audited() async throws {
        let work = try work(start)
        let actions = try await withControl { control in
            _ = try await work.apply(on: control, prunes: false)
            let id = try #require(try await control.listTenants(PageRequest()).data.first { $0.name == "acme" }).id
            return try await control.auditEvents(of: id, PageRequest()).data.map(\.action)
        }
        for action in ["tenant.create", "workspace.create", "rule.create", "member.add", "workspace.suspend"] {
            #expect(actions.contains(action), "\(actions)")
        }
    }

    @Test("a provider's key is put once; another one, or one that somebody else put meanwhile, is put again")
    func keys() async throws {
        let yaml = "providers: [{name: groq, key_env: KEY}]"
        let first = try work(yaml, environment: ["KEY": "gsk-hidden-one"])
        let other = try work(yaml, environment: ["KEY": "gsk-hidden-two"])
        _ = try await withControl { try await first.apply(on: $0, prunes: false).count }
        let rounds = try await withControl { [clock] control in
            var rounds: [[DeclarationStep]] = []
            for work in [first, other, other] { rounds.append(try await work.apply(on: control, prunes: false)) }
            let provider = try #require(try await control.listProviders().first)
            #expect(provider.hasKey)
            try await clock.sleep(for: .seconds(1))
            _ = try await control.replaceProviderKey(provider.id, NewProviderKey(key: Secret("gsk-elsewhere")))
            return rounds + [try await other.apply(on: control, prunes: false)]
        }
        #expect(rounds.map(\.count) == [0, 1, 0, 1])
        // Another process remembers what this one put.
        let later = try work(yaml, environment: ["KEY": "gsk-hidden-two"])
        #expect(try await withControl { try await later.plan(on: $0, prunes: false).steps.count } == 0)
        let texts = rounds.joined().map(\.text)
        #expect(texts.allSatisfy { $0.contains("key") && !$0.contains("hidden") }, "\(texts)")
    }

    @Test("a second node with the same file does not make the same key a new one")
    func nodes() async throws {
        let file = DeclarationFile(path: "/f.yaml", yaml: "providers: [{name: groq, key_env: KEY}]")
        let nodes = try ["one", "two"].map { name in
            try DataFolder(temporary.path(name)).create()
            return try DeclarationWork(
                file, environment: ["KEY": "gsk"], folder: DataFolder(temporary.path(name)),
                random: SeededRandom(seed: 3))
        }
        let (counts, stored) = try await withControl { [clock] control in
            var counts: [Int] = []
            var stored: [Instant?] = []
            for node in [0, 1, 0, 1] {
                try await clock.sleep(for: .seconds(60))
                counts.append(try await nodes[node].apply(on: control, prunes: false).count)
                stored.append(try await control.listProviders().first?.keyStored)
            }
            return (counts, stored)
        }
        #expect(counts == [1, 1, 0, 0])
        #expect(Set(stored).count == 1, "\(stored)")
    }

    @Test("a key that cannot be read stops everything before anything is done")
    func missingKey() async throws {
        let work = try work("tenants: [{name: acme}]\nproviders: [{name: groq, key_file: nowhere}]")
        let (problem, tenants) = try await withControl { control in
            let problem = await #expect(throws: Problem.self) { try await work.apply(on: control, prunes: false) }
            return (problem, try await control.listTenants(PageRequest()).data.map(\.name))
        }
        #expect(problem?.code == .configurationInvalid)
        #expect(tenants == ["default"])
    }

    @Test("what cannot be had is told before anything is done, all of it")
    func conflicts() async throws {
        let first = try work("providers: [{name: mine, endpoint: \"https://one.example\"}]")
        let second = try work(
            """
            tenants: [{name: acme, members: [{user: ada, role: owner, workspace: nowhere}]}]
            providers: [{name: mine, endpoint: "https://two.example"}]
            """)
        let third = try work("deployments: [{model: m, provider: nobody}]")
        let problems = try await withControl { control in
            _ = try await first.apply(on: control, prunes: false)
            return [
                await #expect(throws: Problem.self) { try await second.apply(on: control, prunes: false) },
                await #expect(throws: Problem.self) { try await third.plan(on: control, prunes: false) },
            ]
        }
        #expect(problems.map { $0?.code } == [.validationError, .validationError])
        #expect(problems[0]?.message.split(separator: "\n").count == 2, "\(String(describing: problems[0]))")
        #expect(problems[1]?.message.contains("`nobody`") == true)
    }

    @Test("the first step that fails ends it, and what was done is said")
    func stops() async throws {
        let first = try work("tenants: [{name: acme, members: [{user: ada, role: owner}]}]")
        // The last owner cannot be made anything else.
        let second = try work(
            "tenants: [{name: acme, workspaces: [w], members: [{user: ada, role: analyst}]}, {name: beta}]")
        let (problem, told, tenants) = try await withControl { control in
            _ = try await first.apply(on: control, prunes: false)
            let told = Shared<[String]>([])
            let problem = await #expect(throws: Problem.self) {
                try await second.apply(on: control, prunes: false) { step in
                    told.update { [text = step.text] in $0.append(text) }
                }
            }
            return (problem, told.value, try await control.listTenants(PageRequest()).data.map(\.name))
        }
        #expect(problem?.code == .conflict)
        #expect(problem?.message.hasPrefix("Step 2 of 3 failed (~ member acme/ada  role: owner -> analyst)") == true)
        #expect(problem?.message.hasSuffix("1 done, 2 not.") == true)
        #expect(told == ["+ workspace acme/w"])
        #expect(!tenants.contains("beta"))
    }
}
