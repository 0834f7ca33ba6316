import Fleet
import Foundation
import Kernel
import Runtimes
import Synchronization
import TestKit
import Testing

/// Files are always there, and every probe is answered as the test says.
private final class Fakes: ModelFetcher, RuntimePreparer, RuntimeProbe {
    private let health = Mutex<String?>(nil)

    func set(failure: String?) { health.withLock { $0 = failure } }

    func fetch(_ recipe: Recipe, progress: @escaping @Sendable (FetchProgress) -> Void) async throws -> String {
        "/models"
    }
    func prepare(_ recipe: Recipe, progress: @escaping @Sendable (String) -> Void) async throws -> String { "python3" }
    func failure(of probe: Probe, at endpoint: Endpoint) async -> String? { health.withLock { $0 } }
}

private final class Seen: Sendable {
    private let kept = Mutex<[ModelServiceStatus]>([])
    var all: [ModelServiceStatus] { kept.withLock { $0 } }
    var phases: [ServiceState.Phase] { all.map(\.state) }
    func append(_ status: ModelServiceStatus) { kept.withLock { $0.append(status) } }
}

@Suite struct SupervisorTests {
    private let fakes = Fakes()
    private let seen = Seen()

    private func recipe(_ command: String) throws -> Recipe {
        let text = """
            name: tiny
            description: A model for tests
            model: {kind: chat, name: tiny, licence: MIT, context: 64}
            process: {command: [/bin/sh, -c, '\(command)'], stop_grace: 3s}
            probe: {path: /health, interval: 100ms, failures: 2}
            restart: {initial: 10ms, maximum: 50ms}
            resources: {memory_mib: 10}
            """
        return try RecipeLibrary.parse(Array(text.utf8), file: "tiny.yaml")
    }

    private func fleet(_ command: String) throws -> FleetSupervisor {
        let tools = ModelSupervisor.Tools(
            driver: try Support.driver(), fetcher: fakes, preparer: fakes, probe: fakes, clock: SystemClock(),
            random: SeededRandom(), workers: "/workers", threads: 1, logger: Support.logger)
        let seen = seen
        return FleetSupervisor(recipes: [try recipe(command)], tools: tools) { seen.append($0) }
    }

    private func whileRunning(
        _ fleet: FleetSupervisor, starting names: [String] = ["tiny"], _ body: () async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await fleet.run(starting: names) }
            defer { group.cancelAll() }
            try await body()
        }
    }

    @Test("a service becomes ready, shows its endpoint and process, and leaves nothing when the platform stops")
    func lifecycle() async throws {
        let fleet = try fleet("exec sleep 9123401")
        try await whileRunning(fleet) {
            try await eventually("it is ready") { fleet.statuses[0].isReady }
            let status = fleet.statuses[0]
            #expect(status.endpoint?.hasPrefix("http://127.0.0.1:") == true)
            let pid = try #require(status.pid)
            try await eventually("the process is the runtime's own, not the guard") {
                Support.read("/proc/\(pid)/cmdline") == Array("sleep\09123401\0".utf8)
            }
        }
        #expect(fleet.statuses[0].state == .stopped)
        #expect(Support.processes(with: "9123401").isEmpty)
        #expect(seen.phases == [.fetching, .preparing, .starting, .ready, .stopping, .stopped])
    }

    @Test("a process that crashes again and again shows as a crash loop with its last words, and is retried")
    func crashLoop() async throws {
        fakes.set(failure: "connection refused")
        let fleet = try fleet("echo cannot map the model >&2; exit 9")
        try await whileRunning(fleet) {
            try await eventually("it loops visibly") { fleet.statuses[0].restarts >= 4 }
        }
        let loop = try #require(seen.all.last { $0.state == .crashLooping })
        #expect(loop.detail.contains("exit status 9"))
        #expect(loop.detail.contains("cannot map the model"))
        #expect(loop.endpoint == nil)
    }

    @Test("a process that stops answering is ended and started again")
    func unhealthy() async throws {
        let fleet = try fleet("exec sleep 9123402")
        try await whileRunning(fleet) {
            try await eventually("it is ready") { fleet.statuses[0].isReady }
            let first = try #require(fleet.statuses[0].pid)
            fakes.set(failure: "silence")
            try await eventually("it was restarted") { fleet.statuses[0].restarts == 1 }
            fakes.set(failure: nil)
            try await eventually("it is ready again") { fleet.statuses[0].isReady }
            #expect(fleet.statuses[0].pid != first)
            #expect(!Support.processes(with: "9123402").contains(first))
        }
        #expect(seen.all.contains { $0.state == .backingOff && $0.detail.contains("stopped answering: silence") })
    }

    @Test("one service can be stopped and started again while the platform runs")
    func stopAndStart() async throws {
        let fleet = try fleet("exec sleep 9123403")
        try await whileRunning(fleet, starting: []) {
            #expect(fleet.statuses[0].state == .stopped)
            try fleet.start("tiny")
            try await eventually("it is ready") { fleet.statuses[0].isReady }
            try await fleet.stop("tiny")
            #expect(fleet.statuses[0].state == .stopped)
            #expect(Support.processes(with: "9123403").isEmpty)
            try await fleet.stop("tiny")
            try fleet.start("tiny")
            try await eventually("it is ready again") { fleet.statuses[0].isReady }
        }
        #expect(throws: Problem.self) { try fleet.start("nobody") }
    }

    @Test("a service that takes its time to stop shows as stopping, with no endpoint, from the first moment")
    func slowStop() async throws {
        let fleet = try fleet(#"trap "" TERM; while :; do sleep 9123404; done"#)
        try await whileRunning(fleet) {
            try await eventually("it is ready") { fleet.statuses[0].isReady }
            try await eventually("it hears no signal") { !Support.processes(with: "sleep\09123404").isEmpty }
            async let stopped: Void = fleet.stop("tiny")
            try await eventually("it stops") { fleet.statuses[0].state == .stopping }
            #expect(fleet.statuses[0].endpoint == nil)
            #expect(!Support.processes(with: "9123404").isEmpty, "the grace is not over")
            try await stopped
            #expect(Support.processes(with: "9123404").isEmpty)
        }
    }

    @Test("a status survives its way through JSON")
    func json() throws {
        let status = try fleet("true").statuses[0]
        let data = try JSONEncoder().encode(status)
        let back = try JSONDecoder().decode(ModelServiceStatus.self, from: data)
        #expect(back.name == status.name)
        #expect(back.state == status.state)
        #expect(String(decoding: data, as: UTF8.self).contains("\"context_limit\":64"))
    }
}
