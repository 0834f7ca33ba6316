import App
import AsyncHTTPClient
import Flows
import Kernel
import Logging
import TestKit
import Testing

@Suite struct ControlAccessTests {
    let temporary: TemporaryFolder
    let folder: DataFolder

    init() throws {
        temporary = try TemporaryFolder()
        folder = DataFolder(temporary.path("data"))
    }

    private func withAccess<Value: Sendable>(
        _ body: @Sendable (ControlAccess) async throws -> Value
    ) async throws -> Value {
        let configuration = Configuration.load(flags: ["data_dir": folder.path], environment: [:]).configuration
        return try await HTTPClient.withHTTPClient { client in
            try await body(
                ControlAccess(
                    configuration: configuration, environment: [:], client: client, clock: SkippingClock(),
                    random: SeededRandom(seed: 4), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        }
    }

    @Test("where no platform runs, the database itself answers, and the folder is free again afterwards")
    func database() async throws {
        let (made, listed) = try await withAccess { access in
            let made = try await access.use { try await $0.createKey(NewKey(name: "laptop")) }
            return (made, try await access.use { try await $0.listKeys(in: nil, PageRequest()) })
        }
        #expect(listed.data == [made.view])
        #expect(try FolderLock.take(in: folder) != nil)
        #expect(try await withAccess { try await $0.runningPlatform() } == nil)
    }

    @Test("without a platform too, a key is made once under an idempotency key, and the first one is named")
    func keyed() async throws {
        let (made, problem, listed) = try await withAccess { access in
            let made = try await access.createKey(idempotencyKey: "once") { _ in NewKey(name: "k", expiresIn: 60) }
            let problem = await #expect(throws: Problem.self) {
                try await access.createKey(idempotencyKey: "once") { _ in NewKey(name: "k", expiresIn: 60) }
            }
            return (made, problem, try await access.use { try await $0.listKeys(in: nil, PageRequest()) })
        }
        #expect(problem?.code == .idempotencyConflict)
        #expect(problem?.message.contains(made.view.id.description) == true)
        #expect(listed.data == [made.view])
    }

    @Test("without a platform the model inside the binary and the recipes are listed")
    func models() async throws {
        let models = try await withAccess { try await $0.use { try await $0.models() } }
        #expect(models.first { $0.model == "demo-echo" }?.state == "ready")
        #expect(models.contains { $0.aliases.contains("default") && $0.state == "stopped" })
    }

    @Test("a process that holds the folder and does not answer is told, after some patience")
    func silence() async throws {
        try folder.create()
        let lock = try #require(try FolderLock.take(in: folder))
        let code: ErrorCode? = try await withAccess { access in
            do {
                _ = try await access.use { try await $0.listKeys(in: nil, PageRequest()) }
                return nil
            } catch let problem as Problem {
                return problem.code
            }
        }
        lock.release()
        #expect(code == .platformSilent)
    }
}
