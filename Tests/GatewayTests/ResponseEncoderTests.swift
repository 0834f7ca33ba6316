import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import Gateway

@Suite("Answers on the wire")
struct ResponseEncoderTests {
    @Test("any parts, in any portions, are the same bytes as NIO's encoder makes of them")
    func likeNIO() throws {
        for seed in UInt64(0)..<2000 {
            var random = SplitMix(state: seed)
            let parts = (0...random.number(below: 3)).flatMap { _ in Self.answer(&random) }
            let bytes = try Self.bytes(of: parts, ResponseEncoder(), &random)
            try #require(try bytes == Self.bytes(of: parts, HTTPResponseEncoder(), &random), "seed \(seed)")
        }
    }

    @Test("head and body of a whole answer are one write")
    func gathers() throws {
        let channel = EmbeddedChannel(handler: ResponseEncoder())
        let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["content-length": "2"])
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: "{}"))), promise: nil)
        let end = channel.eventLoop.makePromise(of: Void.self)
        channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: end)
        try end.futureResult.wait()
        let written = try #require(try channel.readOutbound(as: ByteBuffer.self))
        #expect(String(buffer: written) == "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
    }

    /// Heads of every kind, bodies of no, a few and many bytes, with and without trailers.
    private static func answer(_ random: inout SplitMix) -> [HTTPServerResponsePart] {
        let statuses: [HTTPResponseStatus] = [
            .ok, .noContent, .notModified, .tooManyRequests, .internalServerError, .continue,
            .custom(code: 299, reasonPhrase: "Odd reason"),
        ]
        let names = ["x-a", "Content-Length", "content-length", "Transfer-Encoding", "volery-cost", "x-sixteen-letter"]
        var headers = HTTPHeaders()
        for _ in 0..<random.number(below: 7) {
            headers.add(
                name: random.pick(names),
                value: String(repeating: "v", count: random.number(below: 600)))
        }
        let head = HTTPResponseHead(
            version: random.number(below: 2) == 0 ? .http1_1 : .http1_0,
            status: random.pick(statuses), headers: headers)
        let bodies = (0..<random.number(below: 5)).map { _ -> HTTPServerResponsePart in
            let size = random.pick([0, 1, 200, 8192, 8193, 30_000])
            return .body(.byteBuffer(ByteBuffer(repeating: UInt8(ascii: "b"), count: size)))
        }
        return [.head(head)] + bodies + [.end(random.number(below: 2) == 0 ? nil : ["x-trailer": "t"])]
    }

    private static func bytes(
        of parts: [HTTPServerResponsePart], _ encoder: some ChannelOutboundHandler, _ random: inout SplitMix
    ) throws -> ByteBuffer {
        let channel = EmbeddedChannel(handler: encoder)
        var written: [EventLoopFuture<Void>] = []
        for part in parts {
            let promise = random.number(below: 2) == 0 ? channel.eventLoop.makePromise(of: Void.self) : nil
            channel.write(part, promise: promise)
            if let promise { written.append(promise.futureResult) }
            if random.number(below: 2) == 0 { channel.flush() }
        }
        channel.flush()
        for future in written { try future.wait() }
        var bytes = ByteBuffer()
        while let more = try channel.readOutbound(as: ByteBuffer.self) { bytes.writeImmutableBuffer(more) }
        return bytes
    }
}

extension SplitMix {
    fileprivate mutating func number(below bound: Int) -> Int { Int(next() % UInt64(bound)) }
    fileprivate mutating func pick<T>(_ items: [T]) -> T { items[number(below: items.count)] }
}
