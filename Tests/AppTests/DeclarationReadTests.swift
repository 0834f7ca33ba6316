import App
import Inference
import Kernel
import Tenancy
import Testing

@Suite("declaration: reading")
struct DeclarationReadTests {
    static let whole = """
        port: 9000
        tenants:
          - name: acme
            workspaces:
              - production
              - name: old
                state: suspended
            members:
              - {user: ada@acme.example, role: owner}
              - {user: ada@acme.example, role: developer, workspace: production}
            service_accounts:
              - name: ci
                role: developer
                workspace: production
            rules:
              - name: office hours
                effect: require
                workspace: production
                actions: [inference:execute]
                times: ["mon-fri 08:00-18:00 +03:30"]
                addresses: [10.0.0.0/8]
          - name: bare
        providers:
          - {name: openrouter, key_env: OPENROUTER_API_KEY}
          - {name: mine, endpoint: "http://127.0.0.1:9/v1", key_file: keys/mine}
        models:
          - name: llama
            aliases: [default]
            context_limit: 8192
            deployments:
              - {provider: openrouter, upstream_model: meta/llama}
              - {endpoint: "http://127.0.0.1:8081/v1", capabilities: [chat]}
        deployments:
          - {model: embed, endpoint: "https://embed.example/v1", environment: staging}
        """

    @Test("a whole file is read as it was meant, and settings stand beside it")
    func whole() throws {
        let file = DeclarationFile(path: "/d/volery.yaml", yaml: Self.whole)
        #expect(file.faults.isEmpty, "\(file.faults)")
        let declaration = try file.checked()
        let acme = try #require(declaration.tenants?.first)
        #expect(acme.workspaces?.map(\.name) == ["production", "old"])
        #expect(acme.workspaces?.map(\.state) == [nil, .suspended])
        #expect(acme.members?.map(\.role) == [.owner, .developer])
        #expect(acme.serviceAccounts?.first?.workspace == "production")
        #expect(acme.rules?.first?.conditions.times.map(\.text) == ["mon,tue,wed,thu,fri 08:00-18:00 +03:30"])
        #expect(declaration.tenants?.last == TenantDeclaration.named("bare"))
        #expect(declaration.providers?.map(\.key) == [.environment("OPENROUTER_API_KEY"), .file("keys/mine")])
        let deployments = try #require(declaration.deployments)
        #expect(deployments.map(\.model.text) == ["llama", "llama", "embed"])
        #expect(deployments.map(\.aliases.count) == [1, 1, 0])
        #expect(deployments.map(\.contextLimit) == [8192, 8192, nil])
        #expect(deployments.map(\.upstreamModel) == ["meta/llama", "llama", "embed"])
        #expect(deployments.map(\.capabilities) == [nil, [.chat], nil])
        #expect(deployments.map(\.environment) == [.production, .production, .staging])
    }

    @Test("the settings of the same file are read without what it declares")
    func settings() throws {
        let report = Configuration.load(
            flags: ["data_dir": "/d"], environment: [:],
            surroundings: .init(workingDirectory: "/w") { $0 == "/d/volery.yaml" ? Self.whole : nil })
        #expect(try report.checked().port == 9000)
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        let yaml: String
        let line: Int
        let column: Int
        let words: String

        init(_ yaml: String, _ line: Int, _ column: Int, _ words: String) {
            (self.yaml, self.line, self.column, self.words) = (yaml, line, column, words)
        }

        var testDescription: String { words }
    }

