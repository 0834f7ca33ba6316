import ArgumentParser
import Kernel
import Testing

@testable import volery

@Suite("exit codes")
struct ExitStatusTests {
    @Test(
        "a problem's code decides",
        arguments: [
            (ErrorCode.notFound, 3), (.modelNotFound, 3), (.authenticationRequired, 4), (.invalidAPIKey, 4),
            (.policyDenied, 5), (.validationError, 5), (.alreadyExists, 5), (.platformSilent, 1),
            (.configurationInvalid, 1), (.storageUnavailable, 1),
        ] as [(ErrorCode, Int32)])
    func codes(code: ErrorCode, status: Int32) {
        #expect(ExitStatus(code).rawValue == status)
    }

    @Test("a problem is told with message, code and hint")
    func told() {
        guard case .told(let text, let status) = Failure(Problem(.notFound, "It is not here.", hint: "Look there."))
        else {
            Issue.record("a problem must be told")
            return
        }
        #expect(text == "error: It is not here. (NOT_FOUND)\n  Look there.\n")
        #expect(status == .notFound)
    }

    @Test(
        "a parameter is told as the option that it was given by",
        arguments: [
            ("currency", ["--currency", "GBP"], "`--currency` is"), ("group_by[1]", ["--by=day,x"], "`--by` is"),
            ("cached_input", ["--cached-input", "x"], "`--cached-input` is"), ("unit", ["--umu"], "`unit` is"),
        ])
    func options(parameter: String, words: [String], expected: String) {
        let problem = Problem(.validationError, "`\(parameter)` is wrong.", parameter: parameter)
        guard case .told(let text, _) = Failure(problem, words: words) else {
            Issue.record("a problem must be told")
            return
        }
        #expect(text.hasPrefix("error: \(expected) wrong."), "\(text)")
    }

    @Test(
        "a number below zero is an option's value, and all else stays as it is",
        arguments: [
            ("budgets set --amount -5 --hard", "budgets set --amount=-5 --hard"),
            ("prices set --input -.5 --output -1e3", "prices set --input=-.5 --output=-1e3"),
            ("chat -- --amount -5", "chat -- --amount -5"), ("usage --limit=3 -5", "usage --limit=3 -5"),
            ("chat -5", "chat -5"), ("x --a -b --c -inf --d -5x", "x --a -b --c -inf --d -5x"),
        ])
    func negatives(words: String, expected: String) {
        let joined = CommandWords.joined(words.split(separator: " ").map(String.init))
        #expect(joined.joined(separator: " ") == expected)
    }

    @Test(
        "words that name no command are told, and others are not",
        arguments: [
            ("budget list", "`volery budget` is no command; did you mean `volery budgets`?"),
            ("--data-dir prices prices frobnicate", "`volery prices frobnicate` is no command."),
            ("budgets list --amuont 3", nil), ("chat budget", nil), ("prices --help", nil),
        ])
    func unknownCommands(words: String, expected: String?) {
        let told = CommandWords.unknownCommand(in: words.split(separator: " ").map(String.init))
        #expect(told?.split(separator: "\n").first.map(String.init) == expected.map { "error: " + $0 }, "\(told ?? "")")
    }

    @Test(
        "wrong usage ends with 64, a question about the program with 0",
        arguments: [
            (["keys", "create"], 64), (["no-such-command"], 64), (["keys", "revoke", "nonsense"], 64),
            (["models", "pull"], 64), (["usage", "--limit", "0"], 64), (["keys", "list", "--no-such-flag"], 64),
            (["keys", "create", "--name", "x", "--expires", "soon"], 64), (["--version"], 0),
            (["keys", "create", "--name", "x", "--expires", "1d", "--expires-in", "1d"], 64),
            (["keys", "rotate", "key_01M7YW6KHVRTG9C6CMVMKBKX5S", "--overlap", "1y"], 64),
            (["tenants", "create", "acme"], 64), (["members", "add", "--user", "ada"], 64), (["tenant", "list"], 64),
            (["members", "change", "key_01M7YW6KHVRTG9C6CMVMKBKX5S", "--role", "owner"], 64),
            (["rules", "create", "--name", "r"], 64), (["audit", "list", "--limit", "0"], 64),
            (["audit", "export", "--after", "-1"], 64), (["owner", "totp", "maybe"], 64),
            (["registry", "register", "--model", "m"], 64),
            (["providers", "add", "p", "--key-file", "f", "--key-env", "V"], 64), (["config", "aply"], 64),
            (["keys", "create", "--name", "x", "--tenant", "t"], 64), (["keys", "list", "--tenant", "t"], 64),
            (["keys", "list", "--all", "--workspace", "w"], 64),
            (["keys", "show", "vk_9m6m4zq0ab_0123456789012345678901234567890123456789"], 64),
            (["service-accounts", "create", "--name", "ci", "--workspace", "w"], 64),
            (["service-accounts", "create", "--name", "ci", "--workspace", "w", "--role", "boss"], 64),
        ] as [([String], Int32)])
    func usage(arguments: [String], status: Int32) throws {
        do {
            _ = try Volery.parseAsRoot(arguments)
            Issue.record("\(arguments) was understood")
        } catch {
            #expect(Volery.exitCode(for: error).rawValue == status)
            if case .told(let text, _) = Failure(error) { Issue.record("told as a failure: \(text)") }
        }
    }
}

@Suite("arguments")
struct ArgumentTests {
    @Test("global options are understood before, between and after the subcommands", arguments: 0...2)
    func globalOptions(place: Int) throws {
        var arguments = ["keys", "list"]
        arguments.insert(contentsOf: ["--data-dir", "/here", "--config=/there.yaml"], at: place)
        let command = try #require(try Volery.parseAsRoot(arguments) as? KeysCommand.List)
        #expect(command.options.flags == ["data_dir": "/here", "config": "/there.yaml"])
    }

    @Test("what serve is told becomes settings by key")
    func serveFlags() throws {
        let command = try #require(
            try Volery.parseAsRoot(["serve", "--port", "0", "--metrics-port", "1", "--no-default-models"])
                as? ServeCommand)
        #expect(command.flags == ["port": "0", "metrics_port": "1", "default_models": "false"])
    }

    @Test("a key's end is a time, a day, or so long from now")
    func expiry() throws {
        let now = Instant(microseconds: 1_795_262_400_000_000)
        #expect(try Expiry(argument: "90d").instant(now: now) == now + .seconds(90 * 86400))
        #expect(try Expiry(argument: "12h").instant(now: now) == now + .seconds(12 * 3600))
        #expect(try Expiry(argument: "2027-01-31").instant(now: now).description == "2027-01-31T00:00:00.000Z")
        #expect(try Expiry(argument: "2027-01-31T01:02:03Z").instant(now: now).short == "2027-01-31 01:02:03Z")
        for text in ["", "d", "0d", "-1d", "tomorrow", "2027-13-01", "99999999999999999999d"] {
            #expect(throws: ValidationError.self, "\(text)") { try Expiry(argument: text) }
        }
    }

    @Test(
        "seconds keep the digits that matter",
        arguments: [(0, "0.000"), (0.0344, "0.034"), (9.9994, "9.999"), (12.34, "12.3"), (600, "600.0")])
    func seconds(value: Double, text: String) {
        #expect(secondsText(value) == text)
    }
}
