import Fleet
import Foundation
import Kernel
import Runtimes
import Synchronization
import SystemPackage
import TestKit
import Testing

@Suite struct PythonEnvironmentTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func environment(_ variables: [String: String] = [:], python: String = "python3") throws
        -> PythonEnvironment
    {
        PythonEnvironment(
            dataFolder: FilePath(folder.path), environment: variables, driver: try Support.driver(),
            clock: SystemClock(), logger: Support.logger, python: python)
    }

    private func recipe(requirements: [String]) throws -> Recipe {
        let python = requirements.isEmpty ? "" : "python: {requirements: [\(requirements.joined(separator: ","))]}\n"
        let text = """
            name: tiny
            description: A model for tests
            model: {kind: chat, name: tiny, licence: MIT, context: 64}
            process: {command: ["{python}", "x.py"]}
            probe: {path: /health}
            resources: {memory_mib: 10}
            \(python)
            """
        return try RecipeLibrary.parse(Array(text.utf8), file: "tiny.yaml")
    }

    /// A wheel of one module, made without any tool.
    private func makeWheel() async throws {
        let script = """
            import sys, zipfile
            with zipfile.ZipFile(sys.argv[1], "w") as wheel:
                wheel.writestr("tinything.py", "answer = 42\\n")
                info = "tinything-1.0.dist-info/"
                wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: tinything\\nVersion: 1.0\\n")
                wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
                wheel.writestr(info + "RECORD", "")
            """
        let wheel = folder.path("tinything-1.0-py3-none-any.whl")
        _ = try await run("python3", ["-c", script, wheel])
    }

    private func run(_ program: String, _ arguments: [String]) async throws -> ProcessEnd {
        let launch = Launch(name: program, program: program, arguments: arguments)
        return try await Support.driver().run(launch, lines: { _ in }) { _ in
            try await SystemClock().sleep(for: .seconds(120))
            return "too slow"
        }
    }

    @Test("an environment is made once, works, and afterwards needs neither pip nor network")
    func madeOnce() async throws {
        try await makeWheel()
        let recipe = try recipe(requirements: ["tinything==1.0"])
        let said = Lines()
        let offline = ["PIP_NO_INDEX": "1", "PIP_FIND_LINKS": folder.path]
        let python = try await environment(offline).prepare(recipe) { said.append($0) }
        let end = try await run(python, ["-c", "import tinything, sys; sys.exit(tinything.answer)"])
        #expect(end == .exited(status: 42, lastLines: []))
        #expect(said.all.contains { $0.contains("tinything 1.0") })
        let nothing = ["PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/nowhere"]
        #expect(try await environment(nothing).prepare(recipe) { _ in } == python)
    }

    @Test("a requirement that cannot be had is a clear failure, and leaves nothing half made")
    func missingPackage() async throws {
        let recipe = try recipe(requirements: ["no-such-thing-at-all==9.9"])
        let offline = try environment(["PIP_NO_INDEX": "1"])
        let problem = try await #require(throws: Problem.self) { try await offline.prepare(recipe) { _ in } }
        #expect(problem.code == .downloadFailed)
        #expect(problem.message.contains("no-such-thing-at-all"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("python")).isEmpty)
    }

    @Test("a machine without Python is told what to install")
    func noPython() async throws {
        let recipe = try recipe(requirements: ["tinything==1.0"])
        let without = try environment(python: "python-that-is-not-here")
        let problem = try await #require(throws: Problem.self) { try await without.prepare(recipe) { _ in } }
        #expect(problem.code == .dependencyMissing)
        #expect(problem.hint.contains("apt-get install python3"))
    }

    @Test("a worker that needs no packages runs on the machine's own Python")
    func ownPython() async throws {
        let python = try await environment().prepare(try recipe(requirements: [])) { _ in }
        #expect(FileManager.default.isExecutableFile(atPath: python))
        #expect(!FileManager.default.fileExists(atPath: folder.path("python")))
    }
}
