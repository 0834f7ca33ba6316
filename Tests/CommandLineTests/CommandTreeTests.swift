import ArgumentParser
import Testing

@testable import volery

@Suite("all commands")
struct CommandTreeTests {
    private struct Leaf {
        let path: String
        let help: String
    }

    private func leaves(of command: any ParsableCommand.Type, path: [String] = []) -> [Leaf] {
        let subcommands = command.configuration.subcommands
        guard subcommands.isEmpty else {
            return subcommands.flatMap { leaves(of: $0, path: path + [$0._commandName]) }
        }
        return [Leaf(path: path.joined(separator: " "), help: Volery.helpMessage(for: command, columns: 200))]
    }

    /// What a person runs, or what writes text of another kind.
    private let withoutJSON: Set<String> = [
        "serve", "chat", "models pull", "models remove", "completions", "version", "audit export",
        "prices export",
    ]

    @Test("every command that shows or changes something prints JSON when asked")
    func json() {
        let leaves = leaves(of: Volery.self)
        #expect(leaves.count > 50)
        for leaf in leaves {
            #expect(leaf.help.contains("--json") != withoutJSON.contains(leaf.path), "\(leaf.path)")
        }
    }

    @Test(
        "a secret is never an argument",
        arguments: [
            ["providers", "add", "groq", "--key", "gsk"], ["providers", "rotate-key", "groq", "gsk"],
            ["owner", "set-password", "--password", "x"], ["owner", "set-password", "x"],
        ])
    func secrets(arguments: [String]) {
        #expect(throws: (any Error).self) { try Volery.parseAsRoot(arguments) }
    }

    @Test(
        "the commands that scripts rely on are understood",
        arguments: [
            "tenants create --name T --json", "workspaces create --tenant T --name W --json",
            "members add --tenant T --user ada --role owner --json",
            "keys create --workspace W --name X --scope usage:read --scope model=llama-* --expires-in 30d --json",
            "keys create --name X --address 10.0.0.0/8 --environment staging --user ada --idempotency-key k",
            "keys revoke key_01M7YW6KHVRTG9C6CMVMKBKX5S", "keys rotate key_01M7YW6KHVRTG9C6CMVMKBKX5S --overlap 0s",
            "tenants delete T --grace 0s", "workspaces restore W --tenant T", "users suspend ada",
            "audit verify --json",
            "audit export --tenant T --output f", "providers add openrouter --key-file f",
            "providers add p --endpoint https://x --key-stdin", "secrets reseal",
            "owner set-password --password-file f",
            "owner totp off", "config check f --json", "config diff --prune", "config apply f --prune --dry-run",
            "rules test --subject key_01M7YW6KHVRTG9C6CMVMKBKX5S --action inference:execute --model m --address ::1",
            "rules test --subject ada --action key:read --workspace W --tenant T", "keys list --all",
            "registry register --model M --endpoint http://h/v1 --protocol anthropic --environment staging "
                + "--model-version 2 --priority 1 --weight 10 --context-limit 4096 --region eu --data-policy a b "
                + "--data-policy c --first-token-ms 300 --concurrency adaptive:8 --disabled --json",
            "requests route req_01M7YW6KHVRTG9C6CMVMKBKX5S --json",
            "registry list --json", "registry show dep_01M7YW6KHVRTG9C6CMVMKBKX5S --json",
            "registry update dep_01M7YW6KHVRTG9C6CMVMKBKX5S --weight 5 --region none --data-policy none --revision 3",
            "registry enable dep_01M7YW6KHVRTG9C6CMVMKBKX5S --json",
            "registry disable dep_01M7YW6KHVRTG9C6CMVMKBKX5S --json",
            "registry promote dep_01M7YW6KHVRTG9C6CMVMKBKX5S --to production --weight 5 --json",
            "registry deregister dep_01M7YW6KHVRTG9C6CMVMKBKX5S --json",
            "routing set --workspace W --strategy lowest_latency --file routing.yaml --region eu us --data-policy a "
                + "--max-cost 0.05 --currency USD --max-latency-ms 500 --sticky key --attempts 2 --priority low "
                + "--hint llm:fa-medium=qwen-7b llm:x=none --json",
            "routing show --workspace W --json", "routing list --tenant T --json", "routing remove --workspace W",
            "keys show vk_9m6m4zq0ab", "service-accounts create --name ci --role developer --workspace W --tenant T",
        ])
    func contract(line: String) {
        #expect(throws: Never.self) { try Volery.parseAsRoot(line.split(separator: " ").map(String.init)) }
    }
}

@Suite("more arguments")
struct SpanTests {
    @Test(
        "a time span has digits and a unit",
        arguments: [("0s", 0), ("45s", 45), ("30m", 1800), ("12h", 43_200), ("2w", 1_209_600), ("90d", 7_776_000)])
    func spans(text: String, seconds: Int) throws {
        #expect(try Span(argument: text).seconds == seconds)
    }

    @Test("what is none is refused", arguments: ["", "d", "5", "1y", "-1d", "+1d", "1.5h", "99999999999d", "٣d"])
    func noSpans(text: String) {
        #expect(throws: ValidationError.self) { try Span(argument: text) }
    }

    @Test("facts line up, and what is not there is left out")
    func facts() {
        let text = Facts.text([("id", "a"), ("expires", nil), ("long name", "b\u{1B}[2J"), ("empty", "")])
        #expect(text == "id         a\nlong name  b [2J\n")
    }
}