    @Test(
        "what is wrong is told with its line and column, and with what may have been meant",
        arguments: [
            Wrong("tenant: []", 1, 1, "tenant is not known; did you mean `tenants`?"),
            Wrong("budgets: []", 1, 1, "budgets is not known"),
            Wrong("prot: 80", 1, 1, "prot is not known; did you mean `port`?"),
            Wrong("port: 808O", 1, 7, "port `808O` is not allowed"),
            Wrong("- a", 1, 1, "the file must be a mapping"),
            Wrong("tenants: x", 1, 10, "tenants must be a list"),
            Wrong("tenants: [x]", 1, 11, "tenants[0] must be a mapping, such as `name: …`"),
            Wrong("tenants:\n- state: active", 2, 3, "tenants[0] has no `name`"),
            Wrong("tenants:\n- name: a\n  stat: active", 3, 3, "tenants[0].stat is not known; did you mean `state`?"),
            Wrong(
                "tenants:\n- name: a\n  state: activ", 3, 10,
                "tenants[0].state is `activ`, which is not known; allowed: active, suspended; did you mean `active`?"),
            Wrong("tenants:\n- name: a\n- name: a", 3, 3, "tenants[1] is a second tenant named `a`"),
            Wrong("tenants:\n- name: [a]", 2, 9, "tenants[0].name must be text"),
            Wrong("tenants:\n- name:", 2, 8, "tenants[0].name must be text"),
            Wrong("tenants:\n- name: \"a\\tb\"", 2, 9, "tenants[0].name is `a\tb`, which is not allowed"),
            Wrong(
                "tenants:\n- name: a\n  members: [{user: u, role: king}]", 3, 29,
                "tenants[0].members[0].role is `king`, which is not known"),
            Wrong(
                "tenants:\n- name: a\n  workspaces: [prod]\n  members: [{user: u, role: owner, workspace: prot}]", 4,
                47,
                "tenants[0].members[0].workspace is `prot`, which is none of the tenant's workspaces; did you mean"),
            Wrong(
                "tenants:\n- name: a\n  members: [{user: u, role: owner}, {user: u, role: admin}]", 3, 37,
                "tenants[0].members[1] is a second place of `u`"),
            Wrong(
                "tenants:\n- name: a\n  service_accounts: [{name: s, workspace: w}]", 3, 43,
                "needs a `role` beside it"),
            Wrong(
                "tenants:\n- name: a\n  rules: [{name: r, effect: deny, actions: [inference:exekute]}]", 3, 45,
                "did you mean `inference:execute`?"),
            Wrong("tenants:\n- name: a\n  rules: [{name: r, effect: require}]", 3, 11, "requires nothing"),
            Wrong(
                "tenants:\n- name: a\n  rules: [{name: r, effect: deny, addresses: [10.0.0.1/8]}]", 3, 47,
                "is `10.0.0.1/8`, which is not allowed"),
            Wrong(
                "tenants:\n- name: a\n  rules: [{name: r, effect: deny, times: [\"25:00-26:00\"]}]", 3, 43,
                "is `25:00-26:00`, which is not allowed"),
            Wrong("providers:\n- name: Open", 2, 9, "providers[0].name is `Open`, which is not allowed"),
            Wrong("providers:\n- name: unknown", 2, 9, "providers[0].name needs an `endpoint`."),
            Wrong("providers:\n- {name: p, endpoint: \"http://far\"}", 2, 23, "allowed: https://"),
            Wrong("providers:\n- {name: groq, key: sk-x}", 2, 16, "providers[0].key is not known"),
            Wrong("providers:\n- {name: groq, key_file: a, key_env: B}", 2, 38, "stands beside `key_file`"),
            Wrong("deployments:\n- {model: m}", 2, 3, "has neither an `endpoint` nor a `provider`"),
            Wrong(
                "providers: [{name: groq}]\ndeployments:\n- {model: m, provider: grok}", 3, 3,
                "names the provider `grok`, which the file does not have; did you mean `groq`?"),
            Wrong(
                "providers: [{name: groq}]\ndeployments:\n- {model: m, provider: groq, endpoint: \"https://x\"}", 3, 3,
                "is at https://x, and not at its provider"),
            Wrong(
                "deployments:\n- {model: m, endpoint: \"https://a\", context_limit: 0}", 2, 52, "from 1 to 100000000"),
            Wrong("models:\n- {name: m, deployments: []}", 2, 3, "has no deployments"),
            Wrong("deployments:\n- {model: m, endpoint: \"https://a\", weight: -1}", 2, 45, "from 0 to 1000000"),
            Wrong("deployments:\n- {model: m, endpoint: \"https://a\", concurrency: many}", 2, 50, "or adaptive:N"),
            Wrong("deployments:\n- {model: m, endpoint: \"https://a\", enabled: maybe}", 2, 46, "allowed: true, false"),
            Wrong(
                "deployments:\n- {model: m, endpoint: \"https://a\", data_policies: [a b]}", 2, 53,
                "data_policies[0] is `a b`, which is not allowed"),
            Wrong("deployments:\n- {model: m, endpoint: \"https://a\", wieght: 1}", 2, 37, "did you mean `weight`?"),
            Wrong("tenants:\n- name: a\n  name: b", 3, 3, "name is given more than once"),
            Wrong("port: 1\nport: 2", 2, 1, "port is given more than once"),
            Wrong("a: [", 2, 1, "the file is not valid YAML"),
        ] as [Wrong])
    func faults(wrong: Wrong) throws {
        let faults = DeclarationFile(path: "f", yaml: wrong.yaml).faults
        #expect(faults.count == 1, "\(faults)")
        let fault = try #require(faults.first)
        #expect(fault.description.contains(wrong.words), "\(fault)")
        #expect([fault.line, fault.column] == [wrong.line, wrong.column], "\(fault)")
    }

