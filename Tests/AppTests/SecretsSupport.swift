import App
import Foundation
import Kernel
import Logging
import TestKit
import Testing

/// A data folder with its database, opened as the platform opens it.
struct Installation: Sendable {
    let temporary: TemporaryFolder
    let folder: DataFolder
    let clock: ManualClock
    /// Nil for SQLite.
    let server: String?

    init(server: String? = nil, clock: ManualClock = ManualClock()) throws {
        temporary = try TemporaryFolder()
        folder = DataFolder(temporary.path("data"))
        try folder.create()
        self.clock = clock
        self.server = server
    }

    static let key1 = String(repeating: "01", count: 31) + "aa"
    static let key2 = String(repeating: "02", count: 31) + "aa"

    func configuration(_ environment: [String: String] = [:]) throws -> Configuration {
        var environment = environment
        if environment["VOLERY_DATABASE"] == nil { environment["VOLERY_DATABASE"] = server }
        return try Configuration.load(flags: ["data_dir": folder.path], environment: environment).checked()
    }

    func open(_ environment: [String: String] = [:]) async throws -> StorageParts {
        let random = SystemRandom()
        return try await StorageParts.open(
            configuration(environment), clock: clock, random: random, ids: IDSource(clock: clock, random: random),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    func using<Value: Sendable>(
        _ environment: [String: String] = [:], _ body: (StorageParts) async throws -> Value
    ) async throws -> Value {
        let storage = try await open(environment)
        do {
            let value = try await body(storage)
            try await storage.close()
            return value
        } catch {
            try await storage.close()
            throw error
        }
    }

    func refusal(_ environment: [String: String] = [:]) async throws -> Problem? {
        do {
            try await open(environment).close()
            return nil
        } catch let problem as Problem {
            return problem
        }
    }

    func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    /// Files of the data folder that hold the text.
    func files(with text: String) throws -> [String] {
        let needle = Data(text.utf8)
        return try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { name in
            guard let data = FileManager.default.contents(atPath: folder.path + "/" + name) else { return false }
            return data.range(of: needle) != nil
        }
    }
}

/// Every place where rows are kept that is there. A server that the environment does not name is left out.
enum StorageEngine: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case sqlite, postgres15, postgres18

    static var allCases: [StorageEngine] {
        [.sqlite] + [.postgres15, .postgres18].filter { $0.server != nil }
    }

    var testDescription: String { rawValue }

    private var server: String? {
        let version = rawValue.replacingOccurrences(of: "postgres", with: "")
        return ProcessInfo.processInfo.environment["VOLERY_TEST_POSTGRES_" + version]
    }

    /// On a schema of the body's own, where it is a server.
    func withInstallation<Value: Sendable>(_ body: (Installation) async throws -> Value) async throws -> Value {
        guard let server else { return try await body(Installation(clock: ManualClock())) }
        let schema = try await TestSchema(on: server)
        do {
            let value = try await body(Installation(server: schema.url))
            try await schema.drop()
            return value
        } catch {
            try await schema.drop()
            throw error
        }
    }
}
