import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import Gateway

@Suite("Requests of clients, read beside NIO's decoder")
struct RequestDifferentialTests {
    private static let cases: UInt64 = MessageMutations.isLong ? 1_000_000 : 4000

    @Test("what both read, both understand alike, and what only NIO's decoder refuses does not exist")
    func besideNIO() throws {
        var (agreed, refused) = (0, 0)
        for seed in 0..<Self.cases {
            var mutations = MessageMutations(seed: seed)
            let bytes = mutations.requests()
            let own = ReadRequests(bytes, splits: mutations.splits(of: bytes))
            let other = DecodedRequests(bytes)
            for (own, other) in zip(own.requests, other.requests) {
                try #require(own.head.uri == other.head.uri, "seed \(seed)")
                try #require(own.head.method == other.head.method, "seed \(seed)")
                // Where a client says both, `close` counts here.
                let saysClose = own.head.headers["connection"].contains { Self.isMember("close", of: $0) }
                try #require(
                    own.head.isKeepAlive == (other.head.isKeepAlive && !saysClose), "seed \(seed)")
                try #require(Self.fields(of: own.head.whole) == Self.fields(of: other.head), "seed \(seed)")
                if own.isWhole, other.isWhole { try #require(own.body == other.body, "seed \(seed)") }
            }
            switch (own.fault, other.isFaulty) {
            case (nil, false):
                try #require(own.isClosed || own.requests.count == other.requests.count, "seed \(seed)")
                agreed += 1
            case (nil, true):
                // A line that is refused when it is whole; what follows a last request; a method that nobody knows; a
                // whole address, of which only the beginning is looked at; a chunk's extension, as long as it is text;
                // a tab, which NIO's decoder does not take for a blank at a value's end.
                let hasTab = bytes.readableBytesView.contains(UInt8(ascii: "\t"))
                let isOdd = own.requests.contains { request in
                    if case .RAW = request.head.method { true } else { request.head.uri.hasPrefix("http") }
                }
                try #require(
                    own.isWithin || own.isClosed || isOdd || hasTab || Self.hasExtension(bytes),
                    "seed \(seed): only NIO's decoder refuses it"
                )
            case (let fault?, false):
                // Stricter on purpose: in what would have to be undone, in a chunk's size and extension. And a line is
                // refused at its end, where NIO's decoder looks at what follows first.
                let isKnown =
                    [.transferEncoding, .host, .startLine, .chunk].contains(fault)
                    || other.requests.count { $0.isWhole } <= own.requests.count { $0.isWhole }
                try #require(isKnown, "seed \(seed): only NIO's decoder takes it")
            case (.some, true): refused += 1
            }
        }
        // The mutations are neither all harmless nor all hopeless.
        #expect(agreed > Self.cases / 5)
        #expect(refused > Self.cases / 20)
    }

    private static func hasExtension(_ bytes: ByteBuffer) -> Bool {
        bytes.readableBytesView.contains(UInt8(ascii: ";"))
    }

    private static func isMember(_ member: String, of list: String) -> Bool {
        list.lowercased().split(separator: ",").contains { trimmed(String($0)) == member }
    }

    private static func trimmed(_ text: String) -> String {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        return String(text.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }

    /// NIO's decoder leaves the blanks behind a value where they are.
    private static func fields(of head: HTTPRequestHead) -> [String] {
        head.headers.map { name, value in
            "\(name):" + trimmed(value)
        }
    }
}

/// What NIO's decoder makes of the same bytes.
private struct DecodedRequests {
    struct Request {
        let head: HTTPRequestHead
        var body = ByteBuffer()
        var isWhole = false
    }

    private(set) var requests: [Request] = []
    private(set) var isFaulty = false

    init(_ bytes: ByteBuffer) {
        let decoder = ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes))
        let channel = EmbeddedChannel(handler: decoder)
        do { try channel.writeInbound(bytes) } catch { isFaulty = true }
        while let part = try? channel.readInbound(as: HTTPServerRequestPart.self) {
            switch part {
            case .head(let head): requests.append(Request(head: head))
            case .body(let bytes): requests[requests.count - 1].body.writeImmutableBuffer(bytes)
            case .end: requests[requests.count - 1].isWhole = true
            }
        }
    }
}