    @Test("everything that is wrong is told at once, in the file's order, keys given twice too")
    func all() {
        let yaml = """
            prot: 80
            tenants:
              - name: a
                name: b
                state: sleeping
                state: active
              - nam: c
            "providers":
              - {name: groq, kee: x}
            port: many
            log_level: info
            log_level: debug
            """
        let file = DeclarationFile(path: "f", yaml: yaml)
        #expect(file.faults.map(\.line) == [1, 4, 6, 7, 7, 9, 10, 12], "\(file.faults)")
        let problem = #expect(throws: Problem.self) { try file.checked() }
        #expect(problem?.code == .configurationInvalid)
        #expect(problem?.message.split(separator: "\n").count == 8)
        #expect(problem?.message.contains("f:7:5: tenants[1].nam is not known; did you mean `name`?") == true)
    }

    @Test("nothing that may be a secret is repeated, wherever somebody put it")
    func secrets() {
        let yaml = """
            providers:
              - {name: groq, key: sk-hidden-1}
              - {name: mistral, key_env: sk-hidden-2}
              - {name: openai, endpoint: "https://u:hidden-3@host"}
            database: "postgres://u:hidden-4@h"
            """
        let faults = DeclarationFile(path: "f", yaml: yaml).faults
        #expect(faults.count == 4, "\(faults)")
        #expect(!"\(faults)".contains("hidden"))
        let missing = DeclarationFile(
            path: "f", yaml: "providers: [{name: groq, key_env: hf_hidden}, {name: xai, key_file: sk-hidden}]")
        #expect(missing.faults.isEmpty)
        #expect(missing.keyFaults(environment: [:]).count == 2)
        #expect(!"\(missing.keyFaults(environment: [:]))".contains("hidden"))
    }

    @Test("a variable that is not set is named when it is one for sure")
    func variables() {
        func faults(_ variable: String) -> String {
            let file = DeclarationFile(path: "f", yaml: "providers: [{name: groq, key_env: \(variable)}]")
            return file.keyFaults(environment: [:]).joined()
        }
        #expect(faults("GROQ_API_KEY") == "`GROQ_API_KEY`, which `key_env` of the provider `groq` names, is not set.")
        #expect(faults("KEY_2").hasPrefix("`KEY_2`, which"))
        for secret in ["gsk_hidden", "AKIAIOSFODNN7EXAMPLE", "SK_1A2B3C4D"] {
            #expect(faults(secret) == "The variable that `key_env` of the provider `groq` names is not set.")
        }
    }

    @Test("an empty file, and one of settings alone, declare nothing", arguments: ["", "# nothing\n", "port: 80\n"])
    func nothing(yaml: String) throws {
        #expect(try DeclarationFile(path: "f", yaml: yaml).checked().isEmpty)
    }
}

extension TenantDeclaration {
    /// A tenant of which nothing else is said.
    static func named(_ name: String) -> TenantDeclaration? {
        DeclarationFile(path: "f", yaml: "tenants: [{name: \(name)}]").declaration.tenants?.first
    }
}
