import NIOCore
import NIOPosix
import NIOSSL

/// A connection that sends bytes and reads bytes, as any client could, polite or not.
struct RawClient {
    private let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>

    static func connect(to port: Int, tls: NIOSSLContext? = nil) async throws -> RawClient {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: "localhost"))
                    }
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return RawClient(channel: channel)
    }

    /// Sends `text`, reads until `isEnough` or the end, and closes.
    func send(_ text: String, until isEnough: @escaping @Sendable (String) -> Bool = { _ in false }) async throws
        -> String
    {
        try await send(ByteBuffer(string: text), until: isEnough)
    }

    func send(_ bytes: ByteBuffer, until isEnough: @escaping @Sendable (String) -> Bool = { _ in false }) async throws
        -> String
    {
        try await channel.executeThenClose { inbound, outbound in
            var answer = ByteBuffer()
            do {
                try await outbound.write(bytes)
                for try await piece in inbound {
                    answer.writeImmutableBuffer(piece)
                    if isEnough(String(buffer: answer)) { break }
                }
            } catch is IOError {
                // The server may end a connection that it gave up on by a reset.
            } catch is ChannelError {
                // Or before everything was sent.
            }
            return String(buffer: answer)
        }
    }

    /// Sends `text`, waits until `isEnough` holds of what came, hands over, sends `last` and reads to the end.
    func converse(
        _ text: String, until isEnough: @escaping @Sendable (String) -> Bool, then last: String,
        after body: () async throws -> Void
    ) async throws -> String {
        try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            var answer = ""
            var isOver = false
            for try await piece in inbound {
                answer += String(buffer: piece)
                guard !isOver, isEnough(answer) else { continue }
                isOver = true
                try await body()
                try await outbound.write(ByteBuffer(string: last))
            }
            return answer
        }
    }

    /// Sends `text`, hands over, and closes without reading.
    func leave(after text: String, _ body: () async throws -> Void) async throws {
        try await channel.executeThenClose { _, outbound in
            try await outbound.write(ByteBuffer(string: text))
            try await body()
        }
    }

    /// Sends `text`, waits until `isEnough` holds of what came, hands over, and only then closes.
    func hold(_ text: String, until isEnough: @escaping @Sendable (String) -> Bool, then body: () async throws -> Void)
        async throws
    {
        try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            var answer = ""
            for try await piece in inbound {
                answer += String(buffer: piece)
                if isEnough(answer) { break }
            }
            try await body()
        }
    }
}

/// An HTTP answer, taken apart.
struct RawAnswer {
    let status: Int
    let headers: [String: String]
    let body: String

    init(_ text: String) {
        let end = text.firstRange(of: "\r\n\r\n")
        let lines = text[..<(end?.lowerBound ?? text.endIndex)].split(separator: "\r\n")
        status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].trimmingPrefix(" "))
        }
        self.headers = headers
        let raw = end.map { String(text[$0.upperBound...]) } ?? ""
        body = headers["transfer-encoding"] == "chunked" ? Self.unchunked(raw) : raw
    }

    private static func unchunked(_ raw: String) -> String {
        var rest = Array(raw.utf8)[...]
        var body: [UInt8] = []
        while let lineEnd = rest.firstIndex(of: 0x0A) {
            let size = String(decoding: rest[..<lineEnd], as: UTF8.self).filter { $0.isHexDigit }
            guard let count = Int(size, radix: 16), count > 0 else { break }
            let start = lineEnd + 1
            body += rest[start..<min(start + count, rest.endIndex)]
            rest = rest[min(start + count + 2, rest.endIndex)...]
        }
        return String(decoding: body, as: UTF8.self)
    }

    /// The values of the stream's `data` lines.
    var events: [String] {
        body.split(separator: "\n\n").map { $0.hasPrefix("data: ") ? String($0.dropFirst(6)) : String($0) }
    }
}
