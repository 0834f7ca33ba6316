import Testing

/// A checker that cannot fail is worse than none: each rule is shown a violation, and what only looks like one.
@Suite("planted violations")
struct PlantedTests {
    struct Plant: Sendable, CustomTestStringConvertible {
        let rule: String
        let code: String
        var path = "Sources/Gateway/Planted.swift"
        var testDescription: String { "\(rule): \(code.prefix { $0 != "\n" }.prefix(60))" }
    }

    static let violations: [Plant] = [
        Plant(rule: "date", code: "let now = Date()"),
        Plant(rule: "date", code: "let now = Date.now"),
        Plant(rule: "uuid", code: "let id = UUID().uuidString"),
        Plant(rule: "random", code: "let n = Int.random(in: 0..<3)"),
        Plant(rule: "random", code: "let n = list.randomElement()"),
        Plant(rule: "shuffle", code: "let n = list.shuffled()"),
        Plant(
            rule: "sleep-in-test", code: "try await Task.sleep(for: .seconds(1))", path: "Tests/GatewayTests/A.swift"),
        Plant(rule: "sleep-in-test", code: "usleep(10)", path: "Tests/GatewayTests/A.swift"),
        Plant(rule: "try!", code: "let x = try! read()"),
        Plant(rule: "as!", code: "let x = y as! Int"),
        Plant(rule: "force-unwrap", code: "let x = table[key]!"),
        Plant(rule: "force-unwrap", code: "let x = first!.name"),
        Plant(rule: "force-unwrap", code: "let x: String! = nil"),
        Plant(rule: "force-unwrap", code: #"let x = URL(string: "a")!"#),
        Plant(rule: "force-unwrap", code: #"let x = "\(first!)""#),
        Plant(rule: "fatalError", code: "fatalError()"),
        Plant(rule: "print", code: #"    print("hello")"#),
        Plant(rule: "static-var", code: "    static var count = 0"),
        Plant(rule: "static-var", code: "    static var count: Int"),
        Plant(rule: "static-var", code: "    static var all: [Int] = { [] }()"),
        Plant(rule: "singleton", code: "    static let shared = Thing()"),
        Plant(rule: "unstructured-task", code: "Task { await run() }"),
        Plant(rule: "unstructured-task", code: "Task.detached { await run() }"),
        Plant(rule: "unstructured-task", code: "let t = Task<Void, any Error>(priority: .high) { }"),
        Plant(rule: "public", code: "public struct Open {}"),
        Plant(rule: "banned-name", code: "final class ConnectionManager {}"),
        Plant(rule: "banned-name", code: "enum StringUtils {}"),
        Plant(rule: "get-prefix", code: "func getName() -> String { name }"),
        Plant(rule: "system-scope", code: "try await database.fetching(.system) { tx in }"),
        Plant(
            rule: "system-scope", code: "database.write(\n    .system) { tx in }", path: "Sources/Stores/A.swift"),
        Plant(rule: "schema-scope", code: "database.write(.schema) { tx in }"),
        Plant(
            rule: "unscoped-store", code: "package func find(_ id: KeyID) async throws -> APIKey? {}",
            path: "Sources/Stores/DatabaseKeyStore.swift"),
        Plant(rule: "unsafe-without-reason", code: "final class Box: @unchecked Sendable {}"),
        Plant(rule: "unsafe-without-reason", code: "nonisolated(unsafe) var x = 0"),
        Plant(rule: "interpolated-sql", code: #"run("SELECT * FROM key WHERE id = \(id)")"#),
        Plant(rule: "interpolated-sql", code: "run(\"\"\"\n    DELETE FROM \\(table)\n    \"\"\")"),
        Plant(rule: "loose-end", code: "// TODO: later"),
        Plant(rule: "loose-end", code: "/* FIXME */"),
        Plant(rule: "test-without-expectation", code: "@Test func nothing() { run() }", path: "Tests/ATests/A.swift"),
        Plant(rule: "long-line", code: "let x = 1" + String(repeating: " ", count: 120) + "// far"),
        Plant(rule: "long-file", code: String(repeating: "let x = 1\n", count: 501)),
        Plant(rule: "long-function", code: "func a() {\n" + String(repeating: "    run()\n", count: 70) + "}"),
        Plant(rule: "wall", code: "import Hummingbird", path: "Sources/Flows/A.swift"),
        Plant(rule: "wall", code: "import Stores", path: "Sources/Gateway/A.swift"),
        Plant(rule: "wall", code: "package import Inference", path: "Sources/Tenancy/A.swift"),
        Plant(rule: "wall", code: "internal import struct NIOCore.ByteBuffer", path: "Sources/Inference/A.swift"),
        Plant(rule: "wall", code: "import Foundation", path: "Sources/Fleet/A.swift"),
        Plant(rule: "wall", code: "import GRDB", path: "Sources/Stores/A.swift"),
        Plant(rule: "wall", code: "import SomethingNew"),
        Plant(rule: "wall", code: "let x = 1", path: "Sources/Nowhere/A.swift"),
    ]

    @Test("are found, each by its own rule", arguments: violations)
    func foundByItsRule(plant: Plant) throws {
        let source = SwiftSource(path: plant.path, text: plant.code)
        let rules = Set(try Rules().violations(in: source).map(\.rule))
        #expect(rules.contains(plant.rule))
    }

    static let innocent: [Plant] = [
        Plant(rule: "a comment", code: "// never write try! or print(x) or Date() here"),
        Plant(rule: "a nested comment", code: "/* outer /* fatalError() */ still a comment UUID() */ let x = 1"),
        Plant(rule: "a string", code: #"let text = "print(x) Date() \" fatalError() Task { } x!""#),
        Plant(rule: "a raw string", code: ##"let text = #"say "print(x)" and try! \(y)"#"##),
        Plant(
            rule: "a long string",
            code: "let text = \"\"\"\n    public class Manager\n    \"quoted\" Date()\n    \"\"\""),
        Plant(rule: "a negation", code: "if !ready, a != b, !(x) { run(!y) }"),
        Plant(rule: "a computed static", code: "static var prefix: String { \"req\" }"),
        Plant(rule: "a required static", code: "static var prefix: String { get }"),
        Plant(rule: "a method called print", code: "writer.print(line)"),
        Plant(rule: "a longer name", code: "fingerprint(x); Update(); let candidate = validDate()"),
        Plant(rule: "a name that ends alike", code: "struct Database {}; enum Base32 {}; struct Managed {}"),
        Plant(rule: "a task group", code: "withTaskGroup { group in group.addTask { } }; Task.checkCancellation()"),
        Plant(rule: "a task in App", code: "Task { }", path: "Sources/App/A.swift"),
        Plant(
            rule: "random of ours", code: "let n = Int.random(in: 0..<3)", path: "Sources/Kernel/SystemSources.swift"),
        Plant(
            rule: "a reason", code: "// SAFETY: every access holds the lock.\nfinal class Box: @unchecked Sendable {}"),
        Plant(
            rule: "a listed system scope", code: "try await database.fetching(.system) { tx in }",
            path: "Sources/Stores/DatabaseKeyStore.swift"),
        Plant(
            rule: "a scoped store", code: "package func find(_ id: KeyID, in workspace: WorkspaceID) -> APIKey? {}",
            path: "Sources/Stores/DatabaseKeyStore.swift"),
        Plant(
            rule: "a listed store function", code: "package func find(prefix: String) -> KeyFacts? {}",
            path: "Sources/Stores/DatabaseKeyStore.swift"),
        Plant(rule: "a system font", code: "font(.system)"),
        Plant(rule: "bound SQL", code: #"run("SELECT * FROM key WHERE id = $1", id)"#),
        Plant(rule: "a sentence", code: #"log("Update \(name) from here to select it")"#),
        Plant(rule: "a loose end with an issue", code: "// TODO(#12): the second engine"),
        Plant(rule: "a protocol's functions", code: "protocol P {\n    func a()\n    func b(x: Int) -> Int\n}"),
        Plant(rule: "an allowed wall", code: "import Flows\nimport NIOCore\nimport Logging"),
        Plant(rule: "a failing test", code: "@Test func a() { #expect(run()) }", path: "Tests/ATests/A.swift"),
        Plant(rule: "a test helper", code: "@Test func a() { expectSame(x, y) }", path: "Tests/ATests/A.swift"),
    ]

    @Test("are not seen where there are none", arguments: innocent)
    func innocentIsLeftAlone(plant: Plant) throws {
        let source = SwiftSource(path: plant.path, text: plant.code)
        #expect(try Rules().violations(in: source).map(\.description) == [])
    }

    @Test("in two tests of a file are told apart by line")
    func eachTestIsJudgedAlone() throws {
        let text = "@Test func a() {\n    #expect(x)\n}\n@Test func b() {\n    run()\n}"
        let found = try Rules().violations(in: SwiftSource(path: "Tests/ATests/A.swift", text: text))
        #expect(found.map(\.line) == [4])
    }

    @Test("are measured by the function's own braces")
    func functionsAreMeasured() throws {
        let text = """
            struct A {
                init(x: Int = { 3 }()) {
                    y = x
                }
                func long(
                    a: Int,
                    b: Int
                ) async throws
                    -> Int
                {
                    let text = "}"
                    return a + b
                }
            }
            """
        let functions = try Shape.functions(in: SwiftSource(path: "Sources/App/A.swift", text: text))
        #expect(functions == [.init(line: 2, length: 3), .init(line: 5, length: 9)])
    }

    @Test("may be excepted, but never more than listed and never fewer")
    func exceptionsOnlyShrink() {
        let found = [1, 2].map { Violation(rule: "date", path: "A.swift", line: $0, reason: "") }
        func verdict(_ count: Int) -> [String] {
            judge(found, exceptions: [Exception(rule: "date", path: "A.swift", count: count, because: "")]).map(\.rule)
        }
        #expect(verdict(2) == [])
        #expect(verdict(1) == ["date", "date"])
        #expect(verdict(3) == ["stale-exception"])
        #expect(judge(found, exceptions: []).count == 2)
    }

    @Test("in the manifest are found: a dependency over a wall, a target without a row, a row without a target")
    func manifestIsRead() throws {
        let manifest = try Manifest(
            """
            // room("Commented", ["App"]),
            room("Kernel", []),
            room(
                "Fleet",
                ["Kernel", "Inference", product("GRDB", "GRDB.swift")]),  // a note
            .executableTarget(
                name: "volery",
                dependencies: ["Kernel", product("ArgumentParser", "swift-argument-parser")]
            ),
            room("Attic", []),
            """)
        #expect(manifest.targets["Fleet"] == ["Kernel", "Inference"])
        #expect(manifest.targets["volery"] == ["Kernel"])
        #expect(manifest.targets["Commented"] == nil)
        let rows = [Room("Kernel"), Room("Fleet", ["Kernel"]), Room("volery", ["Kernel"]), Room("Ghost")]
        let reasons = manifest.violations(against: rows).map(\.reason).sorted()
        #expect(
            reasons == [
                "Fleet depends on Inference, which its wall does not allow",
                "Walls.swift has a row for Ghost, which is no target",
                "the target Attic has no row in Walls.swift",
            ])
    }
}
