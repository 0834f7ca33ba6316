import NIOCore
import NIOHTTP1
import Testing

@testable import Gateway

@Suite("Requests of clients, read")
struct RequestParserTests {
    struct Good: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: String
        var bodies: [String] = [""]
        var isKeepAlive = true

        var testDescription: String { name }
    }

    static let get = "GET / HTTP/1.1\r\nhost: x\r\n"
    static let post = "POST / HTTP/1.1\r\nhost: x\r\n"
    static let good: [Good] = [
        Good(name: "no body", bytes: get + "\r\n"),
        Good(name: "a length", bytes: post + "content-length: 2\r\n\r\n{}", bodies: ["{}"]),
        Good(
            name: "chunks", bytes: post + "transfer-encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nx: y\r\n\r\n",
            bodies: ["hi"]),
        Good(
            name: "several in a row",
            bytes: post + "content-length: 1\r\n\r\n1" + get + "\r\n" + post
                + "transfer-encoding: CHUNKED\r\n\r\n1\r\n3\r\n"
                + "0\r\n\r\n" + post + "content-length: 01\r\n\r\n4", bodies: ["1", "", "3", "4"]),
        Good(name: "empty lines before", bytes: "\r\n\r\n" + get + "\r\n\r\n" + get + "\r\n", bodies: ["", ""]),
        Good(name: "1.0", bytes: "GET / HTTP/1.0\r\n\r\n", isKeepAlive: false),
        Good(name: "1.0, kept", bytes: "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"),
        Good(name: "close", bytes: get + "Connection: CLOSE\r\n\r\n", isKeepAlive: false),
        Good(name: "a whole address", bytes: "GET http://x/y?z HTTP/1.1\r\nhost: x\r\n\r\n"),
        Good(name: "every path", bytes: "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n"),
        Good(name: "an upgrade that is not taken up", bytes: get + "connection: upgrade\r\nupgrade: h2c\r\n\r\n"),
    ]

    @Test("requests are read the same at any split of their bytes", arguments: good)
    func everySplit(_ good: Good) throws {
        let bytes = ByteBuffer(string: good.bytes)
        let whole = ReadRequests(bytes)
        try #require(whole.fault == nil)
        #expect(whole.requests.map { String(buffer: $0.body) } == good.bodies)
        #expect(whole.requests.allSatisfy { $0.isWhole })
        #expect(whole.requests.last?.head.isKeepAlive == good.isKeepAlive)
        for first in 0...bytes.readableBytes {
            for second in first...bytes.readableBytes {
                try #require(ReadRequests(bytes, splits: [first, second]) == whole, "split at \(first) and \(second)")
            }
        }
        #expect(ReadRequests(bytes, splits: Array(0...bytes.readableBytes)) == whole)
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        let bytes: String
        let fault: MessageFault

        init(_ bytes: String, _ fault: MessageFault) {
            self.bytes = bytes
            self.fault = fault
        }

        var testDescription: String { bytes.debugDescription }
    }

    static let chunked = post + "transfer-encoding: chunked\r\n\r\n"
    static let bad: [Bad] = [
        Bad("hello world\r\n\r\n", .startLine), Bad("\u{16}\u{3}\u{1}", .startLine), Bad("GET /\r\n\r\n", .startLine),
        Bad("GET  / HTTP/1.1\r\n\r\n", .startLine), Bad("GET / HTTP/1.1 \r\n\r\n", .startLine),
        Bad("GET /a b HTTP/1.1\r\n\r\n", .startLine), Bad("G\u{e4}T / HTTP/1.1\r\n\r\n", .startLine),
        Bad("GET /\u{e4} HTTP/1.1\r\n\r\n", .startLine), Bad("GET x HTTP/1.1\r\n\r\n", .startLine),
        Bad("GET /\t HTTP/1.1\r\n\r\n", .startLine), Bad("CONNECT /x HTTP/1.1\r\n\r\n", .startLine),
        Bad("GET / HTTP/1.2\r\n\r\n", .version), Bad("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .startLine),
        Bad("GET / http/1.1\r\n\r\n", .startLine), Bad("GET / HTTP/1.1\n\n", .startLine),
        Bad("\n" + get, .startLine), Bad(String(repeating: "A", count: 30), .startLine),
        // Each of these hides a request from a reader that is more patient, or from one that is less.
        Bad(post + "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", .contentLength),
        Bad(post + "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n", .contentLength),
        Bad(post + "content-length: 1\r\ncontent-length: 2\r\n\r\n", .contentLength),
        Bad(post + "content-length: 1\r\nContent-Length: 1\r\n\r\n", .contentLength),
        Bad(post + "content-length: 1,1\r\n\r\n", .contentLength),
        Bad(post + "content-length: +1\r\n\r\n", .contentLength),
        Bad(post + "content-length: 1_0\r\n\r\n", .contentLength),
        Bad(post + "content-length: \r\n\r\n", .contentLength),
        Bad(post + "content-length: 9223372036854775808\r\n\r\n", .contentLength),
        Bad(post + "transfer-encoding: xchunked\r\n\r\n", .transferEncoding),
        Bad(post + "transfer-encoding: chunked, identity\r\n\r\n", .transferEncoding),
        Bad(post + "transfer-encoding: \"chunked\"\r\n\r\n", .transferEncoding),
        Bad(post + "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n", .transferEncoding),
        Bad(post + "transfer-encoding:\u{b}chunked\r\n\r\n", .field),
        Bad("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", .transferEncoding),
        Bad(post + "transfer-encoding : chunked\r\n\r\n", .field),
        Bad(post + " transfer-encoding: chunked\r\n\r\n", .field),
        Bad(post + "x: y\r\n\tz\r\n\r\n", .field), Bad(post + "x: y\ntransfer-encoding: chunked\r\n\r\n", .field),
        Bad(post + "x: y\rtransfer-encoding: chunked\r\n\r\n", .field), Bad(post + "\n", .field),
        Bad(post + "x: \u{0}\r\n\r\n", .field), Bad(post + ":\r\n\r\n", .field),
        Bad(post + "\u{e4}: y\r\n\r\n", .field),
        Bad(get + "host: y\r\n\r\n", .host), Bad(get + "Host: x\r\n\r\n", .host),
        Bad(chunked + "0x1\r\n", .chunk), Bad(chunked + "1\n", .chunk), Bad(chunked + "1 \r\n", .chunk),
        Bad(chunked + "+1\r\n", .chunk), Bad(chunked + "1\r\nab", .chunk), Bad(chunked + "1\r\na\n", .chunk),
        Bad(chunked + "1;\r\n", .chunk), Bad(chunked + "1;a\nb\r\n", .chunk),
        Bad(chunked + "10000000000000001\r\n", .chunk),
        Bad(chunked + "0\r\ntransfer-encoding: x\r\n\r\n", .transferEncoding),
        Bad(chunked + "0\r\ncontent-length: 1\r\n\r\n", .field),
        Bad(get + "x: " + String(repeating: "y", count: 70_000) + "\r\n\r\n", .headTooLarge),
        Bad("GET /" + String(repeating: "y", count: 70_000), .headTooLarge),
        Bad(get + String(repeating: "x: y\r\n", count: 300) + "\r\n", .headTooLarge),
        Bad(chunked + "0\r\n" + String(repeating: "x: y\r\n", count: 300) + "\r\n", .headTooLarge),
    ]

    @Test("what could be read in two ways is refused", arguments: bad)
    func refused(_ bad: Bad) {
        let bytes = ByteBuffer(string: bad.bytes)
        #expect(ReadRequests(bytes).fault == bad.fault)
        guard bytes.readableBytes < 4096 else { return }
        #expect(ReadRequests(bytes, splits: Array(0...bytes.readableBytes)).fault == bad.fault)
    }

    @Test("any bytes are read the same at any split, and never more than they are")
    func mutated() throws {
        for seed in 0..<(MessageMutations.isLong ? 2_000_000 : 20_000) as Range<UInt64> {
            var mutations = MessageMutations(seed: seed)
            let bytes = mutations.requests()
            let whole = ReadRequests(bytes)
            try #require(ReadRequests(bytes, splits: mutations.splits(of: bytes)) == whole, "seed \(seed)")
            let read = whole.requests.reduce(0) { $0 + $1.body.readableBytes }
            try #require(read <= bytes.readableBytes, "seed \(seed)")
        }
    }

    @Test("a request that follows stays where it is until it is asked for")
    func onDemand() throws {
        var parser = RequestParser(maximumHead: 1024)
        parser.feed(ByteBuffer(string: Self.get + "\r\n" + Self.get + "\r\n"))
        guard case .head = try parser.next() else { return #expect(Bool(false), "no head came") }
        #expect(try parser.next() == .end)
        #expect(parser.hasMore)
    }

    @Test("the control plane gets the head as NIO's decoder would make it")
    func wholeHead() throws {
        let text = "PATCH /a?b=%20c HTTP/1.1\r\nHost: x\r\nX-A:  1 \r\nx-a: 2\r\n\r\n"
        let head = try #require(ReadRequests(ByteBuffer(string: text)).requests.first?.head.whole)
        #expect(head.method == .PATCH)
        #expect(head.uri == "/a?b=%20c")
        #expect(head.version == .http1_1)
        #expect(head.headers.map { "\($0)=\($1)" } == ["Host=x", "X-A=1", "x-a=2"])
    }
}
