import Fleet
import Foundation
import Kernel
import Runtimes
import Synchronization
import TestKit
import Testing

/// A number of seconds to sleep that only one test uses, so that its processes can be found.
private func mark() -> String { "9\(UInt32(SystemRandom().next() & 0xFFFFFF) + 1_000_000)" }

@Suite struct ProcessDriverTests {
    private func shell(_ script: String, environment: [String: String] = [:], grace: Duration = .seconds(5)) -> Launch {
        Launch(
            name: "test", program: "/bin/sh", arguments: ["-c", script], environment: environment, stopGrace: grace)
    }

    private func forever(_: RunningProcess) async throws -> String {
        try await SystemClock().sleep(for: .seconds(3600))
        return "never"
    }

    @Test("a process that ends by itself gives its status and its last lines", arguments: [0, 3, 42] as [Int32])
    func exits(status: Int32) async throws {
        let script = "echo one; echo two >&2; exit \(status)"
        let end = try await Support.driver().run(shell(script), lines: { _ in }, body: forever)
        #expect(end == .exited(status: status, lastLines: ["one", "two"]))
    }

    @Test("a process that a signal ended gives 128 and the signal's number")
    func signalled() async throws {
        let end = try await Support.driver().run(shell("kill -9 $$"), lines: { _ in }, body: forever)
        #expect(end == .exited(status: 137, lastLines: []))
    }

    @Test("a program that does not exist is status 127 and says so")
    func noProgram() async throws {
        let launch = Launch(name: "test", program: "/no/such/program", arguments: [])
        let end = try await Support.driver().run(launch, lines: { _ in }, body: forever)
        guard case .exited(status: 127, let lines) = end else {
            Issue.record("\(end)")
            return
        }
        #expect(lines.contains { $0.contains("/no/such/program") })
    }

    @Test("a child gets its own environment, not the platform's secrets")
    func environment() async throws {
        setenv("VOLERY_TEST_PROVIDER_KEY", "sk-secret", 1)
        let lines = Lines()
        let launch = shell("env", environment: ["WANTED": "yes"])
        _ = try await Support.driver().run(launch, lines: { lines.append($0) }, body: forever)
        #expect(lines.all.contains("WANTED=yes"))
        #expect(lines.all.contains { $0.hasPrefix("PATH=") })
        #expect(!lines.all.contains { $0.contains("sk-secret") })
    }

    @Test("a stop is TERM first: the process may end in its own way")
    func gracefulStop() async throws {
        let mark = mark()
        let lines = Lines()
        let script = "trap 'echo bye; exit 0' TERM; echo up; sleep \(mark) & wait"
        let end = try await Support.driver().run(shell(script), lines: { lines.append($0) }) { _ in
            try await eventually("it is up") { lines.all.contains("up") }
            return "enough"
        }
        #expect(end == .stopped(reason: "enough"))
        #expect(lines.all.last == "bye")
        #expect(Support.processes(with: mark).isEmpty)
    }

    @Test("what ignores TERM is killed with its children and grandchildren, in other sessions too")
    func stubborn() async throws {
        let mark = mark()
        let script = """
            trap '' TERM
            sleep \(mark) & setsid sleep \(mark) & (setsid sh -c "sleep \(mark) & sleep \(mark)" &)
            echo up; while :; do sleep \(mark); done
            """
        let lines = Lines()
        let end = try await Support.driver().run(
            shell(script, grace: .milliseconds(200)), lines: { lines.append($0) }
        ) { _ in
            try await eventually("the tree stands") { Support.processes(with: "sleep\0\(mark)").count >= 5 }
            return "enough"
        }
        #expect(end == .stopped(reason: "enough"))
        #expect(Support.processes(with: mark).isEmpty)
    }

    @Test("a cancelled run ends its process in the same way before it throws")
    func cancelled() async throws {
        let mark = mark()
        let driver = try Support.driver()
        let launch = shell("setsid sleep \(mark) & sleep \(mark)")
        await #expect(throws: CancellationError.self) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await driver.run(launch, lines: { _ in }, body: forever) }
                try await eventually("it runs") { Support.processes(with: "sleep\0\(mark)").count == 2 }
                group.cancelAll()
                try await group.waitForAll()
            }
        }
        #expect(Support.processes(with: mark).isEmpty)
    }

    @Test("children that a process leaves behind die with it")
    func leftBehind() async throws {
        let mark = mark()
        let end = try await Support.driver().run(
            shell("setsid sleep \(mark) >/dev/null 2>&1 & exit 5"), lines: { _ in }, body: forever)
        #expect(end == .exited(status: 5, lastLines: []))
        #expect(Support.processes(with: mark).isEmpty)
    }

    @Test("a process that writes without end is bounded in lines, in length of a line, and in what is kept")
    func boundedLines() async throws {
        let lines = Lines()
        let script = """
            head -c 100000 /dev/zero | tr '\\0' x; echo
            i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done
            """
        let end = try await Support.driver().run(shell(script), lines: { lines.append($0) }, body: forever)
        guard case .exited(status: 0, let last) = end else {
            Issue.record("\(end)")
            return
        }
        #expect(last.count == 40)
        #expect(last.last == "line 19999", "the last ones are kept, even when they were held back from the log")
        #expect(lines.all.count < 2000)
        #expect(lines.all.allSatisfy { $0.utf8.count < 2100 })
        #expect(lines.all.first?.hasSuffix("bytes more)") == true)
    }

    @Test("kill -9 of the platform leaves no child, grandchild or grandchild in another session")
    func platformKilled() async throws {
        let mark = mark()
        // A shell stands for the platform; what it starts is the guard, as the driver would.
        let platform = Process()
        platform.executableURL = URL(fileURLWithPath: "/bin/sh")
        let tree =
            "sleep \(mark) & setsid sleep \(mark) & (setsid sh -c 'sleep \(mark) & sleep \(mark)' &) ; sleep \(mark)"
        platform.arguments = [
            "-c", "\"$0\" __guard $$ /bin/sh -c \"$1\" & wait", try Support.guardBinary().program, tree,
        ]
        try platform.run()
        try await eventually("the tree stands") { Support.processes(with: "sleep\0\(mark)").count == 5 }
        kill(platform.processIdentifier, SIGKILL)
        try await eventually("nothing is left") { Support.processes(with: mark).isEmpty }
        #expect(Support.processes(with: mark).isEmpty)
    }
}

final class Lines: Sendable {
    private let kept = Mutex<[String]>([])
    var all: [String] { kept.withLock { $0 } }
    func append(_ line: String) { kept.withLock { $0.append(line) } }
}
