import AsyncHTTPClient
import Crypto
import Fleet
import Foundation
import Kernel
import Logging
import Runtimes
import SystemPackage
import Testing

enum Support {
    static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// The binary that knows the word `__guard`, built beside the tests.
    static func guardBinary() throws -> ProcessDriver.Guard {
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let binary = URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("volery").path
        try #require(FileManager.default.isExecutableFile(atPath: binary), "\(binary) is not built")
        return ProcessDriver.Guard(program: binary)
    }

    static func driver() throws -> ProcessDriver {
        ProcessDriver(guard: try guardBinary(), clock: SystemClock(), logger: logger)
    }

    static func hash(_ bytes: [UInt8]) -> String {
        SHA256.hash(data: bytes).map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }

    /// Bytes that no compression or repetition can fake.
    static func bytes(_ count: Int, seed: UInt64 = 3) -> [UInt8] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
    }

    static func withClient<Value: Sendable>(
        _ limits: Downloader.Limits = Downloader.Limits(), _ body: (HTTPClient) async throws -> Value
    ) async throws -> Value {
        let client = HTTPClient(configuration: limits.clientConfiguration)
        do {
            let value = try await body(client)
            try await client.shutdown()
            return value
        } catch {
            try await client.shutdown()
            throw error
        }
    }

    static func read(_ path: String) -> [UInt8]? {
        (try? Data(contentsOf: URL(fileURLWithPath: path))).map { Array($0) }
    }

    /// Processes whose command line holds the text, zombies not counted.
    static func processes(with text: String) -> [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.filter { pid in
            guard let line = read("/proc/\(pid)/cmdline") else { return false }
            return String(decoding: line, as: UTF8.self).contains(text)
        }
    }
}
