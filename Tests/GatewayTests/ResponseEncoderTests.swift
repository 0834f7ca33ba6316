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

    @Test("what the hot path writes is the same bytes as the same parts, in any portions")
    func withoutParts() throws {
        for seed in UInt64(0)..<2000 {
            var random = SplitMix(state: seed)
            let answer = HotAnswer(&random)
            var (portions, same) = (random, random)
            let own = try Self.bytes(of: answer, &portions)
            let theirs = try Self.bytes(of: answer.parts, HTTPResponseEncoder(), &same)
            try #require(own == theirs, "seed \(seed)")
        }
    }

    @Test("no value makes up another field, or another answer")
    func lineEnds() {
        var lines = FieldLines()
        lines.add("volery-warning", "left out: x\r\nset-cookie: a=b\r\n\r\nHTTP/1.1 200 OK\n\u{7F}\0é")
        lines.add([("x-a", "1\n2")])
        #expect(
            String(buffer: lines.bytes)
                == "volery-warning: left out: x  set-cookie: a=b    HTTP/1.1 200 OK   é\r\nx-a: 1 2\r\n")
    }

    @Test("a part of a stream with room before it is not copied to become a chunk")
    func framesInPlace() throws {
        let encoder = ResponseEncoder()
        let channel = EmbeddedChannel(handler: encoder)
        encoder.begin(.ok, .http1_1, length: nil) { _ in }
        encoder.flush()
        _ = try channel.readOutbound(as: ByteBuffer.self)
        var body = ByteBuffer(repeating: 0, count: ResponseEncoder.chunkRoom)
        body.moveReaderIndex(to: ResponseEncoder.chunkRoom)
        body.writeString("data: {}\n\n" + String(repeating: "x", count: 200))
        body.reserveCapacity(body.writerIndex + 2)
        let place = body.withUnsafeReadableBytes { $0.baseAddress }
        encoder.add(consume body)
        encoder.flush()
        let written = try #require(try channel.readOutbound(as: ByteBuffer.self))
        #expect(String(buffer: written).hasPrefix("d2\r\ndata: {}\n\n"))
        #expect(String(buffer: written).hasSuffix("x\r\n"))
        #expect(written.withUnsafeReadableBytes { $0.baseAddress } == place.map { $0 - 4 })
    }

    /// An answer of the hot path, and the parts that say the same.
    private struct HotAnswer {
        let status: HTTPResponseStatus
        let version: HTTPVersion
        let length: Int?
        let fields: [(name: String, value: String)]
        let bodies: [ByteBuffer]

        init(_ random: inout SplitMix) {
            status = random.pick([.ok, .ok, .noContent, .tooManyRequests, .custom(code: 299, reasonPhrase: "Odd")])
            version = random.pick([.http1_1, .http1_1, .http1_0])
            let (most, room) = (random.number(below: 5), random.pick([0, ResponseEncoder.chunkRoom, 64]))
            bodies = (0..<most).map { _ in
                var body = ByteBuffer(repeating: 0, count: room)
                body.moveReaderIndex(to: room)
                body.writeRepeatingByte(
                    UInt8(ascii: "b"), count: random.pick([0, 1, 15, 16, 255, 256, 8192, 8193, 70_000]))
                return body
            }
            length = random.number(below: 2) == 0 ? bodies.reduce(0) { $0 + $1.readableBytes } : nil
            fields = (0..<random.number(below: 5)).map {
                ("x-\($0)", String(repeating: "v", count: random.number(below: 900)))
            }
        }

        var parts: [HTTPServerResponsePart] {
            var headers = HTTPHeaders()
            if let length { headers.add(name: "content-length", value: "\(length)") }
            for (name, value) in fields { headers.add(name: name, value: value) }
            let head = HTTPResponseHead(version: version, status: status, headers: headers)
            return [.head(head)] + bodies.map { .body(.byteBuffer($0)) } + [.end(nil)]
        }
    }

    private static func bytes(of answer: HotAnswer, _ random: inout SplitMix) throws -> ByteBuffer {
        let encoder = ResponseEncoder()
        let channel = EmbeddedChannel(handler: encoder)
        encoder.begin(answer.status, answer.version, length: answer.length) { $0.add(answer.fields) }
        for body in answer.bodies {
            if random.number(below: 2) == 0 { encoder.flush() }
            encoder.add(body)
        }
        let end = channel.eventLoop.makePromise(of: Void.self)
        encoder.end(end)
        encoder.flush()
        try end.futureResult.wait()
        var bytes = ByteBuffer()
        while let more = try channel.readOutbound(as: ByteBuffer.self) { bytes.writeImmutableBuffer(more) }
        return bytes
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
