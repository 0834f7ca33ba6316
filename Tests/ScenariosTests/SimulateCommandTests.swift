import Foundation
import Testing

@Suite("simulate, the command")
struct SimulateCommandTests {
    /// The program stands beside the tests that were built with it.
    private static var path: String {
        let tests = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return tests.appendingPathComponent("simulate").path
    }

    private static var isBuilt: Bool { FileManager.default.isExecutableFile(atPath: path) }

    private func run(_ arguments: [String]) throws -> (output: String, status: Int32) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.path)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (output, process.terminationStatus)
    }

    private func hashes(_ text: String) -> [Substring] { text.split(separator: "\n").filter { $0.contains(" hash ") } }

    @Test("two processes give the same trace for the same seed", .enabled(if: isBuilt))
    func sameInTwoProcesses() throws {
        let first = try run(["--seed", "11", "--runs", "6", "--hash"])
        let second = try run(["--seed", "11", "--runs", "6", "--hash"])
        #expect(hashes(first.output).count == 6)
        #expect(hashes(first.output) == hashes(second.output))
    }

    @Test("a failure says its seed, how to repeat it, and the shortest trace; the status is 1", .enabled(if: isBuilt))
    func failureReport() throws {
        let (output, status) = try run(["--seed", "1", "--runs", "60", "--bug", "lost-open", "--jobs", "2"])
        #expect(status == 1)
        #expect(output.contains("FAILED: seed "))
        #expect(output.contains("Repeat it: make sim SEED="))
        #expect(output.contains("BUG=lost-open"))
        #expect(output.contains("Its trace, "))
    }

    @Test("an unknown scenario or bug is refused with what there is", .enabled(if: isBuilt))
    func refusals() throws {
        #expect(try run(["--scenario", "nothing"]).status != 0)
        #expect(try run(["--bug", "nothing"]).status != 0)
        let list = try run(["--list"])
        #expect(list.status == 0)
        #expect(list.output.contains("usage:") && list.output.contains("--bug torn-tail"))
    }
}
