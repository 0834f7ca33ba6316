package import AsyncHTTPClient
import Crypto
package import Fleet
package import Kernel
package import Logging
import Metrics
import NIOCore
import NIOHTTP1
package import SystemPackage

/// Fetches one file over HTTP so that its final name never shows anything but the whole, verified file.
package struct Downloader: Sendable {
    package struct Limits: Sendable {
        /// Without a byte for this long, the connection is given up and the download resumed.
        package var stall: Duration = .seconds(30)
        /// Broken connections in a row without one new byte after which the source is given up.
        package var fruitlessTries = 4
        /// Wait after the first broken connection; doubles with each fruitless one.
        package var pause: Duration = .seconds(1)

        package init() {}

        /// For the client that a downloader uses: redirects are followed, and silence ends a connection.
        package var clientConfiguration: HTTPClient.Configuration {
            var configuration = HTTPClient.Configuration()
            configuration.timeout = .init(connect: .seconds(15), read: .nanoseconds(stall.microseconds * 1000))
            configuration.redirectConfiguration = .follow(max: 8, allowCycles: false)
            return configuration
        }
    }

    /// What is to be at `target` in the end.
    package struct Order: Sendable {
        package let url: String
        package let target: FilePath
        package let sha256: String
        package let bytes: Int64
        /// For progress: what file, and from where.
        package let label: String
        package let source: String

        package init(url: String, target: FilePath, sha256: String, bytes: Int64, label: String, source: String) {
            self.url = url
            self.target = target
            self.sha256 = sha256
            self.bytes = bytes
            self.label = label
            self.source = source
        }

        var part: FilePath { FilePath(target.string + ".part") }
    }

    private let client: HTTPClient
    private let clock: any Clock
    private let limits: Limits
    private let logger: Logger

    /// - Parameter client: made with `limits.clientConfiguration`; it is not shut down here.
    package init(client: HTTPClient, clock: any Clock, limits: Limits = Limits(), logger: Logger) {
        self.client = client
        self.clock = clock
        self.limits = limits
        self.logger = logger
    }

    /// Continues `target.part` where there is one, and renames it when all of it is there and right.
    ///
    /// - Throws: `CHECKSUM_MISMATCH`, `STORAGE_FULL`, or `DOWNLOAD_FAILED` after several broken connections without a
    ///   new byte; `CancellationError` at once, and what was fetched stays to be continued.
    package func download(_ order: Order, progress: @escaping @Sendable (FetchProgress) -> Void) async throws {
        try DataFiles.makeFolder(order.target.removingLastComponent())
        var fruitless = 0
        while true {
            let had = DataFiles.size(order.part) ?? 0
            do {
                try await attempt(order, progress)
                return
            } catch let broken as BrokenDownload {
                try Task.checkCancellation()
                let has = DataFiles.size(order.part) ?? 0
                fruitless = has > had ? 0 : fruitless + 1
                guard broken.isTransient, fruitless < limits.fruitlessTries else {
                    throw Problem(.downloadFailed, "\(order.url): \(broken.reason).")
                }
                logger.warning(
                    "download interrupted, continuing",
                    metadata: [
                        "url": "\(order.url)", "reason": "\(broken.reason)", "bytes": "\(has)",
                        "of": "\(order.bytes)",
                    ])
                try await clock.sleep(for: limits.pause * (1 << min(fruitless, 5)))
            }
        }
    }

    private func attempt(_ order: Order, _ progress: @escaping @Sendable (FetchProgress) -> Void) async throws {
        let descriptor = try open(order.part)
        defer { try? descriptor.close() }
        var sum = try Checksum.of(descriptor)
        if sum.bytes > order.bytes {
            try descriptor.resize(to: 0)
            sum = Checksum()
        }
        let resumed = sum.bytes > 0
        if sum.bytes < order.bytes {
            try DataFiles.requireSpace(order.bytes - sum.bytes, in: order.target.removingLastComponent())
            try await receive(order, into: descriptor, &sum, progress)
        }
        guard sum.bytes == order.bytes, sum.hexadecimal() == order.sha256 else {
            // A part that was continued may have been of another file: once more, from the beginning.
            try descriptor.resize(to: 0)
            if resumed { throw BrokenDownload("what was continued does not match, starting over", isTransient: true) }
            try? DataFiles.remove(order.part)
            throw Problem(
                .checksumMismatch,
                "\(order.url) delivered \(sum.bytes) bytes with SHA-256 \(sum.hexadecimal()); the recipe promises "
                    + "\(order.bytes) bytes with \(order.sha256).")
        }
        try DataFiles.publish(order.part, as: order.target)
    }

    private func open(_ part: FilePath) throws -> Descriptor {
        do {
            return try Descriptor.open(
                part, .readWrite, options: [.create, .closeOnExec], permissions: .ownerReadWrite)
        } catch let error as Errno {
            throw DataFiles.problem("\(part) cannot be written", error)
        }
    }

    private func receive(
        _ order: Order, into descriptor: Descriptor, _ sum: inout Checksum,
        _ progress: @escaping @Sendable (FetchProgress) -> Void
    ) async throws {
        var request = HTTPClientRequest(url: order.url)
        request.headers.add(name: "accept-encoding", value: "identity")
        if sum.bytes > 0 { request.headers.add(name: "range", value: "bytes=\(sum.bytes)-") }
        let response = try await respond(request)
        switch response.status.code {
        case 206 where sum.bytes > 0:
            guard response.headers.first(name: "content-range")?.hasPrefix("bytes \(sum.bytes)-") == true else {
                try descriptor.resize(to: 0)
                throw BrokenDownload("the server continued at another place", isTransient: true)
            }
        case 200:
            // The server knows no ranges: all of it comes again.
            try descriptor.resize(to: 0)
            sum = Checksum()
        case 416:
            try descriptor.resize(to: 0)
            throw BrokenDownload("the server refused to continue", isTransient: true)
        case 408, 429, 500...:
            throw BrokenDownload("HTTP status \(response.status.code)", isTransient: true)
        default:
            throw BrokenDownload("HTTP status \(response.status.code)", isTransient: false)
        }
        var rate = Rate(now: clock.uptime, bytes: sum.bytes)
        let arrived = Counter(label: "volery_download_bytes_total")
        var chunks = response.body.makeAsyncIterator()
        while let chunk = try await next(&chunks) {
            guard sum.bytes + Int64(chunk.readableBytes) <= order.bytes else {
                throw Problem(
                    .checksumMismatch,
                    "\(order.url) delivers more than the \(order.bytes) bytes that the recipe promises.")
            }
            try write(chunk, to: descriptor, &sum, order.part)
            arrived.increment(by: Int64(chunk.readableBytes))
            if let perSecond = rate.report(now: clock.uptime, bytes: sum.bytes) {
                progress(order.progress(sum.bytes, perSecond))
            }
        }
        guard sum.bytes == order.bytes else {
            throw BrokenDownload("the connection ended after \(sum.bytes) of \(order.bytes) bytes", isTransient: true)
        }
        progress(order.progress(sum.bytes, rate.perSecond))
    }

    private func write(
        _ chunk: ByteBuffer, to descriptor: Descriptor, _ sum: inout Checksum, _ part: FilePath
    ) throws {
        do {
            try chunk.withUnsafeReadableBytes { bytes in
                _ = try descriptor.writeAll(toAbsoluteOffset: sum.bytes, bytes)
                sum.take(bytes)
            }
        } catch let error as Errno {
            throw DataFiles.problem("\(part) cannot be written", error)
        }
    }

    private func respond(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        try await withStallLimit("no answer") { try await client.execute(request, deadline: .distantFuture) }
    }

    private func next(_ chunks: inout HTTPClientResponse.Body.AsyncIterator) async throws -> ByteBuffer? {
        // The client's own read time-out watches for silence: the iterator cannot cross into a racing task.
        do {
            return try await chunks.next()
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw BrokenDownload(describe(error), isTransient: true)
        }
    }

    private func withStallLimit<Value: Sendable>(
        _ silence: String, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await clock.sleep(for: limits.stall)
                return nil
            }
            defer { group.cancelAll() }
            do {
                if let value = try await group.next() ?? nil { return value }
            } catch {
                try Task.checkCancellation()
                throw BrokenDownload(describe(error), isTransient: true)
            }
            throw BrokenDownload("\(silence) for \(limits.stall)", isTransient: true)
        }
    }

    private func describe(_ error: any Error) -> String {
        guard let error = error as? HTTPClientError else { return "\(error)" }
        return error == .readTimeout ? "no byte for \(limits.stall)" : error.shortDescription
    }
}

extension Downloader.Order {
    fileprivate func progress(_ done: Int64, _ perSecond: Double) -> FetchProgress {
        FetchProgress(file: label, source: source, done: done, total: bytes, bytesPerSecond: perSecond)
    }
}

/// A download that stopped before its end.
private struct BrokenDownload: Error {
    let reason: String
    /// Whether the same source may do better.
    let isTransient: Bool

    init(_ reason: String, isTransient: Bool) {
        self.reason = reason
        self.isTransient = isTransient
    }
}
