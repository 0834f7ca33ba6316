import App
import Kernel
import Testing

@Suite struct ConfigurationTests {
    /// Reads settings from layers in memory.
    private func load(
        flags: [String: String] = [:], environment: [String: String] = [:], files: [String: String] = [:]
    ) -> ConfigurationReport {
        Configuration.load(
            flags: flags, environment: ["HOME": "/home/ada"].merging(environment) { _, new in new },
            surroundings: Configuration.Surroundings(workingDirectory: "/work") { files[$0] })
    }

    @Test("without any setting everything has its default, below the home folder")
    func defaults() throws {
        let configuration = try load().checked()
        #expect(configuration.dataDir == "/home/ada/.volery")
        #expect(configuration.database == .sqlite(path: "/home/ada/.volery/volery.db"))
        #expect(configuration.host == "127.0.0.1")
        #expect(configuration.port == 8080)
        #expect(configuration.metricsPort == 9464)
        #expect(!configuration.isMetricsPortChosen)
        #expect(configuration.roles == Set(Role.allCases))
        #expect(configuration.defaultModels)
        #expect(configuration.limits.maxBody == 20 << 20)
        #expect(configuration.limits.maxHeaders == 64 << 10)
        #expect(configuration.limits.upstreamFirstByteTimeout == .seconds(120))
        #expect(configuration.limits.upstreamCertificates == nil)
    }

    @Test("a flag wins over the environment, that over the file, that over the default")
    func layers() throws {
        let files = ["/d/volery.yaml": "port: 1\nhost: one\nlog_level: debug\n"]
        let report = load(
            flags: ["data_dir": "/d", "port": "3"], environment: ["VOLERY_PORT": "2", "VOLERY_HOST": "two"],
            files: files)
        let configuration = try report.checked()
        #expect(configuration.port == 3)
        #expect(configuration.host == "two")
        #expect(configuration.logLevel == .debug)
        #expect(report.file == "/d/volery.yaml")
        let origins = Dictionary(uniqueKeysWithValues: report.effective.map { ($0.key, $0.origin) })
        #expect(origins["port"] == .flag("--port"))
        #expect(origins["host"] == .environment("VOLERY_HOST"))
        #expect(origins["log_level"] == .file(path: "/d/volery.yaml", line: 3))
        #expect(origins["metrics_port"] == .fallback)
    }

    @Test("an empty variable is one that is not set")
    func emptyVariable() throws {
        #expect(try load(environment: ["VOLERY_PORT": ""]).checked().port == 8080)
    }

    struct Case: Sendable {
        let key: String
        let value: String
        let isGood: Bool

        init(_ key: String, _ value: String, _ isGood: Bool) {
            self.key = key
            self.value = value
            self.isGood = isGood
        }
    }

    @Test(
        "every kind of value is checked",
        arguments: [
            Case("port", "0", true), Case("port", "65536", false), Case("port", "8O80", false),
            Case("port", "+1", true),
            Case("max_body_bytes", "65536", true), Case("max_body_bytes", "20MiB", true),
            Case("max_body_bytes", "20MB", false), Case("max_body_bytes", "1", false),
            Case("max_body_bytes", "9999999999GiB", false), Case("max_body_bytes", "-1", false),
            Case("upstream_connect_timeout", "250ms", true), Case("upstream_connect_timeout", "2m", true),
            Case("upstream_connect_timeout", "5", false), Case("upstream_connect_timeout", "5 bananas", false),
            Case("upstream_connect_timeout", "0s", false), Case("drain_timeout", "0s", true),
            Case("default_models", "false", true), Case("default_models", "maybe", false),
            Case("roles", "gateway, api", true), Case("roles", "all", true), Case("roles", "gateway,", false),
            Case("roles", "king", false), Case("log_level", "loud", false), Case("log_format", "json", true),
            Case("database", "sqlite:///var/x.db", true), Case("database", "sqlite://x.db", false),
            Case("database", "postgres://u:p@h/d", true), Case("database", "postgres://u:p@h", false),
            Case("database", "postgres:///d", true), Case("database", "postgres://h/d?sslmode=require", true),
            Case("database", "mysql://h/d", false),
            Case("journal_sync", "strict", true), Case("journal_sync", "always", false), Case("host", "::1", true),
            Case("host", "a b", false),
        ])
    func values(value: Case) throws {
        let variable = "VOLERY_" + value.key.uppercased()
        let report = load(environment: [variable: value.value])
        #expect(report.faults.isEmpty == value.isGood, "\(report.faults)")
        guard !value.isGood else { return }
        let problem = try #require(throws: Problem.self) { try report.checked() }
        #expect(problem.code == .configurationInvalid)
        #expect(problem.parameter == value.key)
        #expect(problem.message.contains(variable))
        #expect(problem.message.contains("allowed: "))
    }

    @Test("all faults are told at once")
    func allFaults() throws {
        let report = load(flags: ["port": "x"], environment: ["VOLERY_HOST": "a/b", "VOLERY_ROLES": "king"])
        #expect(report.faults.map(\.key).sorted() == ["host", "port", "roles"])
    }

