import NIOCore
import Testing

@testable import Gateway

@Suite("Answers of upstreams, read")
struct ResponseParserTests {
    struct Good: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: String
        var status = 200
        var body = ""
        var isPersistent = true
        /// Whether the answer ends with its connection.
        var needsEnd = false

        var testDescription: String { name }
    }

    static let ok = "HTTP/1.1 200 OK\r\n"
    static let good: [Good] = [
        Good(name: "a length", bytes: ok + "content-length: 2\r\n\r\n{}", body: "{}"),
        Good(name: "no body", bytes: ok + "Content-Length: 0\r\n\r\n"),
        Good(
            name: "chunks", bytes: ok + "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n",
            body: "abc0123456789"),
        Good(
            name: "capitals and blanks", bytes: ok + "Transfer-Encoding: \t Chunked \t\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            body: "x"),
        Good(
            name: "extensions and trailers",
            bytes: ok + "transfer-encoding: chunked\r\n\r\n2;a=b;c=\"d\"\r\nhi\r\n1 \t;x\r\n!\r\n"
                + "000;z\r\nx-a: 1\r\nx-b:2\n\n",
            body: "hi!"),
        Good(
            name: "until close", bytes: ok + "content-type: text/plain\r\n\r\nall of it", body: "all of it",
            isPersistent: false, needsEnd: true),
        Good(name: "until close, with nothing", bytes: ok + "\r\n", isPersistent: false, needsEnd: true),
        Good(name: "no content", bytes: "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", status: 204),
        Good(
            name: "not modified", bytes: "HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n",
            status: 304),
        Good(name: "no reason", bytes: "HTTP/1.1 429\r\ncontent-length: 0\r\n\r\n", status: 429),
        Good(name: "an empty reason", bytes: "HTTP/1.1 599 \r\ncontent-length: 0\r\n\r\n", status: 599),
        Good(name: "a reason in UTF-8", bytes: "HTTP/1.1 500 Größe\tx\r\ncontent-length: 0\r\n\r\n", status: 500),
        Good(name: "line feeds alone", bytes: "HTTP/1.1 200 OK\ncontent-length: 1\nx: y\n\n1", body: "1"),
        Good(
            name: "close", bytes: ok + "connection: x, Close\r\ncontent-length: 1\r\n\r\n1", body: "1",
            isPersistent: false),
        Good(name: "1.0", bytes: "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n1", body: "1", isPersistent: false),
        Good(
            name: "1.0, kept", bytes: "HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 1\r\n\r\n1",
            body: "1"),
        Good(
            name: "answers before the answer",
            bytes: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + ok
                + "content-length: 1\r\n\r\n1",
            body: "1"),
        Good(name: "an empty value", bytes: ok + "x:\r\ny: \r\ncontent-length:1\r\n\r\n1", body: "1"),
    ]

    @Test("an answer is read the same at any split of its bytes", arguments: good)
    func everySplit(_ good: Good) throws {
        let bytes = ByteBuffer(string: good.bytes)
        let whole = ReadAnswers(bytes, splits: [], ends: good.needsEnd)
        try #require(whole.fault == nil)
        #expect(whole.answers.count == 1)
        let answer = try #require(whole.answers.first)
        #expect(answer.head.status == good.status)
        #expect(answer.head.isPersistent == good.isPersistent)
        #expect(String(buffer: answer.body) == good.body)
        #expect(answer.isWhole)
        for first in 0...bytes.readableBytes {
            for second in first...bytes.readableBytes {
                let split = ReadAnswers(bytes, splits: [first, second], ends: good.needsEnd)
                try #require(split == whole, "split at \(first) and \(second)")
            }
        }
        #expect(ReadAnswers(bytes, splits: Array(0...bytes.readableBytes), ends: good.needsEnd) == whole)
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

    static let chunked = ok + "transfer-encoding: chunked\r\n\r\n"
    static let bad: [Bad] = [
        Bad("SSH-2.0-x\r\n\r\n", .startLine), Bad("\r\nHTTP/1.1 200 OK\r\n\r\n", .startLine),
        Bad("HTTP/1.1  200 OK\r\n\r\n", .startLine), Bad("HTTP/1.1 20 OK\r\n\r\n", .startLine),
        Bad("HTTP/1.1 099 OK\r\n\r\n", .startLine), Bad("HTTP/1.1 2000\r\n\r\n", .startLine),
        Bad("HTTP/1.1 200\tOK\r\n\r\n", .startLine), Bad("HTTP/1.1 200 O\rK\r\n\r\n", .startLine),
        Bad("http/1.1 200 OK\r\n\r\n", .startLine), Bad("HTTP/2.0 200 OK\r\n\r\n", .startLine),
        Bad("HTTP/1.2 200 OK\r\n\r\n", .version), Bad("HTTP/1.1 101 Other\r\n\r\n", .informational),
        Bad(String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 17), .informational),
        Bad(ok + " x: y\r\n\r\n", .field), Bad(ok + "x: y\r\n z\r\n\r\n", .field), Bad(ok + "x : y\r\n\r\n", .field),
        Bad(ok + "x\r\n\r\n", .field), Bad(ok + ": y\r\n\r\n", .field), Bad(ok + "x: y\rz\r\n\r\n", .field),
        Bad(ok + "x: y\r\r\n\r\n", .field), Bad(ok + "x: \u{0}\r\n\r\n", .field),
        Bad(ok + "x\u{e4}: y\r\n\r\n", .field),
        Bad(ok + "x: \u{7f}\r\n\r\n", .field),
        Bad(ok + "content-length: 1\r\ncontent-length: 1\r\n\r\n1", .contentLength),
        Bad(ok + "content-length: 1, 1\r\n\r\n1", .contentLength),
        Bad(ok + "content-length: +1\r\n\r\n1", .contentLength),
        Bad(ok + "content-length: -1\r\n\r\n1", .contentLength),
        Bad(ok + "content-length: 0x1\r\n\r\n1", .contentLength),
        Bad(ok + "content-length:\r\n\r\n1", .contentLength), Bad(ok + "content-length: 1 1\r\n\r\n1", .contentLength),
        Bad(ok + "content-length: 99999999999999999999\r\n\r\n1", .contentLength),
        Bad(ok + "transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n1", .contentLength),
        Bad(ok + "content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1", .contentLength),
        Bad(ok + "transfer-encoding: gzip, chunked\r\n\r\n", .transferEncoding),
        Bad(ok + "transfer-encoding: xchunked\r\n\r\n", .transferEncoding),
        Bad(ok + "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n", .transferEncoding),
        Bad("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", .transferEncoding),
        Bad(chunked + "x\r\n", .chunk), Bad(chunked + "\r\n", .chunk), Bad(chunked + "-1\r\n", .chunk),
        Bad(chunked + " 1\r\nx\r\n", .chunk), Bad(chunked + "1 \r\nx\r\n", .chunk), Bad(chunked + "1\nx\r\n", .chunk),
        Bad(chunked + "1\r\nxy\r\n", .chunk), Bad(chunked + "1\r\nx\n", .chunk), Bad(chunked + "1\r\nx\r\r\n", .chunk),
        Bad(chunked + "0x1\r\nx\r\n", .chunk), Bad(chunked + "1;a\rb\r\nx\r\n", .chunk),
        Bad(chunked + "1;a\nx\r\n", .chunk), Bad(chunked + "FFFFFFFFFFFFFFFF\r\n", .chunk),
        Bad(chunked + "1;" + String(repeating: "e", count: 2000) + "\r\nx\r\n", .chunk),
        Bad(chunked + "0\r\nx : y\r\n\r\n", .field), Bad(chunked + "0\r\ncontent-length: 1\r\n\r\n", .field),
        Bad(ok + "x: " + String(repeating: "y", count: 70_000), .headTooLarge),
        Bad(ok + String(repeating: "x: y\r\n", count: 257) + "\r\n", .headTooLarge),
        Bad("HTTP/1.1 200 " + String(repeating: "y", count: 70_000), .headTooLarge),
    ]

    @Test("what could be read in two ways is refused", arguments: bad)
    func refused(_ bad: Bad) {
        let bytes = ByteBuffer(string: bad.bytes)
        #expect(ReadAnswers(bytes, splits: [], ends: false).fault == bad.fault)
        guard bytes.readableBytes < 4096 else { return }
        #expect(ReadAnswers(bytes, splits: Array(0...bytes.readableBytes), ends: false).fault == bad.fault)
    }

    @Test("any bytes are read the same at any split, and never more than they are")
    func mutated() throws {
        for seed in 0..<(MessageMutations.isLong ? 2_000_000 : 20_000) as Range<UInt64> {
            var mutations = MessageMutations(seed: seed)
            let bytes = mutations.answers()
            let whole = ReadAnswers(bytes, splits: [], ends: true)
            let split = ReadAnswers(bytes, splits: mutations.splits(of: bytes), ends: true)
            try #require(split == whole, "seed \(seed)")
            let read = whole.answers.reduce(0) { $0 + $1.body.readableBytes }
            try #require(read <= bytes.readableBytes, "seed \(seed)")
        }
    }

    @Test("a connection that ends too early ends no answer")
    func cutShort() {
        for text in [
            "", "HTTP/1.1 2", Self.ok, Self.ok + "content-length: 3\r\n\r\n12", Self.chunked,
            Self.chunked + "1\r\nx\r\n",
        ] {
            let read = ReadAnswers(ByteBuffer(string: text), splits: [], ends: true)
            #expect(read.fault == nil)
            #expect(!read.answers.contains { $0.isWhole }, "\(text)")
        }
    }

    @Test("bytes behind an answer are told")
    func more() throws {
        var parser = ResponseParser()
        parser.feed(ByteBuffer(string: Self.ok + "content-length: 1\r\n\r\n12"))
        #expect(parser.isWithin)
        var events: [ResponseParser.Event] = []
        while events.last != .end, let event = try parser.whole() { events.append(event) }
        #expect(events.last == .end)
        #expect(parser.hasMore)
    }

    @Test("a body is passed on without a copy")
    func slices() throws {
        let bytes = ByteBuffer(string: Self.ok + "content-length: 4096\r\n\r\n" + String(repeating: "b", count: 4096))
        var parser = ResponseParser()
        parser.feed(bytes)
        _ = try parser.next()
        guard case .body(let body) = try parser.next() else { return #expect(Bool(false), "no body came") }
        let distance = body.withUnsafeReadableBytes { body in
            bytes.withUnsafeReadableBytes { whole in body.baseAddress.map { whole.baseAddress?.distance(to: $0) } }
        }
        #expect(distance == bytes.readableBytes - 4096)
    }

    @Test("fields are found by name whatever their case, each line by itself")
    func fields() throws {
        var parser = ResponseParser()
        parser.feed(
            ByteBuffer(string: Self.ok + "Retry-After: 7\r\nX-A: 1\nx-ab: 2\r\nx-a:\t3 \r\ncontent-length: 0\r\n\r\n"))
        guard case .head(let head) = try parser.next() else { return #expect(Bool(false), "no head came") }
        #expect(head.retryAfter == "7")
        #expect(head.contentLength == 0)
        #expect(head.contentType == nil)
        #expect(head.fields["x-a"] == ["1", "3"])
        #expect(head.fields.first(name: "x-ab") == "2")
        #expect(head.fields.contains(name: "content-length"))
        #expect(!head.fields.contains(name: "x"))
        var names: [String] = []
        head.fields.forEach { name, _ in names.append(name) }
        #expect(names == ["Retry-After", "X-A", "x-ab", "x-a", "content-length"])
    }
}
