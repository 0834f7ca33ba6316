import App
import AsyncHTTPClient
import Flows
import Foundation
import Kernel
import Logging
import TestKit
import Testing

@Suite("the database of a data folder")
struct ServedDatabaseTests {
    let temporary: TemporaryFolder
    let folder: DataFolder

    init() throws {
        temporary = try TemporaryFolder()
        folder = DataFolder(temporary.path("data"))
    }

    /// Opens the folder as a command does, and names the database's keys.
    private func open(_ folder: DataFolder, database: String? = nil) async throws -> [String] {
        let environment = database.map { ["VOLERY_DATABASE": "sqlite://" + $0] } ?? [:]
        let configuration = try Configuration.load(flags: ["data_dir": folder.path], environment: environment).checked()
        return try await HTTPClient.withHTTPClient { client in
            let access = ControlAccess(
                configuration: configuration, environment: [:], client: client, clock: SystemClock(),
                random: SystemRandom(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            return try await access.use(begins: true) { control in
                if try await control.listKeys(PageRequest()).data.isEmpty {
                    _ = try await control.createKey(NewKey(name: folder.path))
                }
                return try await control.listKeys(PageRequest()).data.map(\.name)
            }
        }
    }

    private func refusal(_ folder: DataFolder, database: String? = nil) async throws -> Problem? {
        do {
            _ = try await open(folder, database: database)
            return nil
        } catch let problem as Problem {
            return problem
        }
    }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    @Test("is remembered at the first opening, for the owner only, and opens again")
    func remembered() async throws {
        let names = try await open(folder)
        let id = try #require(try DataFolder.read(folder.databaseFile))
        #expect(id.hasPrefix("ws_"))
        let mode = try FileManager.default.attributesOfItem(atPath: folder.databaseFile)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(try await open(folder) == names)
        #expect(try DataFolder.read(folder.databaseFile) == id)
    }

    @Test("is not made anew in another place, nor in its own when the file went")
    func missing() async throws {
        let other = temporary.path("other.db")
        _ = try await open(folder, database: other)
        let problem = try #require(try await refusal(folder))
        #expect(problem.code == .configurationInvalid)
        #expect(problem.message.hasPrefix("This data folder was served on another database"))
        #expect(problem.hint.contains(folder.databaseFile))
        #expect(!exists(folder.path + "/volery.db"))
        try FileManager.default.removeItem(atPath: other)
        #expect(try await refusal(folder, database: other)?.code == .configurationInvalid)
        #expect(!exists(other))
    }

    @Test("is told from another folder's, and from one that was never served, which both stay as they were")
    func another() async throws {
        let names = try await open(folder)
        let second = DataFolder(temporary.path("second"))
        _ = try await open(second)
        #expect(try await refusal(second, database: folder.path + "/volery.db")?.code == .configurationInvalid)
        let empty = temporary.path("empty.db")
        try Data().write(to: URL(filePath: empty))
        #expect(try await refusal(second, database: empty)?.code == .configurationInvalid)
        let bytes = String(decoding: try Data(contentsOf: URL(filePath: empty)), as: UTF8.self)
        #expect(!bytes.contains("CREATE TABLE"), "no schema was made there")
        #expect(try await open(folder) == names)
        DataFolder.remove(second.databaseFile)
        // With the master key that goes with that database.
        try DataFolder.write(try #require(try DataFolder.read(folder.masterKeyFile)), to: second.masterKeyFile)
        #expect(try await open(second, database: folder.path + "/volery.db") == names, "moved on purpose")
    }

    @Test("is written down where an older version left the folder without it, and a backup of it is the same")
    func older() async throws {
        let names = try await open(folder)
        let id = try DataFolder.read(folder.databaseFile)
        DataFolder.remove(folder.databaseFile)
        #expect(try await open(folder) == names)
        #expect(try DataFolder.read(folder.databaseFile) == id)
        let backup = temporary.path("backup.db")
        try FileManager.default.copyItem(atPath: folder.path + "/volery.db", toPath: backup)
        #expect(try await open(folder, database: backup) == names)
    }

    @Test("whose name cannot be read stops the opening")
    func unreadable() async throws {
        _ = try await open(folder)
        try DataFolder.write("nonsense", to: folder.databaseFile)
        #expect(try await refusal(folder)?.message.contains(folder.databaseFile) == true)
    }

    @Test("in a folder that is not there is refused in words, and nothing is made")
    func noFolder() async throws {
        let problem = try #require(try await refusal(folder, database: temporary.path("no/such/x.db")))
        #expect(problem.code == .configurationInvalid)
        #expect(problem.message == "The folder of \(temporary.path("no/such/x.db")) does not exist.")
        #expect(!exists(folder.databaseFile) && !exists(temporary.path("no")))
    }
}