    @Test("a password in a value is not repeated")
    func passwords() throws {
        let report = load(environment: ["VOLERY_DATABASE": "postgres://ada:hunter2@db?password=hunter2"])
        let message = try #require(throws: Problem.self) { try report.checked() }.message
        #expect(!message.contains("hunter2"))
        #expect(message.contains("postgres://<redacted>@db?<redacted>"))
        #expect(!report.text.contains("hunter2"))
    }

    @Test(
        "no part of a password shows that was not percent-encoded",
        arguments: [
            "postgres://volery:p@ss#word@127.0.0.1:5432/d", "postgres://volery:pa?ss@127.0.0.1:5432/d",
            "postgres://volery:pa/ss@127.0.0.1:5432/d", "postgres://volery:pa/ss@127.0.0.1",
            "postgres://volery:1/ss@127.0.0.1", "postgres://volery:p@ss word@127.0.0.1/d",
            "postgres://volery:" + String(repeating: "ss", count: 200) + "@h", "host=h password=ss",
        ])
    func passwordsAsTheyAre(url: String) throws {
        let report = load(environment: ["VOLERY_DATABASE": url])
        let message = try #require(throws: Problem.self) { try report.checked() }.message
        for text in [message, report.text] {
            for part in ["pa?", "pa/", "1/ss", "ss#", "ss@", "ss word", "ssss", "=ss"] {
                #expect(!text.contains(part), "\(part)")
            }
        }
    }

    @Test(
        "an option that PostgreSQL's library refuses is told with the settings, not at the start",
        arguments: ["foo=1", "sslmode=bogus", "target_session_attrs=best"])
    func databaseOptions(option: String) throws {
        let report = load(environment: ["VOLERY_DATABASE": "postgres://u:hunter2@h/d?\(option)", "VOLERY_PORT": "x"])
        #expect(report.faults.map(\.key).sorted() == ["database", "port"])
        let problem = try #require(throws: Problem.self) { try report.checked() }
        #expect(problem.message.contains("database (VOLERY_DATABASE): The database's URL cannot be read"))
        #expect(problem.message.contains("?sslmode=require"))
        #expect(!report.text.contains("hunter2") && !report.text.contains("The settings are good."))
    }

    @Test(
        "a file that is not right is refused with file, line and what was meant",
        arguments: [
            ("host: x\nprot: 8080\n", "prot", 2, "did you mean `port`?"),
            ("port: 1\nport: 2\n", "port", 2, "more than once"),
            ("limits:\n  port: 1\n", "limits", 1, "not a setting"),
            ("port: {a: 1}\n", "port", 1, "plain value"), ("- port\n", "file", 1, "mapping"),
            ("a: [\n", "file", 2, "not valid YAML"), ("data_dir: /x\n", "data_dir", 1, "not a setting"),
        ])
    func badFiles(yaml: String, key: String, line: Int, words: String) throws {
        let report = load(flags: ["data_dir": "/d"], files: ["/d/volery.yaml": yaml])
        let fault = try #require(report.faults.first)
        #expect(fault.key == key)
        #expect(fault.origin == .file(path: "/d/volery.yaml", line: line))
        #expect(fault.complaint.contains(words), "\(fault.complaint)")
        #expect(fault.description.contains("/d/volery.yaml:\(line)"))
    }

    @Test("a list in the file is a list, and an empty file is none")
    func lists() throws {
        let report = load(
            flags: ["config": "c.yaml"], files: ["/work/c.yaml": "roles: [gateway, api]\ndata_dir: ~/x\n"])
        let configuration = try report.checked()
        #expect(configuration.roles == [.gateway, .api])
        #expect(configuration.dataDir == "/home/ada/x")
        #expect(try load(flags: ["config": "c.yaml"], files: ["/work/c.yaml": ""]).checked().port == 8080)
    }

    @Test("a file that was asked for must be there")
    func missingFile() throws {
        let problem = try #require(throws: Problem.self) { try load(flags: ["config": "c.yaml"]).checked() }
        #expect(problem.message.contains("/work/c.yaml"))
    }

    @Test("a misspelled variable is worth a word, another tool's is not")
    func strays() {
        let report = load(environment: ["VOLERY_PROT": "1", "VOLERY_BUILD_DIR": "x", "VOLERY_CONFIGURATION_OF_CI": "1"])
        #expect(report.warnings == ["VOLERY_PROT is not a setting; did you mean VOLERY_PORT?"])
        #expect(report.faults.isEmpty)
    }

    @Test("the table's defaults are allowed, and each setting is documented")
    func table() {
        let report = load()
        let without = Settings.table.filter { $0.fallback == nil }.map(\.key)
        #expect(Set(report.effective.map(\.key)) == Set(Settings.table.map(\.key)).subtracting(without))
        for row in Settings.table {
            #expect(Settings.markdown.contains("`\(row.variable)`"))
            #expect(!row.help.isEmpty)
        }
    }

    @Test("the report shows what is in force and where it comes from")
    func report() {
        let text = load(flags: ["port": "9123"]).text
        #expect(text.contains("9123  (--port)"))
        #expect(text.contains("The settings are good."))
        #expect(text.contains("the role worker has nothing to do in this version"))
    }
}
