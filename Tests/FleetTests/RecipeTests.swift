import Fleet
import Kernel
import Testing

/// Builds recipe documents without YAML, one key to a line.
private enum Build {
    static func map(_ entries: [(String, RecipeNode)], line: Int = 1) -> RecipeNode {
        RecipeNode(.map(entries.map { RecipeNode.Entry(key: $0.0, node: $0.1) }), line: line)
    }

    static func text(_ text: String, line: Int = 1) -> RecipeNode { RecipeNode(.scalar(text), line: line) }
    static func list(_ nodes: [RecipeNode]) -> RecipeNode { RecipeNode(.list(nodes), line: 1) }

    static let sum = String(repeating: "a", count: 64)

    static func recipe(_ changes: [String: RecipeNode?] = [:]) -> RecipeNode {
        let usual: [(String, RecipeNode)] = [
            ("name", text("tiny")),
            ("description", text("A model for tests")),
            (
                "model",
                map([("kind", text("chat")), ("name", text("tiny")), ("licence", text("MIT")), ("context", text("64"))])
            ),
            ("files", list([map([("name", text("m.bin")), ("sha256", text(sum)), ("bytes", text("10"))])])),
            ("sources", list([map([("url", map([("addresses", map([("m.bin", text("https://example.org/m"))]))]))])])),
            ("process", map([("command", list([text("serve"), text("--port={port}")]))])),
            ("probe", map([("path", text("/health"))])),
            ("resources", map([("memory_mib", text("10"))])),
        ]
        return map(
            usual.compactMap { key, node in
                guard let change = changes[key] else { return (key, node) }
                return change.map { (key, $0) }
            }
                + changes.compactMap { key, node in
                    usual.contains { $0.0 == key } ? nil : node.map { (key, $0) }
                })
    }

    static func problem(_ changes: [String: RecipeNode?]) -> Problem? {
        do {
            _ = try Recipe(recipe(changes), file: "tiny.yaml")
            return nil
        } catch {
            return error
        }
    }
}

@Suite struct RecipeTests {
    @Test("a recipe of the required keys gets sensible values for the rest")
    func smallest() throws {
        let recipe = try Recipe(Build.recipe(), file: "tiny.yaml")
        #expect(recipe.card.upstreamName == "tiny")
        #expect(recipe.card.wireProtocol == .openai)
        #expect(recipe.restart == .usual)
        #expect(recipe.probe.expectedStatus == 200)
        #expect(recipe.process.parallel == 1)
        #expect(recipe.resources.threads == nil)
        #expect(recipe.bytes == 10)
        #expect(recipe.python == nil)
    }

    @Test("a key that no recipe has is refused with its line and the keys that are allowed")
    func unknownKey() throws {
        let problem = try #require(Build.problem(["prob": Build.text("x", line: 17)]))
        #expect(problem.code == .configurationInvalid)
        #expect(problem.message.contains("tiny.yaml line 17"))
        #expect(problem.message.contains("`prob`"))
        #expect(problem.hint.contains("probe"))
        #expect(problem.parameter == "prob")
    }

    @Test("a missing key is named", arguments: ["name", "description", "model", "process", "probe", "resources"])
    func missingKey(key: String) throws {
        let problem = try #require(Build.problem([key: RecipeNode?.none]))
        #expect(problem.message.contains("`\(key)` is missing"), "\(problem)")
    }

    /// Changed key, its node, and what the message must say: where, what it was, what is allowed.
    static let refused: [(String, RecipeNode, [String])] = [
        ("name", Build.text("Tiny Model", line: 2), ["line 2", "name", "\"Tiny Model\"", "lower-case"]),
        ("name", Build.text("../x"), ["\"../x\""]),
        (
            "probe", Build.map([("path", Build.text("health", line: 31))]),
            ["line 31", "probe.path", "\"health\"", "begins with /"]
        ),
        (
            "probe", Build.map([("path", Build.text("/")), ("status", Build.text("abc", line: 9))]),
            ["line 9", "probe.status", "\"abc\"", "from 100 to 599"]
        ),
        (
            "probe", Build.map([("path", Build.text("/")), ("interval", Build.text("5 s", line: 9))]),
            ["line 9", "probe.interval", "\"5 s\"", "500ms, 5s or 2m"]
        ),
        (
            "process", Build.map([("command", Build.list([Build.text("x {prt}", line: 4)]))]),
            ["line 4", "{prt}", "{port}"]
        ),
        ("process", Build.map([("command", Build.list([]))]), ["process.command", "begins with the program"]),
        (
            "files",
            Build.list([
                Build.map([
                    ("name", Build.text("m.bin")), ("sha256", Build.text("AB", line: 6)), ("bytes", Build.text("1")),
                ])
            ]), ["line 6", "files[0].sha256", "64 hexadecimal"]
        ),
        (
            "files",
            Build.list([
                Build.map([
                    ("name", Build.text("../../etc/passwd", line: 6)), ("sha256", Build.text(Build.sum)),
                    ("bytes", Build.text("1")),
                ])
            ]), ["files[0].name", "without '..'"]
        ),
        ("python", Build.map([("requirements", Build.list([Build.text("numpy", line: 8)]))]), ["line 8", "pinned"]),
        ("sources", Build.list([Build.map([("ftp", Build.text("x", line: 8))])]), ["line 8", "sources[0].ftp"]),
        (
            "sources",
            Build.list([
                Build.map([("url", Build.map([("addresses", Build.map([("m.bin", Build.text("file:///x"))]))]))])
            ]),
            ["sources[0].url.addresses.m.bin", "http or https"]
        ),
        (
            "sources", Build.list([Build.map([("url", Build.map([("addresses", Build.map([]))]))])]),
            ["names m.bin"]
        ),
        ("model", Build.text("tiny", line: 3), ["line 3", "model", "a map"]),
    ]

    @Test("a wrong value is refused with file, line, key, value and what is allowed", arguments: refused)
    func wrongValue(key: String, node: RecipeNode, words: [String]) throws {
        let problem = try #require(Build.problem([key: node]))
        #expect(problem.code == .configurationInvalid)
        #expect(problem.message.contains("tiny.yaml"))
        for word in words { #expect("\(problem.message) \(problem.hint)".contains(word), "\(problem) says \(word)") }
    }

    @Test("placeholders are filled in, and other braces stay as they are")
    func templates() throws {
        let template = try Template("--x={port}/{\"a\": {1}} {host}{")
        let filled = template.filled { $0 == .port ? "80" : "<\($0.rawValue)>" }
        #expect(filled == "--x=80/{\"a\": {1}} <host>{")
        #expect(throws: Template.UnknownPlaceholder(name: "prot")) { try Template("{prot}") }
    }
}
