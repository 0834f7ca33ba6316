import AsyncHTTPClient
import Fleet
import Foundation
import Kernel
import NIOCore
import Runtimes
import Synchronization
import SystemPackage
import TestKit
import Testing

@Suite struct DownloaderTests {
    let folder: TemporaryFolder
    let content = Support.bytes(300_000)
    let limits: Downloader.Limits

    init() throws {
        folder = try TemporaryFolder()
        var limits = Downloader.Limits()
        limits.stall = .seconds(20)
        limits.pause = .milliseconds(1)
        self.limits = limits
    }

    private var target: String { folder.path("model.bin") }

    private func download(
        from server: FlakyServer, sha256: String? = nil, bytes: Int? = nil, stall: Duration = .seconds(20),
        progress: @escaping @Sendable (FetchProgress) -> Void = { _ in }
    ) async throws {
        let order = Downloader.Order(
            url: server.url + "/model.bin", target: FilePath(target), sha256: sha256 ?? Support.hash(content),
            bytes: Int64(bytes ?? content.count), label: "model.bin", source: "test")
        var limits = limits
        limits.stall = stall
        let chosen = limits
        try await Support.withClient(chosen) { client in
            let downloader = Downloader(client: client, clock: SystemClock(), limits: chosen, logger: Support.logger)
            try await downloader.download(order, progress: progress)
        }
    }

    private func problem(_ work: () async throws -> Void) async throws -> Problem {
        try await #require(throws: Problem.self) { try await work() }
    }

    @Test("a file arrives whole under its name, with progress in bytes, and no part is left")
    func plain() async throws {
        let content = content
        let server = try await FlakyServer { _ in .init(body: content) }
        let reports = Reports()
        try await download(from: server) { reports.append($0) }
        #expect(Support.read(target) == content)
        #expect(!FileManager.default.fileExists(atPath: target + ".part"))
        let last = try #require(reports.all.last)
        #expect(last.done == Int64(content.count))
        #expect(last.total == Int64(content.count))
        #expect(last.file == "model.bin")
        try await server.stop()
    }

    @Test("a connection that breaks at half is resumed with a range, and the whole still matches")
    func resumed() async throws {
        let content = content
        let server = try await FlakyServer { request in
            guard let start = request.rangeStart else {
                return .init(body: Array(content[..<150_000]), promised: content.count)
            }
            return .init(
                status: "206 Partial Content",
                headers: ["content-range": "bytes \(start)-\(content.count - 1)/\(content.count)"],
                body: Array(content[start...]))
        }
        try await download(from: server)
        #expect(Support.read(target) == content)
        #expect(server.requests.count == 2)
        // What the client still held when the connection broke may be lost, and is then fetched again.
        let start = try #require(server.requests.last?.rangeStart)
        #expect((1...150_000).contains(start))
        try await server.stop()
    }

    @Test("a part that an earlier run left is continued")
    func continuedPart() async throws {
        try Data(content[..<100_000]).write(to: URL(fileURLWithPath: target + ".part"))
        let content = content
        let server = try await FlakyServer { request in
            let start = request.rangeStart ?? 0
            return .init(
                status: "206 Partial Content",
                headers: ["content-range": "bytes \(start)-\(content.count - 1)/\(content.count)"],
                body: Array(content[start...]))
        }
        try await download(from: server)
        #expect(server.requests.map(\.rangeStart) == [100_000])
        #expect(Support.read(target) == content)
        try await server.stop()
    }

    @Test("a part of another file does not spoil the download: it starts over once")
    func foreignPart() async throws {
        try Data(Support.bytes(100_000, seed: 99)).write(to: URL(fileURLWithPath: target + ".part"))
        let content = content
        let server = try await FlakyServer { request in
            let start = request.rangeStart ?? 0
            return .init(
                status: start > 0 ? "206 Partial Content" : "200 OK",
                headers: ["content-range": "bytes \(start)-\(content.count - 1)/\(content.count)"],
                body: Array(content[start...]))
        }
        try await download(from: server)
        #expect(server.requests.map(\.rangeStart) == [100_000, nil])
        #expect(Support.read(target) == content)
        try await server.stop()
    }

    @Test("a server without ranges sends all of it again, and the file is right")
    func noRanges() async throws {
        let content = content
        let server = try await FlakyServer { request in
            request.number == 1
                ? .init(body: Array(content[..<50_000]), promised: content.count) : .init(body: content)
        }
        try await download(from: server)
        #expect(Support.read(target) == content)
        try await server.stop()
    }

    @Test("a wrong checksum is refused with both sums, and nothing of it stays")
    func wrongChecksum() async throws {
        let content = content
        let server = try await FlakyServer { _ in .init(body: content) }
        let promised = String(repeating: "0", count: 64)
        let problem = try await problem { try await download(from: server, sha256: promised) }
        #expect(problem.code == .checksumMismatch)
        #expect(problem.message.contains(promised))
        #expect(problem.message.contains(Support.hash(content)))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        try await server.stop()
    }

    @Test("more bytes than promised are refused before they fill the disk")
    func tooMuch() async throws {
        let content = content
        let server = try await FlakyServer { _ in .init(body: content) }
        let problem = try await problem { try await download(from: server, bytes: 1000) }
        #expect(problem.code == .checksumMismatch)
        #expect(Support.read(target) == nil)
        try await server.stop()
    }

    @Test("a silent connection is given up and resumed")
    func stalled() async throws {
        let content = content
        let server = try await FlakyServer { request in
            guard let start = request.rangeStart else {
                return .init(body: Array(content[..<70_000]), promised: content.count, stallsAfterwards: true)
            }
            return .init(
                status: "206 Partial Content",
                headers: ["content-range": "bytes \(start)-\(content.count - 1)/\(content.count)"],
                body: Array(content[start...]))
        }
        try await download(from: server, stall: .seconds(2))
        let starts = server.requests.map(\.rangeStart)
        #expect(starts.count >= 2 && starts.first == .some(nil))
        #expect(starts.dropFirst().allSatisfy { ($0 ?? 0) > 0 }, "every later request continues what is there")
        #expect(Support.read(target) == content)
        try await server.stop()
    }

    @Test("a source that fails again and again without a byte is given up with its reason")
    func fruitless() async throws {
        let server = try await FlakyServer { _ in .init(status: "503 Service Unavailable") }
        let problem = try await problem { try await download(from: server) }
        #expect(problem.code == .downloadFailed)
        #expect(problem.message.contains("503"))
        #expect(server.requests.count == limits.fruitlessTries)
        try await server.stop()
    }

    @Test("a refusal such as 404 is final for its source")
    func refused() async throws {
        let server = try await FlakyServer { _ in .init(status: "404 Not Found") }
        let problem = try await problem { try await download(from: server) }
        #expect(problem.code == .downloadFailed)
        #expect(server.requests.count == 1)
        try await server.stop()
    }

    @Test("a disk with too little space is refused before the first byte, with numbers")
    func fullDisk() async throws {
        let server = try await FlakyServer { _ in .init(body: []) }
        let problem = try await problem { try await download(from: server, bytes: 1 << 60) }
        #expect(problem.code == .storageFull)
        #expect(problem.message.contains("MB"))
        #expect(server.requests.isEmpty)
        try await server.stop()
    }
}

final class Reports: Sendable {
    private let kept = Mutex<[FetchProgress]>([])
    var all: [FetchProgress] { kept.withLock { $0 } }
    func append(_ report: FetchProgress) { kept.withLock { $0.append(report) } }
}
