import Foundation
import Kernel
import TestKit
import Testing

/// A PostgreSQL server of one test's own, which it may kill without disturbing anybody.
final class Cluster: Sendable {
    let url: String
    private let folder: TemporaryFolder

    private init(url: String, folder: TemporaryFolder) {
        self.url = url
        self.folder = folder
    }

    static func with(_ adapter: DatabaseAdapter, _ body: (Cluster) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        // The server runs as another user where the tests run as root.
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
        let cluster = Cluster(
            url: try await script(folder, "start", adapter.version, folder.path("server")), folder: folder)
        do {
            try await body(cluster)
        } catch {
            try await cluster.kill()
            throw error
        }
        try await cluster.kill()
    }

    /// `kill -9` of every process of the server.
    func kill() async throws { _ = try await Self.script(folder, "kill", folder.path("server")) }

    func stop() async throws { _ = try await Self.script(folder, "stop", folder.path("server")) }

    func restart() async throws { _ = try await Self.script(folder, "restart", folder.path("server")) }

    private static func script(_ folder: TemporaryFolder, _ arguments: String...) async throws -> String {
        let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let process = Process()
        process.executableURL = root.appendingPathComponent("dev/postgres.sh")
        process.arguments = arguments
        // No pipe: a server started beside this one would inherit its end, and hold it open.
        let output = folder.path("output")
        try Data().write(to: URL(fileURLWithPath: output))
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        process.standardInput = FileHandle.nullDevice
        let status: Int32 = try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do {
                try process.run()
            } catch {
                continuation.resume(throwing: error)
            }
        }
        try #require(status == 0, "dev/postgres.sh \(arguments) failed")
        let text = try String(contentsOfFile: output, encoding: .utf8)
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
