import App
import AsyncHTTPClient
import Flows
import Foundation
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

    private func begin() async throws {
        try await withAccess { try await $0.use(begins: true) { _ in } }
    }

    private func refusal() async throws -> Problem? {
        try await withAccess { access in
            do {
                _ = try await access.use { try await $0.listKeys(in: nil, PageRequest()) }
                return nil
            } catch let problem as Problem {
                return problem
            }
        }
    }

    @Test("a folder that is not there, or holds something else, is told, and is not made a platform")
    func nowhere() async throws {
        let absent = try #require(try await refusal())
        #expect(absent.code == .notFound && absent.message == "There is no data folder at \(folder.path).")
        #expect(absent.hint == "`volery serve` makes one; `--data-dir` names another.")
        #expect(!folder.exists)
        try folder.create()
        #expect(try await refusal()?.message == "The folder \(folder.path) holds no platform's data.")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        // As `models pull` leaves it.
        try #require(try FolderLock.take(in: folder)).release()
        #expect(try await refusal()?.code == .notFound)
        try await begin()
        #expect(try await refusal() == nil)
    }

    @Test("where no platform runs, the database itself answers, and the folder is free again afterwards")
    func database() async throws {
        let (made, listed) = try await withAccess { access in
            let made = try await access.use(begins: true) { try await $0.createKey(NewKey(name: "laptop")) }
            return (made, try await access.use { try await $0.listKeys(in: nil, PageRequest()) })
        }
        #expect(listed.data == [made.view])
        #expect(try FolderLock.take(in: folder) != nil)
        #expect(try await withAccess { try await $0.runningPlatform() } == nil)
    }

    @Test("without a platform too, a key is made once under an idempotency key, and the first one is named")
    func keyed() async throws {
        try await begin()
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
        try await begin()
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
